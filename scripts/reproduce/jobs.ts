// What a part of the paper needs: runs of this project's own commands, each in a folder or file of its own, made once.
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { kebab, UsageError } from '../../src/cli/index.ts';
import { RunFolder } from '../../src/training/run-folder.ts';
import { readEpochs } from './metrics.ts';

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

/** @throws UsageError where the folder holds a run with other settings. */
export async function stateOf(job: Job, runsPath: string): Promise<JobState> {
  const path = join(runsPath, job.name);
  if (job.kind === 'question') {
    const answer = await readAnswer(`${path}.json`);
    return answer !== undefined && answer.args.join(' ') === job.args.join(' ') ? 'finished' : 'new';
  }
  if (!existsSync(join(path, 'config.json'))) return 'new';
  const folder = RunFolder.open(path);
  const { config } = (await folder.readConfig()) as { config: Record<string, unknown> };
  for (const [key, value] of Object.entries(job.settings)) {
    if (String(config[key]) === String(value)) continue;
    throw new UsageError(
      `${path} holds a run with --${kebab(key)} ${config[key]}, not ${value}: remove that folder, or give another --out`,
    );
  }
  const checkpoints = await folder.checkpoints();
  const finished =
    job.command === 'train-agent'
      ? (checkpoints.at(-1)?.step ?? 0) >= (config.steps as number)
      : readEpochs(folder.metricsPath).at(-1)?.epoch === config.epochs;
  if (finished) return 'finished';
  return checkpoints.length > 0 ? 'begun' : 'new';
}

/** The command line of a job. What a killed run left before its first checkpoint is removed: nothing can go on from it. */
export async function argsOf(job: Job, state: JobState, runsPath: string): Promise<string[]> {
  if (job.kind === 'question') return [...job.args, '--json'];
  const runDir = join(runsPath, job.name);
  if (state === 'begun') return ['--run-dir', runDir, '--resume'];
  if (existsSync(join(runDir, 'config.json'))) RunFolder.open(runDir).lock(); // throws while another process trains there
  await rm(runDir, { recursive: true, force: true });
  const settings = Object.entries(job.settings).map(([key, value]) => [kebab(key), value]);
  return [...Object.entries(job.base), ...settings]
    .flatMap(([key, value]) => [`--${key}`, String(value)])
    .concat(['--run-dir', runDir]);
}

export async function readAnswer<T>(path: string): Promise<Answer<T> | undefined> {
  return existsSync(path) ? JSON.parse(await readFile(path, 'utf8')) : undefined;
}
