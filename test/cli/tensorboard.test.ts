// `tensorboard` with the real viewer, which it installs where it is missing.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommand, startCommand } from '../processes.ts';
import { until } from '../until.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorboard command '));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('shows the scalars, histograms and settings of a run, and ends on Ctrl-C', async () => {
  const runDir = join(folder, 'cartpole');
  const options = '--steps 300 --learning-starts 100 --hidden-units 8 --diagnostics-period-steps 200';
  const trained = await runCommand(
    'train-agent',
    '--env-id',
    'CartPole-v1',
    ...options.split(' '),
    '--run-dir',
    runDir,
  );
  expect(trained.code, trained.stderr).toBe(0);

  const viewer = startCommand('tensorboard', [folder]);
  const address = () => / at (http:\/\/127\.0\.0\.1:\d+\/); Ctrl-C ends it\n/.exec(viewer.output.stderr)?.[1];
  await until('it tells its address', () => address() !== undefined, viewer.child);
  const ask = async <T>(path: string) => (await (await fetch(`${address()}data/${path}`)).json()) as T;
  const run = 'cartpole/tensorboard';
  await until('it has read the run', async () => (await ask<string[]>('runs')).includes(run), viewer.child);
  await until('it has read to the end', async () => {
    const tags = (await ask<Record<string, object>>('plugin/histograms/tags'))[run] ?? {};
    return 'diagnostics/dense1/kernel/norms' in tags && 'diagnostics/q/kernel/gains' in tags;
  });
  const histogram = await ask<[number, number][]>(
    `plugin/histograms/histograms?run=${run}&tag=diagnostics/dense1/kernel/norms`,
  );
  expect(histogram.map(([, step]) => step)).toEqual([200]);
  expect((await ask<Record<string, object>>('plugin/scalars/tags'))[run]).toHaveProperty('train/loss');
  viewer.child.kill('SIGINT');
  expect(await viewer.ended).toMatchObject({ code: 0, stdout: '' });

  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  expect(await runCommand('tensorboard', folder, '--port', `${port}`)).toMatchObject({
    code: 2,
    stderr: `tensorboard: --port ${port} is in use: give another one, or none\n`,
  });
  taken.close();
});

test('refuses what is no folder before anything is installed', async () => {
  const missing = join(folder, 'missing');
  expect(await runCommand('tensorboard', missing)).toMatchObject({
    code: 2,
    stdout: '',
    stderr: `tensorboard: '${missing}' is no folder: give a run folder, or a folder with run folders\n`,
  });
});
