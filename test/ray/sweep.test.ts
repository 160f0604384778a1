// Sweeps on a real Ray cluster of two machines, which are nodes of Ray's own on this one.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, type TestContext, test } from 'vitest';
import { checkpointsOf, metricsOf } from '../cli/run-folder.ts';
import { mainRoot, printed, runCommand, startCommand, until } from '../processes.ts';
import { until as waitUntil } from '../until.ts';
import { type Cluster, hasRay, NEEDS_RAY, startCluster, TOKEN } from './cluster.ts';

let folder: string;
let cluster: Cluster;
beforeAll(async () => {
  if (!hasRay) return;
  folder = mkdtempSync(join(tmpdir(), 'ray-sweep-'));
  process.env.RAY_AUTH_TOKEN = TOKEN;
  // With other numbers of threads TensorFlow rounds otherwise: runs there and here are to have the same.
  Object.assign(process.env, { TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1' });
  cluster = await startCluster(['a', 'b']);
});
afterAll(async () => {
  await cluster?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

// A test that failed takes no place from the next ones.
afterEach(async () => {
  if (!cluster?.hasHead) return;
  for (const { submission_id: id, status } of await rayJobs()) {
    if (status === 'PENDING' || status === 'RUNNING') await ask(`/api/jobs/${id}/stop`, 'POST');
  }
});

/** A test that needs the cluster; each goes on from what the ones before it left of that. */
function rayTest(name: string, body: () => Promise<void>): void {
  test(name, async (context: TestContext) => (hasRay ? body() : context.skip(NEEDS_RAY)));
}

/** The folder of runs and the arguments of a sweep with so many seeds. */
function sweepOf(name: string, { seeds, steps }: { seeds: number; steps: number }) {
  const file = join(folder, `${name}.yaml`);
  const settings = `steps: ${steps}, hiddenUnits: [8, 8], learningStarts: 100, replayCapacity: 1000`;
  writeFileSync(
    file,
    `{agents: [dqn], envIds: [CartPole-v1], seeds: ${seeds}, settings: {${settings}, checkpointPeriodSteps: 300}}`,
  );
  const out = join(folder, name);
  const runs = Array.from({ length: seeds }, (_, i) => `CartPole-v1-dqn-classic-control-seed${i + 1}`);
  return { file, out, runs, args: [file, '--out', out] };
}
const onRay = () => ['--ray', cluster.address, '--remote-dir', mainRoot];
const lastLine = (text: string) => text.trimEnd().split('\n').at(-1);

/** What a run learned, step by step, without times and memory. */
const numbersOf = (runDir: string) =>
  metricsOf(runDir)
    .filter(({ kind }) => String(kind) !== 'diagnostics')
    .map((line) =>
      Object.fromEntries(
        Object.entries(line).filter(([key]) => !/seconds|persecond|bytes|numtensors|restarts/i.test(key)),
      ),
    );

/** Asks Ray itself. */
function ask(path: string, method = 'GET'): Promise<string> {
  return new Promise((resolve, reject) => {
    request(`${cluster.address}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}` } }, (answer) => {
      let text = '';
      answer.on('data', (part) => {
        text += part;
      });
      answer.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
  });
}
interface RayJob {
  submission_id: string;
  status: string;
  driver_node_id: string;
  metadata: { job_name: string; runs: string };
}
const rayJobs = async (): Promise<RayJob[]> => JSON.parse(await ask('/api/jobs/'));
/** The attempts at a run, the first one first. */
const attemptsAt = async (out: string, run: string) =>
  (await rayJobs())
    .filter(({ metadata }) => metadata.runs === out && metadata.job_name === run)
    .sort((a, b) => a.submission_id.localeCompare(b.submission_id));

/** Waits until Ray has found out which machines are gone. */
const untilMachines = (count: number) =>
  waitUntil(`${count} machines are left`, async () => {
    const { summary } = JSON.parse(await ask('/nodes?view=summary')).data as {
      summary: { raylet: { state: string } }[];
    };
    return summary.filter(({ raylet }) => raylet.state === 'ALIVE').length === count;
  });

rayTest(
  'six runs have the numbers of local ones, though a machine dies amid them and one run goes on elsewhere',
  async () => {
    const local = sweepOf('local', { seeds: 6, steps: 2500 });
    const remote = sweepOf('remote', { seeds: 6, steps: 2500 });
    const begun = startCommand('sweep', [...remote.args, ...onRay(), '--json']);
    let victim: string | undefined;
    await until(
      'a run on the machine a has a checkpoint',
      () => {
        victim = remote.runs.find((run) => {
          const [first] = checkpointsOf(join(remote.out, run));
          return first !== undefined && checkpointsOf(join(remote.out, run)).at(-1)! < 1500;
        });
        return victim !== undefined;
      },
      begun,
    );
    const [job] = await attemptsAt(remote.out, victim!);
    const node = Object.entries(cluster.nodes).find(([, id]) => id === job.driver_node_id)![0];
    await cluster.order(`remove ${node}`);
    const { code, stdout, stderr } = await begun.ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`${victim}: its machine is gone: goes on (retry 1 of 3)`);
    const { runs, failures } = JSON.parse(stdout);
    expect([runs, failures]).toEqual([remote.runs.map((run) => join(remote.out, run)), {}]);
    const attempts = await attemptsAt(remote.out, victim!);
    expect(attempts.map(({ status }) => status)).toEqual(['FAILED', 'SUCCEEDED']);
    expect(new Set(attempts.map(({ driver_node_id }) => driver_node_id)).size).toBe(2);
    expect(readdirSync(remote.out).sort()).toEqual(['.shared', ...remote.runs, 'report.html']);

    const here = await runCommand('sweep', ...local.args, '--jobs', '2');
    expect(here.code, here.stderr).toBe(0);
    for (const run of remote.runs) {
      expect(numbersOf(join(remote.out, run)).length).toBeGreaterThan(10);
      expect(numbersOf(join(remote.out, run)), run).toEqual(numbersOf(join(local.out, run)));
    }
  },
);

rayTest('runs are left with --detach, listed, picked up with a log, and stopped with Ctrl-C', async () => {
  const { args, out, runs } = sweepOf('left', { seeds: 2, steps: 1_000_000 });
  for (const name of Object.keys(cluster.nodes).slice(1)) await cluster.order(`remove ${name}`);
  await untilMachines(2); // the head is one
  const left = await runCommand('sweep', ...args, ...onRay(), '--detach', '--json');
  expect(left.code, left.stderr).toBe(0);
  expect(JSON.parse(left.stdout).runs.map(({ name }: { name: string }) => name)).toEqual(runs);
  const list = async () => (await runCommand('sweep', ...args, ...onRay(), '--dry-run')).stdout;
  // One place is left in the cluster.
  await waitUntil('one runs and one waits', async () => /^running .*^queued /ms.test(await list()));
  expect(await list()).toBe(`running   ${runs[0]} at 127.0.0.1\nqueued    ${runs[1]}\n`);
  await waitUntil('it trains', () => metricsOf(join(out, runs[0])).length > 2);
  const logs = await runCommand('sweep', ...args, ...onRay(), '--logs', runs[0]);
  expect(logs.stdout, logs.stderr).toContain(`writing to ${join(out, runs[0])}\n`);

  const again = startCommand('sweep', [...args, ...onRay()]);
  await printed(again, `${runs[0]}: is picked up at 127.0.0.1 (run 1 of 2)`);
  again.child.kill('SIGINT');
  const { code, stderr } = await again.ended;
  expect(code, stderr).toBe(130);
  expect(lastLine(stderr)).toContain(
    `stopped; go on with: npm run sweep -- ${args.join(' ')} --ray ${cluster.address}`,
  );
  const [first] = await attemptsAt(out, runs[0]);
  expect(first.status).toBe('STOPPED');
  const saved = checkpointsOf(join(out, runs[0])).at(-1)!;
  expect(saved % 300, 'it saved where it stood').not.toBe(0);
  // The one that waited is told to stop once it has its turn, and leaves the place then.
  await waitUntil('nothing runs', async () => (await rayJobs()).every(({ status }) => /STOP|SUCC|FAIL/.test(status)));
});

rayTest('the lock of a lost attempt on another host does not keep the next one out', async () => {
  const { args, out, runs } = sweepOf('locked', { seeds: 1, steps: 1_000_000 });
  const runDir = join(out, runs[0]);
  const first = startCommand('sweep', [...args, ...onRay()]);
  await until('it has a checkpoint', () => checkpointsOf(runDir).length > 0, first);
  first.child.kill('SIGINT');
  await first.ended;
  const reached = checkpointsOf(runDir).at(-1)!;
  writeFileSync(args[0], readFileSync(args[0], 'utf8').replace('1000000', String(reached + 200)));
  const [{ submission_id: id }] = await attemptsAt(out, runs[0]);
  const lock = { host: 'node-7', space: 'x', pid: 4242, started: '1', since: new Date().toISOString() };
  const at = id.lastIndexOf('.');
  // A lock of somebody else is refused; that of the attempt before this one is over.
  writeFileSync(join(runDir, 'run.lock'), JSON.stringify(lock));
  const refused = await runCommand('sweep', ...args, ...onRay());
  expect(refused.code, refused.stderr).toBe(1);
  expect(refused.stdout).toContain('is in use by process 4242 on the host node-7');
  writeFileSync(join(runDir, 'run.lock'), JSON.stringify({ ...lock, job: id.slice(0, at), attempt: 1 }));
  const { code, stderr } = await runCommand('sweep', ...args, ...onRay());
  expect(code, stderr).toBe(0);
  expect((await attemptsAt(out, runs[0])).map(({ status }) => status)).toEqual(['STOPPED', 'FAILED', 'SUCCEEDED']);
});

rayTest('what a cluster does not take or cannot run is one line', async () => {
  const { args, out } = sweepOf('refused', { seeds: 2, steps: 300 });
  const ending = async (given: string[], token = TOKEN) => {
    const started = startCommand('sweep', [...args, ...given], { RAY_AUTH_TOKEN: token });
    const { code, stdout, stderr } = await started.ended;
    expect([code, stdout], stderr).toEqual([2, '']);
    return stderr;
  };
  const wrong = await ending(onRay(), 'wrong');
  expect(wrong).toBe(
    `sweep: --ray ${cluster.address}: the cluster refuses the token (of RAY_AUTH_TOKEN): give the head's own\n`,
  );
  expect(readdirSync(folder)).not.toContain('refused');
  const nowhere = await ending(['--ray', cluster.address, '--remote-dir', join(folder, 'nothing')]);
  expect(lastLine(nowhere)).toBe(
    `sweep: Ray at ${cluster.address}: ${hostname()} has no project that is set up in ${join(folder, 'nothing')} ` +
      '(--remote-dir): run "npm run setup" in a clone there, or name another folder',
  );

  const programs = join(folder, 'programs');
  mkdirSync(programs);
  for (const name of readdirSync('/usr/bin')) {
    if (!/^(node|nodejs|npm|npx)$/.test(name)) symlinkSync(join('/usr/bin', name), join(programs, name));
  }
  for (const name of ['sh', 'bash', 'cat', 'hostname']) {
    if (!existsSync(join(programs, name))) symlinkSync(join('/bin', name), join(programs, name));
  }
  await cluster.order(`add nodeless ${programs}`);
  for (const name of Object.keys(cluster.nodes)) if (name !== 'nodeless') await cluster.order(`remove ${name}`);
  await untilMachines(2);
  const nodeless = await ending(onRay());
  expect(lastLine(nodeless)).toBe(
    `sweep: Ray at ${cluster.address}: ${hostname()} has no Node.js: install Node.js 20 or newer on every machine of ` +
      'the cluster',
  );
  expect(readdirSync(out)).toEqual(['.shared']);
});

rayTest('a head that dies amid a sweep ends it with one line, and the runs stay', async () => {
  const { args, out } = sweepOf('headless', { seeds: 1, steps: 300 });
  await cluster.order('remove nodeless');
  await untilMachines(1);
  const waiting = startCommand('sweep', [...args, ...onRay()]);
  await waitUntil('it waits in Ray', async () => (await rayJobs()).some(({ status }) => status === 'PENDING'));
  await cluster.order('head');
  const { code, stderr } = await waiting.ended;
  expect([code, lastLine(stderr)]).toEqual([
    1,
    `sweep: --ray ${cluster.address}: nothing answers there (the connection is refused)`,
  ]);
  expect(readdirSync(out)).toEqual(['.shared']);
  const dead = await runCommand('sweep', ...args, ...onRay());
  expect([dead.code, dead.stderr]).toEqual([
    2,
    `sweep: --ray ${cluster.address}: nothing answers there (the connection is refused): is the cluster up, and is ` +
      'this its dashboard?\n',
  ]);
});
