import '../../node-backend.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { makeVectorEnv } from 'gymnasium-js-bridge';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readNetwork } from '../../../agents/dqn/checkpoint.ts';
import { createQNetwork, envOptions } from '../../../agents/dqn/create.ts';
import { resolveConfig } from '../../../agents/dqn/resolve.ts';
import { trainDqn } from '../../../agents/dqn/train.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpoint-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the network of a checkpoint loads as a tfjs model on the cpu backend and gives the same values', async () => {
  const config = resolveConfig(undefined, { envId: 'CartPole-v1', learningStarts: 60, steps: 100, hiddenUnits: [16] });
  const { checkpoint } = await trainDqn(config, { runDir: join(folder, 'run'), version: 'test' });
  const env = await makeVectorEnv(envOptions(config));
  const network = createQNetwork(config, env);
  await env.close();
  (await readNetwork(checkpoint))(network);
  const values = (model: tf.LayersModel) =>
    tf.tidy(() => (model.predict(tf.linspace(-1, 1, 12).reshape([3, 4])) as tf.Tensor).arraySync() as number[][]);
  const expected = values(network).flat();
  network.dispose();

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
