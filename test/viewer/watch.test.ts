// Watching an agent: what the server says of each step, over http, and the page in a browser.

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { makeVectorEnv } from 'gymnasium-js-bridge';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { findAgent } from '../../agents/registry.ts';
import { readAgentRun, stateOptions, statesTensor } from '../../src/agent/index.ts';
import { findCheckpoint, readNetwork } from '../../src/agent/stored-network.ts';
import { asFrames, FrameStacks } from '../../src/experience/index.ts';
import { readRecording } from '../../src/recording/index.ts';
import { environmentOptions } from '../../src/recording/verify.ts';
import { RunFolder } from '../../src/runs/folder.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { startViewer, type Viewer } from '../../src/viewer/index.ts';
import type { WatchedSteps, WatchProblem } from '../../src/viewer/watch-api.ts';
import { findChromium, NEEDS_CHROMIUM } from '../browser/chromium.ts';
import { complaintsOf, seriousViolations, startBrowser } from '../browser/open-browser.ts';
import { descendants, type Ending, mainRoot, start, testEnvironments } from '../processes.ts';
import { until } from '../until.ts';
import { config, makeRun, progressLine } from './folders.ts';

const { decodePng } = loadTensorFlow().tf.node;
const browser = findChromium();
const fixtures = join(mainRoot, 'test/fixtures/runs-0.1.0');
const PONG = 'step450-machado-seed1-episode0.episode.safetensors';
const CART_POLE = 'step350-eval-seed1-episode0.episode.safetensors';

let place: string;
let folder: string;
let viewer: Viewer;
let context: BrowserContext;
/** A recording of a run of C51 on CartPole. */
let c51Recording: string;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'watch-'));
  folder = join(place, 'runs');
  for (const name of ['cartpole', 'pong']) cpSync(join(fixtures, name), join(folder, name), { recursive: true });
  viewer = await startViewer({ folder });
  // Both at once: most of it is the start of processes.
  const c51 = train('c51', '--agent', 'c51', '--env-id', 'CartPole-v1', '--record-period-episodes', '1');
  const counting = train('counting', '--env-id', 'bridge_test_envs:Counting-v0');
  for (const { code, stderr } of await Promise.all([c51, counting])) expect(code, stderr).toBe(0);
  [c51Recording] = readdirSync(join(folder, 'c51/recordings'));
  if (browser) context = await startBrowser(browser, join(place, 'profile'));
});

afterAll(async () => {
  await context?.close();
  await viewer?.close();
  rmSync(place, { recursive: true, force: true, maxRetries: 5 });
});

type Query = Record<string, string>;

/** A small run of 60 steps. */
function train(name: string, ...args: string[]): Promise<Ending> {
  const script = join(mainRoot, 'dist/scripts/train-agent.js');
  const size = ['--steps', '60', '--learning-starts', '50', '--hidden-units', '8', '--run-dir', join(folder, name)];
  return start(process.execPath, [script, ...args, ...size], { env: { PYTHONPATH: testEnvironments } }).ended;
}

interface Answer {
  status: number | undefined;
  body: Buffer;
}

/** Not fetch, which keeps connections: the server, in this process too, may close one while a test works for long. */
function ask(
  part: string,
  query: Query,
  headers: Record<string, string> = {},
  address = viewer.address,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const path = `${address}api/watch/${part}?${new URLSearchParams(query)}`;
    const asked = get(path, { headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (bytes) => parts.push(bytes));
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(parts) }));
    });
    asked.once('error', reject);
  });
}

async function askSteps(query: Query, address?: string): Promise<WatchedSteps & Partial<WatchProblem>> {
  return JSON.parse(String((await ask('steps', query, {}, address)).body));
}

/** All steps of a recording: an answer has as many as were played in its turn. */
async function allSteps(query: Query): Promise<WatchedSteps> {
  let steps = await askSteps({ ...query, count: '200' });
  expect(steps.problem).toBeUndefined();
  while (steps.actions.length < steps.facts.totalSteps!) {
    await askSteps({ ...query, from: String(steps.actions.length), count: '200' });
    steps = await askSteps({ ...query, count: '200' });
  }
  return steps;
}

const problemOf = async (query: Query) => (await askSteps({ count: '1', ...query })).problem;

/** In memory of its own, as arrays of float32 need it. */
async function bytesOf(part: string, query: Query): Promise<ArrayBuffer> {
  return Uint8Array.from((await ask(part, query)).body).buffer;
}

