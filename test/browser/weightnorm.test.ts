// The layers, their initialisation and their training in a browser, against the same code in Node.
import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { findChromium, NEEDS_CHROMIUM } from './chromium.ts';
import { bundle, openPage } from './page.ts';
import { type Training, trainSmallModel } from './train-small-model.ts';

const browser = findChromium();
let code: string;

beforeAll(async () => {
  tf.enableProdMode(); // no banner about the node backend
  if (browser) code = await bundle(new URL('./train-small-model.ts', import.meta.url));
});

// WebGL works without a GPU: Chromium brings SwiftShader, which computes on the CPU.
test.for(['cpu', 'webgl'])('a model trains in Chromium on the %s backend as it does in Node', async (backend, ctx) => {
  if (!browser) return ctx.skip(NEEDS_CHROMIUM);
  const page = await openPage(browser, code);
  const inPage = await page.evaluate<Training>(`bundle.trainSmallModel('${backend}')`);
  expect(page.complaints).toEqual([]);
  expect(page.requests).toEqual([page.address, `${page.address}bundle.js`]);
  expect(inPage).toMatchObject({ backend, keptTensors: 0 });
  expect(inPage.losses.at(-1)).toBeLessThan(inPage.losses[0] / 4);

  for (const nodeBackend of ['tensorflow', 'cpu']) {
    const inNode = await trainSmallModel(nodeBackend);
    expect(inNode).toMatchObject({ backend: nodeBackend, keptTensors: 0 });
    expectClose(inPage.losses, inNode.losses);
    expectClose(inPage.predictions, inNode.predictions);
  }
});

function expectClose(actual: number[], expected: number[]): void {
  expect(actual).toHaveLength(expected.length);
  expect(Math.max(...actual.map((value, i) => Math.abs(value - expected[i])))).toBeLessThan(1e-4);
}
