import '../node-backend.ts';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { train } from '../../agents/train.ts';
import { encodePng, type Picture } from '../../src/report/pictures.ts';
import {
  openTensorBoard,
  openTolerantTensorBoard,
  type TensorBoardWriter,
  tensorBoardEvents,
} from '../../src/runs/tensorboard.ts';
import { askPython } from '../python-oracle.ts';

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'tensorboard-'));
  folder = join(parent, 'run', 'tensorboard');
});
afterEach(() => rmSync(parent, { recursive: true }));

const eventFiles = () => readdirSync(folder).map((name) => join(folder, name));

/** What TensorFlow finds in the event files, a list for each. */
const readEvents = () => askPython<object[][]>(new URL('event_files.py', import.meta.url), eventFiles());

/** Tensors of tfjs, and those that the addon holds. */
function tensorCounts(): [number, number] {
  const { binding } = tf.backend() as unknown as { binding: { getNumOfTensors(): number } };
  return [tf.memory().numTensors, binding.getNumOfTensors()];
}

function picture(height: number, width: number, channels: 1 | 3): Picture {
  return { height, width, channels, pixels: Uint8Array.from({ length: height * width * channels }, (_, i) => i * 7) };
}

describe('a TensorBoard event file', () => {
  test('has the scalars and pictures that were written, in a file of its own for each time it was opened', async () => {
    const before = tensorCounts();
    const grey = picture(4, 3, 1);
    const colour = picture(2, 5, 3);
    const first = openTensorBoard(folder);
    const second = openTensorBoard(folder);
    first.scalar('train/loss (nats)', 0.5, 0);
    first.image('samples', await encodePng(grey), grey, 12);
    first.close(); // leaves the other one open
    second.scalar('train/loss (nats)', -1.5, 2 ** 40);
    second.image('samples', await encodePng(colour), colour, 24);
    second.scalar('train/loss (nats)', Number.NaN, 25); // a diverged run says so
    second.close();
    expect(tensorCounts()).toEqual(before);

    const loss = { tag: 'train/loss (nats)', plugin: 'scalars' };
    const samples = { tag: 'samples', plugin: 'images' };
    const files = readEvents();
    expect(files).toHaveLength(2);
    expect(files).toContainEqual([
      { ...loss, step: 0, value: 0.5 },
      { ...samples, step: 12, height: 4, width: 3, shape: [4, 3, 1], pixels: [...grey.pixels] },
    ]);
    expect(files).toContainEqual([
      { ...loss, step: 2 ** 40, value: -1.5 },
      { ...samples, step: 24, height: 2, width: 5, shape: [2, 5, 3], pixels: [...colour.pixels] },
      { ...loss, step: 25, value: 'nan' },
    ]);
  });

  test('holds one tensor while it is open, also when used inside tf.tidy, and is on the disk after flush', () => {
    const [before] = tensorCounts();
    let board!: TensorBoardWriter;
    tf.tidy(() => {
      board = openTensorBoard(folder);
      board.scalar('a', 1, 1);
    });
    board.scalar('a', 2, 2);
    expect(tensorCounts()[0]).toBe(before + 1);
    const [path] = eventFiles();
    const early = readFileSync(path).length;
    board.flush();
    expect(readFileSync(path).length).toBeGreaterThan(early);
    board.close();
    expect(tensorCounts()[0]).toBe(before);
  });

  test('that cannot be opened, and a step that is not whole, fail with one line and leave no tensor', () => {
    const before = tensorCounts();
    const file = join(parent, 'a-file');
    writeFileSync(file, '');
    expect(() => openTensorBoard(file)).toThrow(
      new Error(`${file}: TensorBoard's event file cannot be opened there (Not a directory)`),
    );
    const board = openTensorBoard(folder);
    expect(() => board.scalar('a', 1, 1.5)).toThrow(/^[^\n]*1\.5[^\n]*integer$/);
    board.close();
    expect(tensorCounts()).toEqual(before);
  });

  test('has the settings of the run, in the form that the tab HParams reads', () => {
    const before = tensorCounts();
    const board = openTensorBoard(folder);
    const earliest = Date.now() / 1000;
    const text = 'x'.repeat(300); // a length of two bytes
    board.settings({
      learningRate: 2.5e-4,
      doubleQ: true,
      clip: false,
      game: 'Pong – é',
      hiddenUnits: [8, 4],
      envId: null,
      text,
    });
    board.close();
    expect(tensorCounts()).toEqual(before);
    const [[written]] = readEvents() as { settings: object; seconds: number }[][];
    expect(written).toMatchObject({ tag: '_hparams_/session_start_info', plugin: 'hparams', step: 0 });
    expect(written.settings).toEqual({
      learningRate: 2.5e-4,
      doubleQ: true,
      clip: false,
      game: 'Pong – é',
      hiddenUnits: '[8,4]',
      text,
    });
    expect(written.seconds).toBeGreaterThanOrEqual(earliest);
  });

  test('has histograms of 30 parts, or of one where all values are the same', () => {
    const before = tensorCounts();
    const board = openTensorBoard(folder);
    board.histogram('norms', [0, 0.5, 30, 29.5, 12], 3);
    board.histogram('same', new Float32Array(7).fill(2), 4);
    board.close();
    expect(tensorCounts()).toEqual(before);
    const [[norms, same]] = readEvents() as { buckets: [number, number, number][] }[][];
    expect(norms).toMatchObject({ tag: 'norms', plugin: 'histograms', step: 3 });
    expect(norms.buckets).toEqual(
      Array.from({ length: 30 }, (_, i) => [i, i + 1, i === 0 || i === 29 ? 2 : i === 12 ? 1 : 0]),
    );
    expect(same.buckets).toEqual([[1.5, 2.5, 7]]);
  });

  test('of an agent that is diagnosed has lengths and gains by layer, and states that it saw', async () => {
    const before = tensorCounts();
    const run = await train({
      game: 'Pong',
      network: 'nips',
      hiddenUnits: [8],
      steps: 60,
      learningStarts: 40,
      numEnvs: 1,
      batchSize: 4,
      replayCapacity: 500,
      diagnosticsPeriodSteps: 50,
      trackers: [tensorBoardEvents(openTensorBoard(folder))],
    });
    await run.finish();
    expect(tensorCounts()).toEqual(before);
    const events = readEvents()[0] as { tag: string; plugin: string; step: number; buckets: number[][] }[];
    const diagnosed = events.filter(({ step, plugin }) => step === 50 && plugin !== 'scalars');
    const layers = ['conv1', 'conv2', 'dense1', 'q'];
    expect(diagnosed.map(({ tag }) => tag).sort()).toEqual(
      [
        ...layers.flatMap((layer) => ['norms', 'gains'].map((name) => `diagnostics/${layer}/kernel/${name}`)),
        'diagnostics/states',
      ].sort(),
    );
    const units = diagnosed.find(({ tag }) => tag === 'diagnostics/conv1/kernel/norms')!.buckets;
    expect(units.reduce((sum, [, , count]) => sum + count, 0)).toBe(16);
    expect(diagnosed.find(({ plugin }) => plugin === 'images')).toMatchObject({
      width: 4 * 84 + 6,
      height: 4 * 84 + 6,
    });
  });

  test('that a run is not to end for is told of once, when it opens or later, and then left out', () => {
    const before = tensorCounts();
    const file = join(parent, 'a-file');
    writeFileSync(file, '');
    const notes: string[] = [];
    const never = openTolerantTensorBoard(file, (line) => notes.push(line));
    never.scalar('a', 1, 1);
    never.settings({ seed: 1 });
    never.flush();
    never.close();
    const cause = `${file}: TensorBoard's event file cannot be opened there (Not a directory)`;
    expect(notes).toEqual([`TensorBoard stops here, the run goes on: ${cause}`]);

    const until = openTolerantTensorBoard(folder, (line) => notes.push(line));
    until.scalar('a', 1, 1);
    until.scalar('a', 1, 1.5);
    until.scalar('a', 1, 2);
    until.close();
    expect(notes).toHaveLength(2);
    expect(tensorCounts()).toEqual(before);
    expect(eventFiles()).toHaveLength(1);
  });
});