/** The run's network and the states of a recording, by other ways than those of what is tested. */
async function playAgain(run: string, recordingName: string) {
  const path = join(folder, run);
  const runFolder = RunFolder.open(path);
  const { definition, settings } = await readAgentRun(runFolder, findAgent, {});
  const recording = await readRecording(join(path, 'recordings', recordingName));
  const env = await makeVectorEnv(environmentOptions(recording, {}));
  const options = stateOptions(settings, env);
  const stacks = new FrameStacks(1, options.frameStack, options.frameShape, options.dtype);
  const states: (typeof stacks.states)[] = [];
  let { observations } = await env.reset({ seeds: [recording.seed] });
  for (const [i, action] of recording.actions.entries()) {
    stacks.push(0, asFrames(observations, options.dtype), i === 0);
    states.push(stacks.states.slice());
    ({ observations } = await env.step([action]));
  }
  const network = definition.createNetwork(settings, env);
  (await readNetwork(await findCheckpoint(runFolder, undefined)))(network);
  await env.close();
  onTestFinished(() => void network.dispose());
  const valuesOf = (state: tf.Tensor) => definition.actionValues(network, state, settings);
  return { recording, states, options, network, valuesOf };
}

/** A picture of a PNG file in an answer of pictures. */
function picture(bytes: ArrayBuffer, index: number): Uint8Array {
  const view = new DataView(bytes);
  let offset = 0;
  for (let i = 0; i < index; i++) offset += 4 + view.getUint32(offset, true);
  return pixelsOf(new Uint8Array(bytes, offset + 4, view.getUint32(offset, true)), 3);
}

function pixelsOf(file: Uint8Array, channels: number): Uint8Array {
  return tf.tidy(() => Uint8Array.from(decodePng(file, channels).dataSync()));
}

/** The screens before each action, as the sidecar gives them. */
async function screensOf(path: string, options: object): Promise<Uint8Array[]> {
  const recording = await readRecording(path);
  const env = await makeVectorEnv({ ...environmentOptions(recording, {}), ...options });
  const screens = [Uint8Array.from((await env.reset({ seeds: [recording.seed] })).observations)];
  for (const action of recording.actions) screens.push(Uint8Array.from((await env.step([action])).observations));
  await env.close();
  return screens;
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  expect(found.length, what).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    expect(Math.abs(found[i] - expected[i]), `${what}, number ${i}`).toBeLessThan(
      1e-5 * Math.max(1, Math.abs(expected[i])),
    );
  }
}

test.for([
  ['pong', PONG, { height: 210, width: 160, frameStack: 1, grayscale: false }],
  ['cartpole', CART_POLE, { screen: true }],
] as const)('%s: values, screens, rewards and gradients of each step', async ([run, name, screen]) => {
  const query = { run, recording: name };
  const steps = await allSteps(query);
  const [{ recording, states, options, valuesOf }, screens] = await Promise.all([
    playAgain(run, name),
    screensOf(join(folder, run, 'recordings', name), screen),
  ]);
  expect(steps.actions).toEqual([...recording.actions]);
  expect(steps.rewards).toEqual([...recording.rewards]);
  expect(steps.facts).toMatchObject({ agent: 'dqn', environment: recording.settings.id, noScreen: null });
  expect(steps.facts.checkpoint.step).toBe(Number(/step(\d+)/.exec(name)![1]));

  const count = String(states.length);
  const bytes = await bytesOf('screens', { ...query, count });
  const gradients = await bytesOf('saliency', { ...query, from: '3', count: '4' });
  const size = gradients.byteLength / 4 - 4;
  const inputs = tf.concat(states.map((state) => statesTensor(state, options).cast('float32')));
  const values = (await valuesOf(inputs).array()) as number[][];
  for (const [i, expectedValues] of values.entries()) {
    expectClose(steps.values[i], expectedValues, `values of step ${i}`);
    expect(Buffer.compare(picture(bytes, i), screens[i]), `screen of step ${i}`).toBe(0);
    if (i < 3 || i >= 7) continue;
    const gradient = tf.grad((seen) => valuesOf(seen).gather([recording.actions[i]], 1).sum())(inputs.slice(i, 1));
    const expected = gradient.abs().sum(1).flatten().dataSync();
    const largest = Math.max(...expected);
    expectClose([new DataView(gradients).getFloat32(4 * (i - 3), true)], [largest], 'the largest gradient');
    const levels = new Uint8Array(gradients, 16 + (i - 3) * size, size);
    expect(levels.length).toBe(expected.length);
    for (const [j, level] of levels.entries()) {
      expect(Math.abs(level - (255 * expected[j]) / (largest || 1)), `gradient ${j} of step ${i}`).toBeLessThan(0.6);
    }
  }
});

