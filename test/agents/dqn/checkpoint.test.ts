import '../../node-backend.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { train } from '../../../agents/index.ts';
import type { Agent } from '../../../src/agent/agent.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpoint-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the network of a checkpoint loads as a tfjs model on the cpu backend and gives the same values', async () => {
  const run = await train({
    env: 'CartPole-v1',
    runDir: join(folder, 'run'),
    ...{ learningStarts: 60, steps: 100, hiddenUnits: [16] },
  });
  let expected: number[] = [];
  const values = (model: tf.LayersModel) =>
    tf.tidy(() => (model.predict(tf.linspace(-1, 1, 12).reshape([3, 4])) as tf.Tensor).arraySync() as number[][]);
  for await (const { position } of run) {
    if (position === run.total) expected = values((run.trainable as Agent).currentNetwork()).flat();
  }
  const checkpoint = run.summary().checkpoint!;

  const { modelTopology, weightsManifest } = JSON.parse(
    readFileSync(join(checkpoint, 'network', 'model.json'), 'utf8'),
  );
  const weightData = new Uint8Array(readFileSync(join(checkpoint, 'network', 'weights.bin'))).buffer;
  await tf.setBackend('cpu');
  const loaded = await tf.loadLayersModel(
    tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }),
  );
  values(loaded)
    .flat()
    .forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 5);
    });
  loaded.dispose();
  await tf.setBackend('tensorflow');
});
