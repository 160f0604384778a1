import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newCommand, runCommand, say, shellWord, UsageError, wholeNumber, writeResult } from '../src/cli/index.ts';
import { ownPython } from '../src/cli/own-environment.ts';
import { packageFolder } from '../src/files/package-folder.ts';
import { RayClient } from '../src/jobs/ray/index.ts';

/** Far longer than a head takes on the slowest machine. */
const START_MS = 300_000;
const STOP_MS = 60_000;
const LOOK_MS = 250;
/** A week: Ray gives up on a job that waits longer for a place, by default after a quarter of an hour. */
const JOB_START_SECONDS = 7 * 24 * 3600;

const folder = join(packageFolder(), '.ray');
const statePath = join(folder, 'head.json');
const tokenPath = join(folder, 'token');
const logPath = join(folder, 'head.log');

/** What `up` has started. */
interface Head {
  /** Of `ray start`, which leads a process group of its own. */
  pid: number;
  /** When it started, in the system's ticks: process ids are used again. */
  started: string;
  address: string;
  temporary: string;
}

const command = newCommand('ray', 'A Ray cluster of this machine alone, on loopback: for trying, or for its own cores.')
  .usage('up|down|status [options]')
  .action(() => {
    throw new UsageError('say what to do: up, down or status');
  });

command.addCommand(
  newCommand('up', 'Starts it, and installs Ray where it is missing (some 110 MB to download, 0.4 GB in .venv-ray).')
    .option('--cpus <count>', 'places for runs (default: as many as there are cores)', wholeNumber(1, 10_000))
    .option('--port <number>', 'of the dashboard and the jobs, on 127.0.0.1', wholeNumber(1, 65_535), 8265)
    .option('--json', 'print one JSON object on stdout, and nothing else')
    .addHelpText(
      'after',
      `
Its processes take some 1.3 GB. Who has the token, in .ray/token, can run anything as you: it is made anew each time.

Examples:
  ray up --cpus 2
  RAY_AUTH_TOKEN_PATH=.ray/token npm run sweep -- sweep.yaml --ray http://127.0.0.1:8265 --remote-dir .`,
    )
    .action(up),
);
command.addCommand(
  newCommand('down', 'Ends it with all runs on it. Runs save nothing then: stop them before.')
    .option('--json', 'print one JSON object on stdout, and nothing else')
    .action(down),
);
command.addCommand(
  newCommand('status', 'Says whether it stands, and what runs on it.')
    .option('--json', 'print one JSON object on stdout, and nothing else')
    .action(status),
);

async function up({ cpus, port, json }: { cpus?: number; port: number; json?: true }): Promise<void> {
  const standing = readHead();
  if (standing !== undefined) throw new UsageError(`Ray stands already at ${standing.address}: "ray down" ends it`);
  const python = await ownPython('ray.mjs', 'Ray');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, '.gitignore'), '*\n');
  rmSync(tokenPath, { force: true });
  writeFileSync(tokenPath, randomBytes(32).toString('hex'), { mode: 0o600 });
  const temporary = mkdtempSync('/tmp/ray-'); // the paths of its sockets are to be short
  const log = openSync(logPath, 'w');
  const options = {
    ...{ port: 0, 'node-ip-address': '127.0.0.1', 'dashboard-host': '127.0.0.1', 'dashboard-port': port },
    ...{ 'min-worker-port': 0, 'max-worker-port': 0 }, // any that are free
    ...{ 'dashboard-agent-listen-port': 0, 'temp-dir': temporary, ...(cpus !== undefined && { 'num-cpus': cpus }) },
  };
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(
    python,
    ['-m', 'ray.scripts.scripts', 'start', '--head', '--block', '--disable-usage-stats', ...args],
    {
      detached: true,
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        RAY_AUTH_MODE: 'token',
        RAY_AUTH_TOKEN_PATH: tokenPath,
        RAY_JOB_START_TIMEOUT_SECONDS: String(JOB_START_SECONDS),
        // Where this says no, Ray's own default is loopback; else parts of it look for the machine's network address.
        RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER: '0',
      },
    },
  );
  const head = { pid: child.pid!, started: startOf(child.pid!) ?? '', address: `http://127.0.0.1:${port}`, temporary };
  writeFileSync(statePath, JSON.stringify(head));
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(name, () => reject(new UsageError('stopped before Ray stood')));
    }
  });
  interrupted.catch(() => {});
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => reject(new Error(`Ray did not start: ${lastProblem()}; all it said is in ${logPath}`)));
  });
  ended.catch(() => {});
  try {
    say(`starting Ray, which takes up to a minute (${logPath})`);
    const version = await Promise.race([untilItAnswers(head), interrupted, ended]);
    child.unref();
    const { address } = head;
    await writeResult(
      json
        ? `${JSON.stringify({ up: true, address, version, tokenPath })}\n`
        : `Ray ${version} stands: jobs and dashboard at ${address}.\n` +
            `Before you use it: export RAY_AUTH_TOKEN_PATH=${shellWord(tokenPath)}\n`,
    );
  } catch (error) {
    await end(head);
    throw error;
  }
}