test('a distribution: its probabilities add up, and their mean is the value', async () => {
  const query = { run: 'c51', recording: c51Recording };
  const { facts, values } = await allSteps(query);
  const { distribution } = facts;
  if (distribution.kind !== 'probabilities') throw new Error(distribution.kind);
  const { count, low, high } = distribution;
  const found = new Float32Array(await bytesOf('distributions', { ...query, from: '1', count: '2' }));
  expect(found.length).toBe(2 * facts.actions.length * count);
  for (let row = 0; row < 2 * facts.actions.length; row++) {
    const probabilities = found.subarray(row * count, (row + 1) * count);
    const mean = probabilities.reduce((sum, p, i) => sum + p * (low + ((high - low) * i) / (count - 1)), 0);
    expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
    expect(mean).toBeCloseTo(values[1 + Math.floor(row / facts.actions.length)][row % facts.actions.length], 3);
  }
});

/** The process that watches, below this one; not what it has just forked, which has its command still. */
const watching = () =>
  descendants(process.pid).filter(({ command, parent }) => command.includes('watch-process') && parent === process.pid);

test('what cannot be watched is one line on the page, and hurts nothing else', async () => {
  const damaged = join(folder, 'damaged');
  cpSync(join(folder, 'cartpole'), damaged, { recursive: true });
  const recording = readFileSync(join(damaged, 'recordings', CART_POLE));
  recording[recording.length - 1] ^= 1;
  writeFileSync(join(damaged, 'recordings', CART_POLE), recording);
  writeFileSync(join(damaged, 'recordings', PONG), readFileSync(join(folder, 'pong/recordings', PONG)));
  const torn = join(folder, 'torn');
  cpSync(join(folder, 'c51'), torn, { recursive: true });
  const [checkpoint] = readdirSync(join(torn, 'checkpoints'));
  writeFileSync(join(torn, 'checkpoints', checkpoint, 'state.safetensors'), 'no tensors');
  const own = JSON.parse(readFileSync(join(folder, 'c51/config.json'), 'utf8'));
  const strange = { ...own, settings: { ...own.settings, envId: 'stranger:Env-v0' } };
  makeRun(join(folder, 'strange'), strange, progressLine(1));
  makeRun(join(folder, 'new'), own, progressLine(1));
  makeRun(join(folder, 'no-run'), '{', progressLine(1));
  cpSync(join(fixtures, 'vae-mnist'), join(folder, 'vae-mnist'), { recursive: true });
  const cases: [Query, RegExp][] = [
    [{ run: 'damaged', recording: CART_POLE }, /^recordings\/step350.*altered or damaged$/],
    [{ run: 'damaged', recording: PONG }, /^the recording is of pong, and the agent of this run plays CartPole-v1$/],
    [{ run: 'torn', recording: c51Recording }, /^checkpoints\/\d+\/state\.safetensors: its content has changed/],
    [{ run: 'strange', live: '' }, /the module stranger, .*: give view-runs --trust-modules if/],
    [{ run: 'new', live: '' }, /^the run has no checkpoint yet$/],
    [{ run: 'cartpole', recording: CART_POLE, checkpoint: 'best' }, /^the run has no best checkpoint yet$/],
    [
      { run: 'cartpole', recording: CART_POLE, checkpoint: '7' },
      /^the run has no checkpoint at step 7: there are 350$/,
    ],
    [{ run: 'vae-mnist', live: '' }, /^it is the run of the supervised task vae-mnist/],
    [{ run: 'no-run', live: '' }, /^config\.json: it is not JSON/],
  ];
  for (const [query, expected] of cases) {
    const problem = await problemOf(query);
    expect(problem).toMatch(expected);
    expect(problem).not.toContain(place);
  }
  const nothing: [string, Query][] = [
    ['steps', { run: 'cartpole', recording: `../../pong/recordings/${PONG}` }],
    ['steps', { run: '../runs/cartpole', live: '' }],
    ['steps', { run: 'cartpole' }],
    ['steps', { run: 'cartpole', recording: CART_POLE, from: '-1' }],
    ['steps', { run: 'cartpole', recording: CART_POLE, checkpoint: '../350' }],
    ['weights', { run: 'cartpole', recording: CART_POLE }],
  ];
  for (const [part, query] of nothing) expect((await ask(part, query)).status, JSON.stringify(query)).toBe(404);
  const foreign = await ask('steps', { run: 'cartpole', live: '' }, { 'sec-fetch-site': 'cross-site' });
  expect(foreign.status).toBe(403);
  expect((await allSteps({ run: 'cartpole', recording: CART_POLE })).actions).toHaveLength(10);
});

