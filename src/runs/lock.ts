import { linkSync, mkdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { RunFolderError } from './errors.ts';

const LOCK_FILE = 'run.lock';
/** A turn at a stale lock takes well under a millisecond. */
const LONGEST_TURN_MS = 5000;
const WAIT_MS = 20;
const MOST_ATTEMPTS = (2 * LONGEST_TURN_MS) / WAIT_MS;

/**
 * A scheduler's job that this process is an attempt at: its name, which no other job of the same folder has, and the
 * attempt's number. Who starts an attempt says with it that the attempts before it are over.
 */
export const JOB_VARIABLE = 'WEIGHTNORM_JOB';
export const ATTEMPT_VARIABLE = 'WEIGHTNORM_ATTEMPT';

/** An attempt at a job; a later attempt takes the locks of earlier ones over, wherever they ran. */
export interface JobAttempt {
  readonly job: string;
  readonly attempt: number;
}

/** Who trains in a run folder. */
const holderSchema = z.strictObject({
  host: z.string(),
  /** The container, or other space of process ids, that the process runs in. */
  space: z.string(),
  pid: z.int(),
  /** When the process started, in the system's ticks: process ids are used again. */
  started: z.string(),
  /** When the lock was taken, in ISO 8601. */
  since: z.string(),
  job: z.string().optional(),
  attempt: z.int().optional(),
});
type Holder = z.infer<typeof holderSchema>;

/**
 * Keeps other processes from writing in a run folder, until `unlockRun` or until this process is gone. A lock whose
 * process is gone is taken over. That cannot be told of a process on another host or in another container, so that its
 * lock is refused, whatever its age, but where an earlier attempt at the same job has it: that is over then.
 * @param force Takes the lock whoever has it.
 * @param as The attempt that the lock is for, in place of that of this process's environment.
 * @throws RunFolderError naming who holds the lock, since when, and what to do.
 */
export function lockRun(
  folder: string,
  { force = false, as = attemptOfProcess() }: { force?: boolean; as?: JobAttempt | undefined } = {},
): void {
  const path = join(folder, LOCK_FILE);
  const own = join(folder, `.${LOCK_FILE}.${process.pid}.${Math.round(performance.now() * 1000)}`);
  writeFileSync(own, `${JSON.stringify({ ...thisProcess(), ...as })}\n`, { flag: 'wx' });
  try {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      try {
        linkSync(own, path); // whole at once, unlike a file that is made and then written
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const found = readLock(path);
      if (found === undefined) continue; // it was unlocked meanwhile
      const problem = force ? undefined : whyNot(found, as);
      if (problem !== undefined) throw new RunFolderError(`run folder ${folder} ${problem}`);
      if (!takeAway(path, found)) sleep(WAIT_MS);
    }
    throw new RunFolderError(`run folder ${folder}: its lock changes hands all the time; try again`);
  } finally {
    rmSync(own, { force: true });
  }
}

/** Gives the folder free, where this process holds it. */
export function unlockRun(folder: string): void {
  const path = join(folder, LOCK_FILE);
  const holder = parseHolder(readLock(path));
  const { host, space, pid } = thisProcess();
  if (holder?.host === host && holder.space === space && holder.pid === pid) rmSync(path, { force: true });
}

/**
 * Makes sure that no other process has taken the lock that this one had.
 * @throws RunFolderError naming who has it.
 */
export function checkLock(folder: string): void {
  const holder = parseHolder(readLock(join(folder, LOCK_FILE)));
  if (holder === undefined) return;
  const { host, space, pid } = thisProcess();
  if (holder.host === host && holder.space === space && holder.pid === pid) return;
  throw new RunFolderError(
    `run folder ${folder} was taken over by process ${holder.pid} on the host ${holder.host}: this process writes no ` +
      'more there',
  );
}

/**
 * Whether a process trains in a run folder: one that lives, or one on another host or in another container, of which
 * that cannot be told.
 * @param as An attempt at a job, for which the locks of earlier attempts do not count.
 */
export function isRunLocked(folder: string, as?: JobAttempt): boolean {
  const found = readLock(join(folder, LOCK_FILE));
  return found !== undefined && whyNot(found, as) !== undefined;
}

/** Why a lock cannot be taken over, or undefined where its process is gone. */
function whyNot(text: string, as?: JobAttempt): string | undefined {
  const holder = parseHolder(text) ?? parseOldHolder(text);
  if (holder === undefined) return undefined; // half a file, of a machine that went down
  const { host, space } = thisProcess();
  if (holder.host === host && holder.space === space) {
    if (startOf(holder.pid) !== holder.started) return undefined;
    return `is in use by process ${holder.pid}: wait for it, or end it`;
  }
  if (as !== undefined && holder.job === as.job && (holder.attempt ?? 0) < as.attempt) return undefined;
  const where = holder.host === host ? `in another container of ${host}` : `on the host ${holder.host}`;
  return (
    `is in use by process ${holder.pid} ${where}, since ${age(holder.since)}: end it there; ` +
    'if it is gone for certain, give --force-unlock'
  );
}

/**
 * Removes the lock that was read, and no other that came in its place meanwhile: one process at a time looks again and
 * removes, under a folder that only one can make.
 * @returns Whether this process had its turn.
 */
function takeAway(path: string, text: string): boolean {
  const turn = join(path, '..', `.${basename(path)}.taking`);
  try {
    mkdirSync(turn);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const made = statSync(turn, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - made > LONGEST_TURN_MS) rmSync(turn, { recursive: true, force: true }); // killed within it
    return false;
  }
  try {
    if (readLock(path) === text) rmSync(path, { force: true });
  } finally {
    rmSync(turn, { recursive: true, force: true });
  }
  return true;
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function readLock(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parseHolder(text: string | undefined): Holder | undefined {
  try {
    return holderSchema.parse(JSON.parse(text ?? ''));
  } catch {
    return undefined;
  }
}

/** The lock of version 0.1.0, "pid ticks", which knew of one host only. */
function parseOldHolder(text: string): Holder | undefined {
  const match = /^(\d+) (\d+)$/.exec(text.trim());
  if (match === null) return undefined;
  return { ...thisProcess(), pid: Number(match[1]), started: match[2] };
}

function thisProcess(): Holder {
  const { pid } = process;
  const started = startOf(pid) ?? String(Math.round(performance.timeOrigin));
  return { host: hostname(), space: processSpace(), pid, started, since: new Date().toISOString() };
}

/** The attempt that a scheduler has started this process as, where one has. */
function attemptOfProcess(): JobAttempt | undefined {
  const job = process.env[JOB_VARIABLE];
  const attempt = Number(process.env[ATTEMPT_VARIABLE] || 0);
  return job && Number.isInteger(attempt) ? { job, attempt } : undefined;
}

/** When a process started, in ticks since the system did; undefined where there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]; // field 22, after the name
  } catch {
    return undefined;
  }
}

/** Names this boot of the system and the space of its process ids: containers have one each. */
function processSpace(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

/** "2026-11-26 10:03 (3 h ago)" */
function age(since: string): string {
  const minutes = Math.round((Date.now() - Date.parse(since)) / 60_000);
  const ago =
    minutes < 120
      ? `${minutes} min`
      : minutes < 2880
        ? `${Math.round(minutes / 60)} h`
        : `${Math.round(minutes / 1440)} days`;
  return `${since.slice(0, 16).replace('T', ' ')} UTC (${ago} ago)`;
}
