// `npm run ray`: a cluster of this machine alone.
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { mainRoot, processes, runCommand, start } from '../processes.ts';
import { freePort, hasRay, NEEDS_RAY } from './cluster.ts';

const ray = async (...args: string[]) => {
  const { code, stdout, stderr } = await runCommand('ray', ...args, '--json');
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
};

/** As the kernel writes them: 127.0.0.1, and the same as IPv6. */
const LOOPBACK = ['0100007F', '0000000000000000FFFF00000100007F'];

/** The addresses at which processes listen. */
function listeners(pids: ReadonlySet<number>): string[] {
  const sockets = new Set(
    [...pids].flatMap((pid) =>
      readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
        try {
          return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
        } catch {
          return []; // closed meanwhile
        }
      }),
    ),
  );
  const rows = ['tcp', 'tcp6'].flatMap((name) => readFileSync(`/proc/net/${name}`, 'utf8').trim().split('\n').slice(1));
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && sockets.has(inode))
    .map(([, local]) => local.split(':')[0]);
}

test('Ray stands on loopback with a token of its own, runs a sweep, and goes without a trace', async (context) => {
  if (!hasRay) return context.skip(NEEDS_RAY);
  if ((await ray('status')).up) return context.skip('a Ray of yours stands: "npm run ray -- down" ends it');
  const folder = mkdtempSync(join(tmpdir(), 'ray-head-'));
  onTestFinished(async () => {
    await runCommand('ray', 'down');
    rmSync(folder, { recursive: true, force: true });
  });
  const port = await freePort();
  const { address, tokenPath } = await ray('up', '--port', String(port), '--cpus', '1');
  expect(address).toBe(`http://127.0.0.1:${port}`);
  expect(statSync(tokenPath).mode & 0o777).toBe(0o600);
  expect(await ray('status')).toMatchObject({ up: true, address, running: 0, queued: 0 });
  const again = await runCommand('ray', 'up');
  expect([again.code, again.stderr]).toEqual([2, `ray: Ray stands already at ${address}: "ray down" ends it\n`]);

  // Who listens: the group of what was started, and what that has started.
  const { pid, temporary } = JSON.parse(readFileSync(join(mainRoot, '.ray/head.json'), 'utf8'));
  const isOurs = ({ group, command }: { group: number; command: string }) =>
    group === pid || command.includes(temporary);
  const ours = new Set(
    processes()
      .filter(isOurs)
      .map((row) => row.pid),
  );
  expect(ours.size).toBeGreaterThan(5);
  const listening = listeners(ours);
  expect(listening.length).toBeGreaterThan(3);
  for (const address of listening) expect(LOOPBACK).toContain(address);

  const file = join(folder, 'one.yaml');
  writeFileSync(
    file,
    '{agents: [dqn], envIds: [CartPole-v1], seeds: 1, settings: {steps: 300, learningStarts: 100, hiddenUnits: [8]}}',
  );
  const args = [join(mainRoot, 'dist/scripts/sweep.js'), file, '--out', join(folder, 'out')];
  const swept = await start(process.execPath, [...args, '--ray', address, '--remote-dir', mainRoot], {
    env: { RAY_AUTH_TOKEN_PATH: tokenPath, RAY_AUTH_TOKEN: '' },
  }).ended;
  expect(swept.code, swept.stderr).toBe(0);

  expect(await ray('down')).toEqual({ up: false, ended: true });
  expect(processes().filter(isOurs)).toEqual([]);
  expect(readdirSync(join(mainRoot, '.ray')).sort()).toEqual(['.gitignore', 'head.log']);
  expect(await ray('status')).toEqual({ up: false });
});
