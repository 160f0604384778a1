// What a part of the paper needs: runs of this project's own commands, each in a folder or file of its own, made once.
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFileWith } from '../files/atomic.ts';
import { readEvents } from '../runs/events.ts';
import { RunFolder } from '../runs/folder.ts';
import type { JobAttempt } from '../runs/lock.ts';
import { SettingError, showSetting } from '../settings/index.ts';

/** Settings by their keys; a list is typed with commas, a map as an option for each entry; null is not typed. */
export type Settings = Readonly<
  Record<string, string | number | boolean | null | readonly number[] | Readonly<Record<string, unknown>>>
>;

/** A training run, in the folder `name`. */
export interface TrainingJob {
  kind: 'training';
  name: string;
  command: 'train-supervised' | 'train-agent';
  /** What the command starts from, such as `--task` and `--recipe`. */
  base: Readonly<Record<string, string>>;
  /** In place of the base's settings. */
  settings: Settings;
  /** Those of them that may change after the run has begun, such as its length; none where undefined. */
  changeable?: readonly string[];
}

/** A command that answers with one JSON object, kept in `name`.json. */
export interface QuestionJob {
  kind: 'question';
  name: string;
  command: 'evaluate-agent' | 'reproduce';
  args: readonly string[];
  /** The job that it asks about, which stands before it in a list of jobs. */
  after?: string;
}

export type Job = TrainingJob | QuestionJob;

/** What is kept of a question. */
export interface Answer<T = unknown> {
  args: string[];
  seconds: number;
  result: T;
}

/** `begun`: it goes on from a checkpoint. */
export type JobState = 'new' | 'begun' | 'finished';

/** @throws SettingError where the folder holds a run with other settings. */
export async function stateOf(job: Job, runsPath: string): Promise<JobState> {
  const path = join(runsPath, job.name);
  if (job.kind === 'question') {
    const answer = await readAnswer(`${path}.json`);
    return answer !== undefined && answer.args.join(' ') === job.args.join(' ') ? 'finished' : 'new';
  }
  if (!existsSync(join(path, 'config.json'))) return 'new';
  const folder = RunFolder.open(path);
  const { settings } = await folder.describe();
  for (const [key, value] of Object.entries(job.settings)) {
    if (isSame(settings[key], value) || job.changeable?.includes(key)) continue;
    const reason = `: ${path} holds a run with ${showSetting(settings[key])}`;
    throw new SettingError({ key, value, reason, mend: 'remove that folder, or give another {out}' });
  }
  const checkpoints = await folder.checkpoints.list();
  const finished =
    job.command === 'train-agent'
      ? (checkpoints.at(-1)?.step ?? 0) >= Number(job.settings.steps ?? settings.steps)
      : (await lastEpoch(folder)) === settings.epochs;
  if (finished) return 'finished';
  return checkpoints.length > 0 ? 'begun' : 'new';
}

/** Whole epochs that a supervised run has finished. */
async function lastEpoch(folder: RunFolder): Promise<number | undefined> {
  for (const event of (await readEvents(folder.metricsPath)).reverse()) {
    if (event.kind === 'epoch') return event.numbers.epoch;
  }
  return undefined;
}

/**
 * The command line of a job. What a killed run left before its first checkpoint is removed: nothing can go on from it.
 * @param as The attempt that is to come, where a scheduler makes it.
 * @throws RunFolderError where another process trains there.
 */
export async function argsOf(job: Job, state: JobState, runsPath: string, as?: JobAttempt): Promise<string[]> {
  if (job.kind === 'question') return [...job.args, '--json'];
  const runDir = join(runsPath, job.name);
  if (state === 'begun') {
    const changed = Object.entries(job.settings).filter(([key]) => job.changeable?.includes(key));
    return ['--run-dir', runDir, '--resume', ...changed.flatMap(optionsOf)];
  }
  if (existsSync(join(runDir, 'config.json'))) RunFolder.open(runDir).lock({ as });
  await rm(runDir, { recursive: true, force: true });
  return [
    ...Object.entries(job.base).flatMap(([key, value]) => [`--${key}`, value]),
    ...Object.entries(job.settings).flatMap(optionsOf),
    ...['--run-dir', runDir],
  ];
}

/** A setting as options of a command. */
function optionsOf([key, value]: [string, Settings[string]]): string[] {
  const name = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  if (value === null) return [];
  if (typeof value === 'boolean') return [value ? `--${name}` : `--no-${name}`];
  if (typeof value === 'object' && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([entry, of]) => [
      `--${name.replace(/s$/, '')}`,
      `${entry}=${typeof of === 'string' ? of : JSON.stringify(of)}`,
    ]);
  }
  return [`--${name}`, showSetting(value)];
}

function isSame(a: unknown, b: unknown): boolean {
  const areMaps = [a, b].every((value) => typeof value === 'object' && !Array.isArray(value));
  return areMaps ? JSON.stringify(a) === JSON.stringify(b) : String(a) === String(b);
}

/** Keeps what a question's command has printed. @param path Of the answer, without its .json. */
export async function keepAnswer(path: string, job: QuestionJob, stdout: string, seconds: number): Promise<void> {
  const answer: Answer = { args: [...job.args], seconds, result: JSON.parse(stdout) };
  await replaceFileWith(`${path}.json`, (file) => file.writeFile(`${JSON.stringify(answer)}\n`));
}

export async function readAnswer<T>(path: string): Promise<Answer<T> | undefined> {
  return existsSync(path) ? JSON.parse(await readFile(path, 'utf8')) : undefined;
}