/** Ends without an answer where the process ends. */
async function untilItAnswers({ address, pid, started }: Head): Promise<string> {
  const client = new RayClient(address, { token: readFileSync(tokenPath, 'utf8') });
  for (const startMs = performance.now(); ; ) {
    try {
      const version = await client.connect();
      // It takes jobs only once the head itself is one of its machines.
      if (await client.hasMachines()) return version;
    } catch (error) {
      if (performance.now() - startMs > START_MS || startOf(pid) !== started) throw error;
    }
    await sleep(LOOK_MS);
  }
}

async function down({ json }: { json?: true }): Promise<void> {
  const head = readHead();
  if (head !== undefined) await end(head);
  const words = head === undefined ? 'Ray is not up.' : `Ray at ${head.address} has ended.`;
  await writeResult(json ? `${JSON.stringify({ up: false, ended: head !== undefined })}\n` : `${words}\n`);
}

async function status({ json }: { json?: true }): Promise<void> {
  const head = readHead();
  if (head === undefined) {
    await writeResult(json ? `${JSON.stringify({ up: false })}\n` : 'Ray is not up.\n');
    return;
  }
  const client = new RayClient(head.address, { token: readFileSync(tokenPath, 'utf8') });
  const version = await client.connect();
  const jobs = [...(await client.jobs()).values()];
  const count = (wanted: string) => jobs.filter(({ status }) => status === wanted).length;
  const [running, queued] = [count('RUNNING'), count('PENDING')];
  await writeResult(
    json
      ? `${JSON.stringify({ up: true, address: head.address, version, tokenPath, running, queued })}\n`
      : `Ray ${version} stands at ${head.address}: ${running} running, ${queued} queued, ${jobs.length} jobs in all.\n`,
  );
}

/** Ends `ray start`, which ends what it has started, and makes sure that nothing of its group is left. */
async function end({ pid, started, temporary }: Head): Promise<void> {
  const startMs = performance.now();
  signalIt(pid, 'SIGTERM');
  const isRunning = () => startOf(pid) === started;
  while (isRunning() && performance.now() - startMs < STOP_MS) await sleep(LOOK_MS);
  signalIt(-pid, 'SIGKILL');
  while (groupOf(pid).length > 0 && performance.now() - startMs < STOP_MS) await sleep(LOOK_MS);
  rmSync(temporary, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  for (const path of [statePath, tokenPath]) rmSync(path, { force: true });
}

/** What stands; undefined where nothing does. */
function readHead(): Head | undefined {
  if (!existsSync(statePath)) return undefined;
  const head = JSON.parse(readFileSync(statePath, 'utf8')) as Head;
  return startOf(head.pid) === head.started ? head : undefined;
}

/** When a process that runs started, in ticks since the system did. */
function startOf(pid: number): string | undefined {
  const fields = statOf(pid);
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19];
}

function groupOf(leader: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    const fields = statOf(pid);
    return fields !== undefined && fields[0] !== 'Z' && fields[2] === String(leader);
  });
}

/** The fields of /proc/<pid>/stat after the name: state, parent, group, ... */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function signalIt(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

function lastProblem(): string {
  const lines = readFileSync(logPath, 'utf8').split('\n');
  const line =
    lines.findLast((text) => /error|occupied|failed|already/i.test(text)) ?? lines.findLast((text) => text.trim());
  return line?.trim().slice(0, 300) ?? 'it said nothing';
}

await runCommand(command);
