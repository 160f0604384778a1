import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { DamagedFileError } from '../files/errors.ts';
import { openOrdinaryFile, resolveInside } from '../files/inside.ts';
import type { RunDescription } from '../runs/description.ts';
import { RunFolderError } from '../runs/errors.ts';
import { parseEventLine, type RunEvent } from '../runs/events.ts';
import { RunFolder } from '../runs/folder.ts';
import { MetricsFollower } from '../runs/follow-metrics.ts';
import { isRunLocked } from '../runs/lock.ts';
import { trainingScore } from '../runs/training-score.ts';
import type { RunList, RunRow } from './api.ts';

const DEEPEST = 4;
const MOST_FOLDERS = 20_000;
/** Several pages that ask at the same time are answered by one look. */
const LOOK_EVERY_MS = 1000;
/** Some hundred lines, which say where a run stands. */
const TAIL_BYTES = 1 << 15;
const MOST_CONFIG_BYTES = 1 << 22;
const AT_ONCE = 16;

/** A run of the list with what the server alone knows of it. */
export interface FoundRun {
  readonly id: string;
  /** The real path of its folder. */
  readonly path: string;
  row: RunRow;
  description: RunDescription | undefined;
  readonly metrics: MetricsFollower;
  /** The states of files that `description` and the row are from. */
  configState: string;
  tail: Tail | undefined;
}

interface Tail {
  readonly version: string;
  readonly newest: RunEvent | undefined;
  readonly epoch: number | undefined;
  readonly score: number | null;
  readonly changedMs: number;
}

/** The runs in a folder and in folders below it, looked for anew when asked. */
export class RunIndex {
  private readonly root: string;
  private readonly shownName: string;
  private runs = new Map<string, FoundRun>();
  private note: string | null = null;
  private lookedMs = Number.NEGATIVE_INFINITY;
  private looking: Promise<void> | undefined;

  private constructor(root: string) {
    this.root = root;
    this.shownName = basename(root) || root;
  }

  /** @throws RunFolderError where there is no such folder. */
  static async open(folder: string): Promise<RunIndex> {
    const root = await realpath(folder).catch(() => undefined);
    if (root === undefined || !(await stat(root)).isDirectory()) {
      const reason = root === undefined ? 'does not exist' : 'is no folder';
      throw new RunFolderError(`${folder} ${reason}: name the folder of a run, or one with runs in it`);
    }
    return new RunIndex(root);
  }

  /** All runs, those that changed last first. */
  async list(): Promise<RunList> {
    await this.look();
    const rows = [...this.runs.values()].map(({ row }) => row);
    rows.sort((a, b) => b.changedMs - a.changedMs || (a.id < b.id ? -1 : 1));
    return { folder: this.shownName, runs: rows, note: this.note };
  }

  /** The run of an id from the list; undefined for any other text. */
  async find(id: string): Promise<FoundRun | undefined> {
    if (!this.runs.has(id)) await this.look();
    return this.runs.get(id);
  }

  private async look(): Promise<void> {
    if (this.looking === undefined && performance.now() - this.lookedMs < LOOK_EVERY_MS) return;
    this.looking ??= this.lookNow().finally(() => {
      this.looking = undefined;
      this.lookedMs = performance.now();
    });
    await this.looking;
  }

  private async lookNow(): Promise<void> {
    const { paths, leftOut } = await findRuns(this.root);
    const runs = new Map<string, FoundRun>();
    for (const path of paths) {
      const id = relative(this.root, path) || '.';
      runs.set(id, this.runs.get(id) ?? newRun(id, path, id === '.' ? this.shownName : id));
    }
    await inParallel([...runs.values()], (run) => refresh(run, this.root));
    this.runs = runs;
    this.note = leftOut ? `Only the first ${MOST_FOLDERS.toLocaleString('en')} folders were looked at.` : null;
  }
}

