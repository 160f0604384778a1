// What a Ray address may turn out to be, against real servers on loopback, and the shell line of a job, run by /bin/sh.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TrainingJob } from '../../src/jobs/index.ts';
import { RayClient, rayToken } from '../../src/jobs/ray/client.ts';
import { entrypointOf, UNFIT_CODE, unfitnessIn } from '../../src/jobs/ray/entrypoint.ts';
import { Watch } from '../../src/jobs/ray/watch.ts';
import { runCommands } from '../processes.ts';
import { until } from '../until.ts';

let folder: string;
const servers: Server[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ray-client-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

/** Serves on loopback until the tests end. */
async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const VERSION = JSON.stringify({ version: '4', ray_version: '2.60.0', ray_commit: 'x', session_name: 'x' });

test('what is no Ray that one may use is one line that says what it is', async () => {
  const closed = await serve(() => {});
  servers.pop()!.close();
  const answers: [string, string, RegExp][] = [
    [
      closed,
      '',
      /nothing answers there \(the connection is refused\): is the cluster up, and is this its dashboard\?$/,
    ],
    [await serve(() => {}), '', /nothing answers there \(no answer in time\)/],
    [await serve((request) => request.socket.destroy()), '', /nothing answers there \(/],
    [await serve((_, response) => response.writeHead(401).end('Missing')), '', /asks for a token: set RAY_AUTH_TOKEN/],
    [await serve((_, response) => response.writeHead(403).end('Invalid')), 'wrong', /refuses the token/],
    [await serve((_, response) => response.end('<html>hello</html>')), '', /something else than Ray answers there/],
    [await serve((_, response) => response.end('{"version": 1}')), '', /something else than Ray answers there/],
    [await serve((_, response) => response.writeHead(404).end('none')), '', /something else than Ray answers there/],
    [
      await serve((_, response) => response.writeHead(302, { location: `${closed}/elsewhere` }).end()),
      'secret',
      /something else than Ray answers there/,
    ],
    ['http://no-such-host.invalid:8265', '', /nothing answers there \(/],
  ];
  for (const [address, token, expected] of answers) {
    const problem = await new RayClient(address, { token, answerMs: 2000 }).connect().catch((error) => error);
    expect(problem).toMatchObject({ name: 'RayAddressError', message: expect.stringMatching(expected) });
    expect(problem.message).toContain(`--ray ${address}: `);
    expect(problem.message).not.toContain('\n');
  }
  for (const address of ['ray://head:10001', 'head:8265', '8265', '']) {
    expect(() => new RayClient(address)).toThrow(/give the address of the head's dashboard, as in http:\/\/HOST:8265$/);
  }
  expect(() => new RayClient('http://me:word@head:8265')).toThrow(/an address holds no password/);
});

test('the token goes with each request, as Ray itself finds it, and nowhere else', async () => {
  const asked: IncomingMessage['headers'][] = [];
  const address = await serve((request, response) => {
    asked.push(request.headers);
    response.end(request.url === '/api/version' ? VERSION : '[]');
  });
  const file = join(folder, 'token');
  writeFileSync(file, ' from-a-file\n');
  const token = rayToken({ RAY_AUTH_TOKEN_PATH: file });
  expect(token).toBe('from-a-file');
  expect(rayToken({ RAY_AUTH_TOKEN: 'first', RAY_AUTH_TOKEN_PATH: file })).toBe('first');
  expect(() => rayToken({ RAY_AUTH_TOKEN_PATH: join(folder, 'none') })).toThrow(/none: the token .* \(ENOENT\)/);
  expect(() => rayToken({ RAY_AUTH_TOKEN: 'two words' })).toThrow(
    'the token for Ray (RAY_AUTH_TOKEN) is no single word',
  );
  const client = new RayClient(`${address}/`, { token });
  expect(await client.connect()).toBe('2.60.0');
  expect(await client.jobs()).toEqual(new Map());
  expect(asked.map(({ authorization }) => authorization)).toEqual(['Bearer from-a-file', 'Bearer from-a-file']);
  // Ray takes a request with such headers for one of a page that a browser was lured to, and refuses it.
  for (const headers of asked)
    expect(Object.keys(headers).filter((name) => /^sec-|origin|referer/.test(name))).toEqual([]);
});

test('a head that is silent for a moment is waited for; one that stays so, or has forgotten, is not', async () => {
  let mode: 'ready' | 'silent' | 'forgetful' = 'ready';
  let status = 'PENDING';
  let refused = 0;
  const address = await serve((request, response) => {
    if (mode === 'silent') {
      refused += 1;
      request.socket.destroy();
    } else if (request.url === '/api/version') response.end(VERSION);
    else response.end(JSON.stringify(mode === 'ready' ? [{ submission_id: 'one', status }] : []));
  });
  const client = new RayClient(address);
  await client.connect();
  const begun = new Watch(client).until('one', (job) => job.status === 'RUNNING');
  mode = 'silent';
  await until('a request is not answered', () => refused > 0);
  mode = 'ready';
  status = 'RUNNING';
  expect(await begun).toMatchObject({ status: 'RUNNING' });

  mode = 'silent';
  await expect(new Watch(client, 0).until('one', () => true)).rejects.toThrow(
    `--ray ${address}: nothing answers there`,
  );
  mode = 'forgetful';
  await expect(new Watch(client, 0).until('one', () => true)).rejects.toThrow(
    `Ray at ${address} does not know one any more: its head was started anew`,
  );
});

test('a job looks whether its machine can run it, and says so with its name', () => {
  const job: TrainingJob = { kind: 'training', name: 'run', command: 'train-agent', base: {}, settings: {} };
  const project = join(folder, 'a project');
  mkdirSync(join(project, 'dist/scripts'), { recursive: true });
  writeFileSync(join(project, 'dist/scripts/train-agent.js'), 'console.log(JSON.stringify(process.argv.slice(2)));');
  const marker = { path: join(folder, 'runs', '.shared'), id: 'abc' };
  const args = ['--run-dir', "it's/a b", '--x', '$HOME;`id`'];
  const sh = (remoteDir: string, env = process.env) => {
    const line = entrypointOf(job, args, { code: { remoteDir }, marker, answerPath: undefined });
    const { status, stdout } = spawnSync('/bin/sh', ['-c', line], { encoding: 'utf8', env });
    return { status, stdout };
  };
  const unfit = (problem: string) => ({ status: UNFIT_CODE, stdout: `weightnorm-rl: ${hostname()} ${problem}\n` });
  expect(sh(project)).toEqual(
    unfit(
      `does not see the folder of runs, ${join(folder, 'runs')}: name one with --out that all machines share under ` +
        'the same path',
    ),
  );
  mkdirSync(join(folder, 'runs'));
  writeFileSync(marker.path, 'another folder of that name\n');
  expect(sh(project).status).toBe(UNFIT_CODE);
  writeFileSync(marker.path, 'abc\n');
  expect(sh(project)).toEqual({ status: 0, stdout: `${JSON.stringify(args)}\n` });
  const missing = sh(join(folder, 'missing'));
  expect(unfitnessIn(`${missing.stdout}and more`)).toMatch(
    / has no project that is set up in .*missing \(--remote-dir\)/,
  );

  const programs = join(folder, 'programs');
  mkdirSync(programs);
  for (const name of ['cat', 'hostname']) {
    symlinkSync(
      execFileSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(),
      join(programs, name),
    );
  }
  const install = 'install Node.js 20 or newer on every machine of the cluster';
  expect(sh(project, { PATH: programs })).toEqual(unfit(`has no Node.js: ${install}`));
  writeFileSync(join(programs, 'node'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  expect(sh(project, { PATH: programs })).toEqual(unfit(`has a Node.js that is too old: ${install}`));
});

test('options for a cluster do nothing without one, and are refused', async () => {
  const file = join(folder, 'sweep.yaml');
  writeFileSync(file, '{agents: [dqn], envIds: [CartPole-v1], seeds: 2}');
  const sweep = (...args: string[]) => ['sweep', file, '--out', join(folder, 'none'), ...args];
  const cases: [string[], RegExp][] = [
    [sweep('--remote-dir', '/shared'), /^sweep: --remote-dir goes with --ray$/],
    [sweep('--retries', '0'), /^sweep: --retries goes with --ray$/],
    [sweep('--detach'), /^sweep: --detach goes with --ray$/],
    [sweep('--logs', 'x'), /^sweep: --logs goes with --ray$/],
    [['reproduce', 'figure-draw', '--run-gpus', '1'], /: --run-gpus goes with --ray$/],
    [sweep('--ray', 'x', '--detach', '--logs', 'x'), /^sweep: --detach and --logs exclude each other$/],
    [sweep('--ray', 'x', '--detach', '--dry-run'), /^sweep: --dry-run and --detach exclude each other$/],
    [sweep('--ray', 'x', '--detach', '--jobs', '2'), /^sweep: --jobs 2: with --detach Ray alone says how many run$/],
    [sweep('--ray', 'ray://head:10001'), /^sweep: --ray ray:\/\/head:10001: give the address of the head's dashboard/],
    [sweep('--only', '3'), /^sweep: --only 3: .*sweep\.yaml has 2 runs$/],
    [['ray'], /^ray: say what to do: up, down or status$/],
  ];
  const endings = await runCommands(cases.map(([args]) => args))();
  for (const [i, [, expected]] of cases.entries()) {
    expect(endings[i].stderr.trimEnd()).toMatch(expected);
    expect([endings[i].code, endings[i].stdout]).toEqual([2, '']);
  }
});
