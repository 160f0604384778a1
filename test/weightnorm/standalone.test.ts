// `weightnorm-rl/weightnorm` needs nothing but @tensorflow/tfjs.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

test('its sources import @tensorflow/tfjs and each other, nothing else', () => {
  const folder = join(root, 'src/weightnorm');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const imports = files.flatMap((file) => {
    const code = readFileSync(join(folder, file), 'utf8');
    return [...code.matchAll(/\b(?:from|import)\s*\(?\s*(['"`])([^'"`\s]+)\1/g)].map(([, , from]) => ({ file, from }));
  });
  expect(imports).toContainEqual({ file: 'index.ts', from: './layers.ts' }); // the pattern finds them
  const foreign = imports.filter(({ file, from }) => {
    if (!from.startsWith('.')) return from !== '@tensorflow/tfjs';
    return relative(folder, join(folder, dirname(file), from)).startsWith('..');
  });
  expect(foreign).toEqual([]);
});

test('its build works in a folder that holds it and @tensorflow/tfjs alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weightnorm-rl-standalone-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const modules = join(folder, 'node_modules');
  const home = join(modules, 'weightnorm-rl');
  cpSync(join(root, 'dist/src/weightnorm'), join(home, 'dist/src/weightnorm'), { recursive: true });
  const entry = { './weightnorm': exports['./weightnorm'] };
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'weightnorm-rl', type: 'module', exports: entry }));
  mkdirSync(join(modules, '@tensorflow'));
  symlinkSync(join(root, 'node_modules/@tensorflow/tfjs'), join(modules, '@tensorflow/tfjs'));

  const program = join(folder, 'program.mjs');
  writeFileSync(
    program,
    `import * as tf from '@tensorflow/tfjs';
    import { conv2d, dataDependentInit, dense } from 'weightnorm-rl/weightnorm';
    tf.enableProdMode(); // no banner about the node backend
    const model = tf.sequential({
      layers: [
        conv2d({ inputShape: [6, 6, 1], filters: 4, kernelSize: 3, activation: 'relu', seed: 1 }),
        tf.layers.flatten(),
        dense({ units: 2, normalization: 'weight+mean-only-batch', seed: 2 }),
      ],
    });
    const x = tf.randomNormal([64, 6, 6, 1], 0, 1, 'float32', 3);
    const { layers } = dataDependentInit(model, x, { initScale: 2 });
    const { mean, variance } = tf.moments(model.predict(x), 0);
    console.log(JSON.stringify({ layers: layers.length, mean: mean.arraySync(), variance: variance.arraySync() }));`,
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { cwd: folder, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const close = (value: number) => expect.closeTo(value, 4);
  expect(JSON.parse(stdout)).toEqual({ layers: 2, mean: [close(0), close(0)], variance: [close(4), close(4)] });
});