/** Does the same with all of them, some at a time. */
async function inParallel<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const waiting = [...all];
  const next = async () => {
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) await work(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}

/** The real paths of folders that are runs: they have a config.json or a metrics.jsonl. Nothing below them is one. */
async function findRuns(root: string): Promise<{ paths: string[]; leftOut: boolean }> {
  const paths: string[] = [];
  const seen = new Set<string>();
  let level = [root];
  for (let depth = 0; depth <= DEEPEST && level.length > 0; depth++) {
    const below: string[] = [];
    for (const path of level) {
      if (seen.has(path)) continue;
      if (seen.size >= MOST_FOLDERS) return { paths, leftOut: true };
      seen.add(path);
      const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
      if (entries.some(({ name }) => name === 'config.json' || name === 'metrics.jsonl')) {
        paths.push(path);
        continue;
      }
      for (const entry of entries) {
        if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
        const inside = join(path, entry.name);
        if (entry.isDirectory()) below.push(inside);
        else if (entry.isSymbolicLink()) {
          const target = await resolveInside(root, inside);
          if (target !== undefined && (await stat(target).catch(() => undefined))?.isDirectory()) below.push(target);
        }
      }
    }
    level = below;
  }
  return { paths, leftOut: false };
}

function newRun(id: string, path: string, name: string): FoundRun {
  const row: RunRow = {
    ...{ id, name, problem: null, kind: null, what: null, environment: null, framesPerStep: null, seed: null },
    ...{ state: 'stopped', unit: null, position: null, progress: null, wallSeconds: null, score: null },
    ...{ changedMs: 0, version: '', group: id },
  };
  const metrics = new MetricsFollower(join(path, 'metrics.jsonl'));
  return { id, path, row, description: undefined, metrics, configState: '', tail: undefined };
}

/** Brings what the list says of a run up to date; what has not changed is not read again. */
async function refresh(run: FoundRun, root: string): Promise<void> {
  const [configState, metricsState] = await Promise.all([
    fileState(run, 'config.json'),
    fileState(run, 'metrics.jsonl'),
  ]);
  let { problem } = run.row;
  if (configState.text !== run.configState || configState.text === '') {
    ({ problem, description: run.description } = await describe(run, root, configState));
    run.configState = configState.text;
  }
  if (run.tail?.version !== metricsState.text) run.tail = await readTail(run, metricsState);
  const { description, tail, metrics } = run;
  const environment = description?.environment?.settings;
  const progress = progressOf(description, tail);
  const isRunning = await isLocked(run);
  run.row = {
    ...run.row,
    problem: problem ?? metrics.damage ?? null,
    kind: description?.kind ?? null,
    what: description?.name ?? null,
    environment: environment?.id ?? null,
    framesPerStep: environment?.kind === 'atari' ? Number(environment.frameSkip ?? 4) : null,
    seed: typeof description?.settings.seed === 'number' ? description.settings.seed : null,
    state: isRunning ? 'running' : progress !== null && progress >= 1 ? 'finished' : 'stopped',
    unit: tail.newest?.unit ?? null,
    position: tail.newest?.position ?? null,
    progress,
    wallSeconds: tail.newest?.wallSeconds ?? null,
    score: tail.score,
    changedMs: Math.max(tail.changedMs, configState.changedMs),
    version: tail.version,
    group: description === undefined ? run.id : groupOf(description),
  };
}

interface FileState {
  /** Empty where there is no such ordinary file in the run's folder. */
  readonly text: string;
  readonly bytes: number;
  readonly changedMs: number;
}

async function fileState({ path }: FoundRun, name: string): Promise<FileState> {
  let found = await lstat(join(path, name)).catch(() => undefined);
  if (found?.isSymbolicLink()) {
    const target = await resolveInside(path, join(path, name));
    found = target === undefined ? undefined : await stat(target).catch(() => undefined);
  }
  if (!found?.isFile()) return { text: '', bytes: 0, changedMs: 0 };
  return { text: `${found.ino}-${found.size}-${found.mtimeMs}`, bytes: found.size, changedMs: found.mtimeMs };
}

