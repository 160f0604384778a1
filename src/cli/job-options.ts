// What the commands that run jobs have in common: where these run, and how one looks at them.
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { type Executor, type Job, localExecutor } from '../jobs/index.ts';
import {
  type Code,
  detachJobs,
  RayClient,
  RayCluster,
  rayExecutor,
  rayStates,
  rayToken,
  uploadProject,
} from '../jobs/ray/index.ts';
import { numberIn, path, shellWord, UsageError, wholeNumber, writeResult } from './command.ts';
import { say } from './printable.ts';

export interface JobOptions {
  jobs?: number;
  ray?: string;
  remoteDir?: string;
  runCpus?: number;
  runGpus?: number;
  retries?: number;
  detach?: true;
  logs?: string;
}

const RETRIES = 3;

/** Adds the options. @param output The option that names the folder of the runs, for the help. */
export function addJobOptions(command: Command, output: string): Command {
  return command
    .option(
      '--jobs <count>',
      'runs at a time (default: 1; with --ray as many as it has places for)',
      wholeNumber(1, 10_000),
    )
    .option('--ray <address>', 'run on the Ray cluster with this dashboard, such as http://HOST:8265', word)
    .option(
      '--remote-dir <folder>',
      'with --ray: where all its machines have the project, set up (default: it is sent, and set up there)',
      path,
    )
    .option('--run-cpus <count>', 'with --ray: CPUs that a run reserves (default: 1)', wholeNumber(1, 10_000))
    .option('--run-gpus <count>', 'with --ray: GPUs that a run reserves (default: 0)', numberIn(0, 64))
    .option(
      '--retries <count>',
      `with --ray: how often a run goes on that was lost with its machine (default: ${RETRIES})`,
      wholeNumber(0, 1000),
    )
    .option('--detach', 'with --ray: hand all runs over and leave; the same command picks them up')
    .option('--logs <run>', 'with --ray: print what this run has written so far, and stop', word)
    .addHelpText(
      'after',
      `
With --ray the folder of the runs (${output}) is one that this and all machines of the cluster share under the same
path; a token is read from RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token. Ctrl-C stops the runs
there, and each saves a checkpoint. More: docs/several-machines.md.`,
    );
}

/** The same options again, for a line that is to be pasted. */
export function jobOptionsLine({ jobs, ray, remoteDir, runCpus, runGpus, retries }: JobOptions): string {
  const given = { jobs, ray, 'remote-dir': remoteDir, 'run-cpus': runCpus, 'run-gpus': runGpus, retries };
  return Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` --${name} ${shellWord(String(value))}`)
    .join('');
}

/** @throws UsageError for options that do nothing, or exclude each other. */
export function checkJobOptions(options: JobOptions): void {
  const { ray, detach, logs, jobs } = options;
  if (ray === undefined) {
    const alone = { '--remote-dir': options.remoteDir, '--run-cpus': options.runCpus, '--run-gpus': options.runGpus };
    const others = { '--retries': options.retries, '--detach': detach, '--logs': logs };
    for (const [name, value] of Object.entries({ ...alone, ...others })) {
      if (value !== undefined) throw new UsageError(`${name} goes with --ray`);
    }
    return;
  }
  if (detach && logs !== undefined) throw new UsageError('--detach and --logs exclude each other');
  if (detach && jobs !== undefined) throw new UsageError(`--jobs ${jobs}: with --detach Ray alone says how many run`);
  if (detach && options.retries !== undefined) {
    throw new UsageError('--retries goes with a command that stays: with --detach nobody is there to try again');
  }
}

/**
 * The cluster that `--ray` names, once it has answered; undefined without.
 * @throws RayAddressError
 */
export async function clusterOf(options: JobOptions, runsPath: string): Promise<RayCluster | undefined> {
  const { ray, remoteDir, runCpus: cpus = 1, runGpus: gpus = 0 } = options;
  if (ray === undefined) return undefined;
  const client = new RayClient(ray, { token: rayToken() });
  await client.connect();
  const code = async (): Promise<Code> =>
    remoteDir === undefined ? { packageName: await uploadProject(client, say) } : { remoteDir: resolve(remoteDir) };
  return new RayCluster(runsPath, { client, code, cpus, gpus });
}

/**
 * What runs the jobs.
 * @param options `nice`: whether they leave this machine's processor to whoever else wants it.
 */
export function executorOf(
  cluster: RayCluster | undefined,
  { jobs, retries = RETRIES, nice = false }: JobOptions & { nice?: boolean },
): Executor {
  if (cluster === undefined) return localExecutor({ atOnce: jobs ?? 1, nice });
  return rayExecutor(cluster, { retries, ...(jobs !== undefined && { atOnce: jobs }) });
}

/**
 * Does what --detach and --logs ask for.
 * @returns Whether that was all.
 * @throws UsageError for a run that is none, or that the cluster has not had.
 */
export async function handledByCluster(
  cluster: RayCluster | undefined,
  jobs: readonly Job[],
  { runsPath, options, json }: { runsPath: string; options: JobOptions; json: boolean },
): Promise<boolean> {
  if (cluster === undefined) return false;
  const { detach, logs } = options;
  if (logs !== undefined) {
    const job = jobs.find(({ name }) => name === logs);
    if (job === undefined)
      throw new UsageError(`--logs ${logs}: there is no such run, but ${jobs[0]?.name} and others`);
    const newest = cluster.newest(job, await cluster.client.jobs());
    if (newest === undefined) throw new UsageError(`--logs ${logs}: this cluster has not had the run`);
    const text = await cluster.client.logs(newest.id);
    if (text === undefined) throw new UsageError(`--logs ${logs}: its log is gone with the machine that it ran at`);
    await writeResult(json ? `${JSON.stringify({ run: logs, attempt: newest.number, logs: text })}\n` : text);
    return true;
  }
  if (!detach) return false;
  await writeRows(await detachJobs(cluster, jobs, runsPath), json);
  say('left running: the same command without --detach picks the runs up');
  return true;
}

/** Lists how far all jobs are. */
export async function writeStates(
  cluster: RayCluster,
  jobs: readonly Job[],
  { runsPath, json }: { runsPath: string; json: boolean },
): Promise<void> {
  await writeRows(await rayStates(cluster, jobs, runsPath), json);
}

async function writeRows(rows: Awaited<ReturnType<typeof rayStates>>, json: boolean): Promise<void> {
  const lines = rows.map(
    ({ name, state, host }) => `${state.padEnd(9)} ${name}${host === undefined ? '' : ` at ${host}`}`,
  );
  await writeResult(json ? `${JSON.stringify({ runs: rows })}\n` : `${lines.join('\n')}\n`);
}

function word(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It cannot be empty.');
  return text;
}
