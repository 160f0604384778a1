// Runs of agents as a comparison sees them: which belong together, and what each scored when.
import { DamagedFileError } from '../files/errors.ts';
import { type RunEvent, readEvents } from '../runs/events.ts';
import { RunFolder } from '../runs/folder.ts';
import { trainingScore } from '../runs/training-score.ts';

/** What a score is taken from. */
export const SCORES = ['evaluation', 'training'] as const;
export type ScoreKind = (typeof SCORES)[number];

/** A run of an agent, as far as a comparison needs it. */
export interface ComparedRun {
  readonly path: string;
  readonly agent: string;
  /** The game's or the environment's name. */
  readonly environment: string;
  readonly isAtari: boolean;
  readonly seed: number;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly events: readonly RunEvent[];
  /** Agent steps of its last event. */
  readonly lastStep: number;
}

/** Runs that differ in environment and seed alone. */
export interface RunGroup {
  /** The agent, and the settings that set this group apart from the others: "dqn, normalization weight". */
  readonly label: string;
  readonly agent: string;
  readonly runs: readonly ComparedRun[];
}

/**
 * Reads the run of an agent in a folder.
 * @throws RunFolderError for a folder without one; DamagedFileError for a supervised run, and one without any event.
 */
export async function readComparedRun(path: string): Promise<ComparedRun> {
  const folder = RunFolder.open(path);
  const { kind, name, settings, environment } = await folder.describe();
  if (kind !== 'agent' || environment === undefined) {
    throw new DamagedFileError(path, `it is the run of the supervised task ${name}; runs of agents are compared`);
  }
  const events = await readEvents(folder.metricsPath);
  if (events.length === 0) throw new DamagedFileError(folder.metricsPath, 'there is nothing to compare in it yet');
  const { kind: environmentKind, id } = environment.settings;
  return {
    path,
    agent: name,
    environment: id,
    isAtari: environmentKind === 'atari',
    seed: Number(settings.seed),
    settings,
    events,
    lastStep: events.at(-1)!.position,
  };
}

/** Reads the runs of several folders, one that is named twice once. @throws As `readComparedRun`. */
export function readComparedRuns(folders: readonly string[]): Promise<ComparedRun[]> {
  const paths = new Set(folders.map((folder) => folder.replace(/(?<=.)\/+$/, '')));
  return Promise.all(Array.from(paths, readComparedRun));
}

/** Settings by which runs of one group may differ: they say where and how often, not how it is learned. */
const OF_EACH_RUN = ['seed', 'game', 'envId', 'envOptions'];

/**
 * Puts runs together that differ in environment and seed alone.
 * @param ignored Further settings that do not count, such as how often a checkpoint is written.
 * @returns The groups in the order of their first runs, and the settings that differ between them.
 */
export function groupRuns(
  runs: readonly ComparedRun[],
  ignored: readonly string[],
): { groups: RunGroup[]; differing: string[] } {
  const leftOut = new Set([...OF_EACH_RUN, ...ignored]);
  const keys = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))].filter((key) => !leftOut.has(key));
  const shown = ({ settings }: ComparedRun, key: string) => JSON.stringify(settings[key]) ?? 'none';
  const differing = keys.filter((key) => new Set(runs.map((run) => shown(run, key))).size > 1);
  const byIdentity = new Map<string, ComparedRun[]>();
  for (const run of runs) {
    const identity = JSON.stringify([run.agent, ...keys.map((key) => shown(run, key))]);
    byIdentity.set(identity, [...(byIdentity.get(identity) ?? []), run]);
  }
  const groups = [...byIdentity.values()].map((members): RunGroup => {
    const first = members[0];
    const parts = differing.map((key) => `${key} ${shown(first, key).replaceAll('"', '')}`);
    return { label: [first.agent, ...parts].join(', '), agent: first.agent, runs: members };
  });
  return { groups, differing };
}

/**
 * A run's score at an agent step: the mean return of its newest evaluation up to there, or of the newest 100 training
 * episodes that had ended by then. Returns are unclipped. NaN where there is neither.
 */
export function scoreAt({ events }: ComparedRun, step: number, kind: ScoreKind): number {
  const before = events.filter(({ position }) => position <= step);
  if (kind === 'evaluation') {
    const newest = before.findLast((event) => event.kind === 'evaluation');
    return (newest?.numbers as Record<string, number> | undefined)?.meanReturn ?? Number.NaN;
  }
  const returns = before.flatMap((event) => (event.kind === 'episode' ? [event.numbers.episodeReturn] : []));
  return trainingScore(returns)?.mean ?? Number.NaN;
}

/** The best evaluation of a run up to an agent step; NaN without one. */
export function bestEvaluation({ events }: ComparedRun, step: number): number {
  const means = events.flatMap(({ kind, position, numbers }) =>
    kind === 'evaluation' && position <= step ? [(numbers as Record<string, number>).meanReturn] : [],
  );
  return means.length === 0 ? Number.NaN : Math.max(...means);
}

/**
 * A learning curve: at each point of a grid the mean return of what ended since the last point, evaluations or training
 * episodes; NaN where nothing did.
 * @param grid Agent steps, rising.
 */
export function learningCurve({ events }: ComparedRun, grid: readonly number[], kind: ScoreKind): number[] {
  const sums = grid.map(() => ({ sum: 0, count: 0 }));
  let point = 0;
  for (const event of events) {
    while (point < grid.length && event.position > grid[point]) point += 1;
    if (point === grid.length) break;
    const value =
      kind === 'training' && event.kind === 'episode'
        ? event.numbers.episodeReturn
        : kind === 'evaluation' && event.kind === 'evaluation'
          ? (event.numbers as Record<string, number>).meanReturn
          : undefined;
    if (value === undefined) continue;
    sums[point].sum += value;
    sums[point].count += 1;
  }
  return sums.map(({ sum, count }) => (count === 0 ? Number.NaN : sum / count));
}