async function describe(
  { path }: FoundRun,
  root: string,
  { text, bytes }: FileState,
): Promise<{ problem: string | null; description: RunDescription | undefined }> {
  const damaged = (problem: string) => ({ problem, description: undefined });
  if (text === '') {
    return damaged(
      existsSync(join(path, 'config.json')) ? 'config.json is no file of this folder' : 'it has no config.json',
    );
  }
  if (bytes > MOST_CONFIG_BYTES) return damaged(`config.json has ${bytes} bytes: it does not describe a run`);
  try {
    return { problem: null, description: await RunFolder.open(path).describe() };
  } catch (error) {
    if (error instanceof DamagedFileError || error instanceof RunFolderError) {
      return damaged(error.message.replaceAll(`${path}/`, '').replaceAll(root, '.').slice(0, 500));
    }
    return damaged(`config.json cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}

/** Where a run stands, from the last lines of its metrics: nothing else need be read for the list. */
async function readTail({ path }: FoundRun, { text, bytes, changedMs }: FileState): Promise<Tail> {
  const nothing = { version: text, newest: undefined, epoch: undefined, score: null, changedMs };
  const file = text === '' ? undefined : await openOrdinaryFile(join(path, 'metrics.jsonl'));
  if (file === undefined) return nothing;
  try {
    const length = Math.min(bytes, TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, bytes - length);
    const lines = buffer
      .toString('utf8', 0, bytesRead)
      .split('\n')
      .slice(length < bytes ? 1 : 0, -1);
    const events = lines.flatMap((line) => {
      try {
        return [parseEventLine(line)];
      } catch {
        return []; // the curves' reader says so
      }
    });
    const returns = events.flatMap((event) => (event.kind === 'episode' ? [event.numbers.episodeReturn] : []));
    return {
      ...nothing,
      newest: events.at(-1),
      epoch: events.flatMap(({ numbers }) => (numbers as Record<string, number>).epoch ?? []).at(-1),
      score: trainingScore(returns)?.mean ?? null,
    };
  } finally {
    await file.close();
  }
}

function progressOf(description: RunDescription | undefined, tail: Tail): number | null {
  const { steps, epochs } = description?.settings ?? {};
  const share =
    description?.kind === 'agent' ? (tail.newest?.position ?? 0) / Number(steps) : (tail.epoch ?? 0) / Number(epochs);
  return Number.isFinite(share) ? Math.min(share, 1) : null;
}

async function isLocked(run: FoundRun): Promise<boolean> {
  const lock = await fileState(run, 'run.lock');
  if (lock.text === '' || lock.bytes > TAIL_BYTES) return false;
  try {
    return isRunLocked(run.path);
  } catch {
    return false; // gone meanwhile
  }
}

function groupOf({ kind, name, settings, environment }: RunDescription): string {
  const { seed: _, ...rest } = settings;
  const sorted = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  const identity = JSON.stringify([kind, name, environment?.settings.id, sorted]);
  return createHash('sha256').update(identity).digest('hex').slice(0, 16);
}

/** The folders of the runs in a folder, those that cannot be described apart. @throws RunFolderError as `open`. */
export async function listRunFolders(
  folder: string,
): Promise<{ runs: string[]; damaged: { path: string; problem: string }[] }> {
  const index = await RunIndex.open(folder);
  const { runs } = await index.list();
  const pathOf = ({ id }: RunRow) => join(folder, id);
  const isDescribed = ({ kind }: RunRow) => kind !== null;
  return {
    runs: runs.filter(isDescribed).map(pathOf).sort(),
    damaged: runs.filter((row) => !isDescribed(row)).map((row) => ({ path: pathOf(row), problem: row.problem ?? '' })),
  };
}