test('one process watches; where it ends another starts; it ends with its last watcher or the viewer', async () => {
  const before = new Set(watching().map(({ pid }) => pid));
  const own = await startViewer({ folder, idleMs: 300 });
  const started = () => watching().filter(({ pid }) => !before.has(pid));
  const steps = () => askSteps({ run: 'cartpole', recording: CART_POLE, count: '10' }, own.address);
  await ask('../runs', {}, {}, own.address);
  expect(started()).toEqual([]);

  const answers = Promise.all([steps(), steps()]);
  await until('the process is there', () => started().length > 0);
  expect(started()).toHaveLength(1);
  process.kill(started()[0].pid, 'SIGKILL');
  for (const { problem } of await answers) expect(problem).toBe('the watching process ended: SIGKILL');
  expect((await steps()).actions.length).toBeGreaterThan(0); // as many as it played in its turn
  await until('the process has ended by itself', () => started().length === 0);

  const last = steps();
  await until('the process is there again', () => started().length > 0);
  await own.close();
  await last.catch(() => {});
  await until('the process has ended with the viewer', () => started().length === 0);
});

test('an environment that draws nothing, in a module that is trusted: numbers without a screen', async () => {
  const before = process.env.PYTHONPATH;
  process.env.PYTHONPATH = [testEnvironments, before].filter(Boolean).join(delimiter);
  onTestFinished(() => {
    if (before === undefined) delete process.env.PYTHONPATH;
    else process.env.PYTHONPATH = before;
  });
  const own = await startViewer({ folder, trustModules: true });
  onTestFinished(() => own.close());
  // An answer has as many as were played in its turn.
  const query = { run: 'counting', live: '', from: '0', count: '12' };
  await until('twelve steps are played', async () => (await askSteps(query, own.address)).actions.length === 12);
  const { facts, observations, values, starts } = await askSteps(query, own.address);
  expect(facts).toMatchObject({ screen: null, noScreen: expect.stringMatching(/Counting-v0 has no screen to show/) });
  expect(observations?.map(([steps]) => steps)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
  expect(starts).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 10]);
  for (const row of values) expect(row).toHaveLength(5);
});

test('what goes on: episode after episode, and a newer checkpoint at the next one', async () => {
  const query = { run: 'c51', live: '', count: '20' };
  const first = await askSteps(query);
  expect(first.facts).toMatchObject({ totalSteps: null, checkpoint: { step: 60 }, epsilon: 0 });
  expect(first.starts[0]).toBe(0);
  const checkpoints = join(folder, 'c51/checkpoints');
  const listed = readdirSync(checkpoints);
  cpSync(join(checkpoints, '60'), join(checkpoints, '61'), { recursive: true });
  onTestFinished(() => rmSync(join(checkpoints, '61'), { recursive: true }));
  let end = first.from + first.actions.length;
  await until('the newer network plays', async () => {
    const { facts, from, actions, starts, oldest } = await askSteps({ ...query, from: String(end) });
    end = from + actions.length;
    if (facts.checkpoint.step !== 61) return false;
    // The steps of the network before it are gone, and an episode has begun.
    expect(starts).toContain(oldest);
    return true;
  });
  expect(readdirSync(checkpoints).filter((name) => name !== '61')).toEqual(listed);

  // A recording that is watched with a network goes on with it, also where only `best` has it still.
  cpSync(checkpoints, join(folder, 'c51/best'), { recursive: true });
  rmSync(join(folder, 'c51/best/61'), { recursive: true });
  const recorded = { run: 'c51', recording: c51Recording, count: '3' };
  const pinned = async (checkpoint: string) => (await askSteps({ ...recorded, checkpoint })).facts.checkpoint;
  expect(await pinned('newest')).toEqual({ step: 61, isBest: false });
  expect(await pinned('best')).toMatchObject({ step: 60 });
  rmSync(join(checkpoints, '60'), { recursive: true });
  onTestFinished(() => cpSync(join(folder, 'c51/best/60'), join(checkpoints, '60'), { recursive: true }));
  expect(await pinned('60')).toMatchObject({ step: 60 });
});

/** A new page on the viewer, with what it complains of and whom it asks. */
async function openAt(hash: string) {
  const page = await context.newPage();
  onTestFinished(() => page.close());
  const complaints = complaintsOf(page);
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(viewer.address).origin) complaints.push(request.url());
  });
  await page.goto(`${viewer.address}${hash}`);
  return { page, complaints };
}

/** The pixels of the first such canvas. */
async function drawnOn(page: Page, selector: string, channels: number): Promise<Uint8Array> {
  const address = await page
    .locator(selector)
    .first()
    .evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
  return pixelsOf(Buffer.from(address.slice(address.indexOf(',') + 1), 'base64'), channels);
}

