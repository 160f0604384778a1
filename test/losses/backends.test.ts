// The JavaScript and WebAssembly backends: no native addon is loaded in this file.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { beforeAll, expect, test } from 'vitest';
import { expectClose } from '../weightnorm/support.ts';
import { CASES, solve, valueAndGradients } from './cases.ts';

beforeAll(() => {
  tf.enableProdMode(); // no banner about the node backend
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(`${dirname(main)}/`);
});

test.each(['cpu', 'wasm'])('on %s values and gradients are those of the papers', async (backend) => {
  await tf.setBackend(backend);
  expect(tf.getBackend()).toBe(backend);
  const answers = solve(CASES);
  CASES.forEach((lossCase, i) => {
    tf.tidy(() => {
      const results = valueAndGradients(lossCase);
      for (const [name, result] of Object.entries(results)) expectClose(result, answers[i][name], lossCase.tolerance);
    });
  });
  expect(tf.memory().numTensors).toBe(0);
});
