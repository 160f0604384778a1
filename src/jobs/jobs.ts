// What a part of the paper needs: runs of this project's own commands, each in a folder or file of its own, made once.
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readEvents } from '../runs/events.ts';
import { RunFolder } from '../runs/folder.ts';
import { SettingError } from '../settings/index.ts';

export type Settings = Readonly<Record<string, string | number>>;

/** A training run, in the folder `name`. */
export interface TrainingJob {
  kind: 'training';
  name: string;
  command: 'train-supervised' | 'train-agent';
  /** What the command starts from, such as `--task` and `--recipe`. */
  base: Readonly<Record<string, string>>;
  /** In place of the base's settings. */
  settings: Settings;
}

/** A command that answers with one JSON object, kept in `name`.json. */
export interface QuestionJob {
  kind: 'question';
  name: string;
  command: 'evaluate-agent' | 'reproduce';
  args: readonly string[];
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
    if (String(settings[key]) === String(value)) continue;
    const reason = `: ${path} holds a run with ${settings[key]}`;
    throw new SettingError({ key, value, reason, mend: 'remove that folder, or give another {out}' });
  }
  const checkpoints = await folder.checkpoints.list();
  const finished =
    job.command === 'train-agent'
      ? (checkpoints.at(-1)?.step ?? 0) >= (settings.steps as number)
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
 */
export async function argsOf(job: Job, state: JobState, runsPath: string): Promise<string[]> {
  if (job.kind === 'question') return [...job.args, '--json'];
  const runDir = join(runsPath, job.name);
  if (state === 'begun') return ['--run-dir', runDir, '--resume'];
  // Throws while another process trains there.
  if (existsSync(join(runDir, 'config.json'))) RunFolder.open(runDir).lock();
  await rm(runDir, { recursive: true, force: true });
  const settings = Object.entries(job.settings).map(([key, value]) => [
    key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    value,
  ]);
  return [...Object.entries(job.base), ...settings]
    .flatMap(([key, value]) => [`--${key}`, String(value)])
    .concat(['--run-dir', runDir]);
}

export async function readAnswer<T>(path: string): Promise<Answer<T> | undefined> {
  return existsSync(path) ? JSON.parse(await readFile(path, 'utf8')) : undefined;
}