const stepOf = async (page: Page) => Number(await page.locator('.watch').getAttribute('data-step'));
const at = (page: Page, step: number) =>
  page.locator(`.watch[data-step="${step}"] .screen[data-step="${step}"]`).waitFor();

test('a recording on the page: it plays, and every way to a step shows its numbers and its screen', async ({
  skip,
}) => {
  skip(!browser, NEEDS_CHROMIUM);
  const { page, complaints } = await openAt('#/run?run=pong');
  await page.getByRole('link', { name: `watch ${PONG}` }).click();
  await page.locator('.watch h2', { hasText: `pong: ${PONG}` }).waitFor();
  await page.getByText('Step 0 of 100').waitFor();
  await until(
    'all steps are there',
    async () => (await page.getByLabel('step', { exact: true }).getAttribute('max')) === '99',
  );
  const query = { run: 'pong', recording: PONG, count: '100' };
  const { values, rewards, facts } = await askSteps(query);

  await at(page, 0);
  await page.keyboard.press('Space');
  await until('it plays', async () => (await stepOf(page)) > 3);
  await page.keyboard.press('Space');
  await page.getByRole('button', { name: 'Play' }).waitFor();

  await page.getByLabel('step', { exact: true }).fill('37');
  await at(page, 37);
  const rows = page.locator('.values tbody tr');
  const shown = await rows.evaluateAll((all) =>
    (all as unknown as { cells: { innerText: string }[] }[]).map(({ cells }) =>
      [...cells].map((cell) => cell.innerText),
    ),
  );
  expect(shown.map(([name]) => name)).toEqual(facts.actions);
  for (const [i, [, , value]] of shown.entries()) {
    expect(Math.abs(Number(value) - values[37][i]), value).toBeLessThan(1e-3 * Math.abs(values[37][i]));
  }
  const screens = await bytesOf('screens', query);
  expect(Buffer.compare(await drawnOn(page, '.screen', 3), picture(screens, 37))).toBe(0);

  await page.keyboard.press('ArrowRight');
  await at(page, 38);
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await at(page, 36);
  const rewarded = rewards.flatMap((reward, i) => (reward === 0 ? [] : [i]));
  await page.keyboard.press('Home');
  await at(page, 0);
  for (const step of rewarded) {
    await page.keyboard.press('Shift+ArrowRight');
    await at(page, step);
  }
  await page.keyboard.press('Shift+ArrowLeft');
  await at(page, rewarded.at(-2)!);
  await page.keyboard.press('End');
  await at(page, 99);
  await page.keyboard.press('ArrowUp');
  expect(await page.getByLabel('Speed').inputValue()).toBe('2');
  await page.getByLabel('step', { exact: true }).fill('50');
  await page.keyboard.press('s');
  await until('the gradients are drawn', async () => (await drawnOn(page, '.overlay', 4)).some((value) => value > 200));

  await page.getByText('Keys').click();
  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 390],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    expect(await seriousViolations(page), colorScheme).toEqual([]);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
  }
  expect(complaints).toEqual([]);
});

test('an agent that plays now, one with distributions, and one that cannot be watched, on the page', async ({
  skip,
}) => {
  skip(!browser, NEEDS_CHROMIUM);
  const { page, complaints } = await openAt('#/run?run=cartpole');
  await page.getByRole('link', { name: 'watch it play' }).click();
  await until('it plays', async () => (await stepOf(page)) > 12);
  await page.locator('.screen[data-step]').waitFor();
  expect(await page.getByRole('button', { name: 'Pause' }).count()).toBe(1);

  await page.evaluate(`location.hash = ${JSON.stringify(`#/watch?run=c51&recording=${c51Recording}`)}`);
  await page.locator('.watch h2', { hasText: 'c51' }).waitFor();
  await page.getByText(/^Over returns from -100 to 100/).waitFor();
  await until('a distribution is drawn', async () => (await drawnOn(page, '.curve', 4)).some((value) => value > 0));
  await page.getByRole('heading', { name: 'What the agent sees' }).waitFor();
  expect(await seriousViolations(page)).toEqual([]);

  makeRun(join(folder, 'empty'), config(), progressLine(1));
  await page.evaluate(`location.hash = '#/watch?run=empty&live'`);
  await page.getByRole('alert').filter({ hasText: /\S/ }).waitFor();
  expect(await page.getByRole('button', { name: 'Try again' }).isVisible()).toBe(true);
  expect(complaints).toEqual([]);
});
