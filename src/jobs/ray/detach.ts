import type { Job } from '../jobs.ts';
import { openJobs } from '../runner.ts';
import type { RayAttempt, RayCluster } from './cluster.ts';
import { hostOf, isOver } from './executor.ts';

/** How far a job is. */
export interface JobRow {
  name: string;
  /** As `stateOf` says, or `queued`, `running` or `failed` in Ray. */
  state: string;
  /** Where it runs. */
  host?: string;
}

/** How far all jobs are, in their folders and on the cluster. */
export async function rayStates(cluster: RayCluster, jobs: readonly Job[], runsPath: string): Promise<JobRow[]> {
  const known = await cluster.client.jobs();
  return [...(await openJobs(jobs, runsPath))].map(([job, state]) => rowOf(job, state, cluster.newest(job, known)));
}

/**
 * Hands all jobs to Ray that are not done and that it does not have already, and leaves them there. It queues them. A
 * question about a run that is not done is left for a later call.
 * @returns How far each is then.
 */
export async function detachJobs(cluster: RayCluster, jobs: readonly Job[], runsPath: string): Promise<JobRow[]> {
  const known = await cluster.client.jobs();
  const states = await openJobs(jobs, runsPath);
  const finished = new Set([...states].flatMap(([{ name }, state]) => (state === 'finished' ? [name] : [])));
  for (const [job, state] of states) {
    if (job.kind === 'question' && job.after !== undefined && !finished.has(job.after)) continue;
    const before = cluster.newest(job, known);
    if (state === 'finished' || (before !== undefined && !isOver(before.ray))) continue;
    await cluster.submit(job, state, before);
  }
  return rayStates(cluster, jobs, runsPath);
}

function rowOf(job: Job, state: string, newest: RayAttempt | undefined): JobRow {
  const { name } = job;
  if (newest === undefined || state === 'finished') return { name, state };
  const { ray } = newest;
  if (ray.status === 'PENDING') return { name, state: 'queued' };
  if (ray.status === 'RUNNING') return { name, state: 'running', host: hostOf(ray) };
  return { name, state: ray.status === 'FAILED' ? 'failed' : state };
}
