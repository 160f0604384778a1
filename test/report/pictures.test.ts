import '../node-backend.ts';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findFfmpeg } from '../../src/recording/ffmpeg.ts';
import {
  encodeGif,
  encodePng,
  type GridOptions,
  gridPicture,
  type Picture,
  scalePicture,
  writePicture,
} from '../../src/report/pictures.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pictures-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Noise that needs every byte; the same for the same seed. */
function noise(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

const noisePicture = (height: number, width: number, channels: 1 | 3, seed = 1): Picture => ({
  height,
  width,
  channels,
  pixels: noise(height * width * channels, seed),
});

const channelsArbitrary = fc.constantFrom(1 as const, 3 as const);

describe('a grid of images', () => {
  test('shows each image at its place, and mid-grey elsewhere', () => {
    const length = fc.integer({ min: 1, max: 5 });
    const sizes = fc.record({
      ...{ count: fc.integer({ min: 1, max: 9 }), columns: length, gap: fc.integer({ min: 0, max: 3 }) },
      ...{ height: length, width: length, channels: channelsArbitrary },
    });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 1000 }), (options, seed) => {
        const { count, columns, gap, height, width, channels } = options;
        const images = noise(count * height * width * channels, seed);
        const grid = gridPicture(images, { ...options, range: 'levels' });
        const down = Math.ceil(count / columns);
        const across = count < columns ? count : columns;
        expect(grid.height).toBe(down * height + (down - 1) * gap);
        expect(grid.width).toBe(across * width + (across - 1) * gap);
        const expected: number[] = [];
        for (let y = 0; y < grid.height; y++) {
          for (let x = 0; x < grid.width; x++) {
            const image = Math.floor(y / (height + gap)) * columns + Math.floor(x / (width + gap));
            const [inY, inX] = [y % (height + gap), x % (width + gap)];
            const shown = inY < height && inX < width && image < count;
            for (let c = 0; c < channels; c++) {
              expected.push(shown ? images[((image * height + inY) * width + inX) * channels + c] : 128);
            }
          }
        }
        expect([...grid.pixels]).toEqual(expected);
      }),
    );
  });

  const row = { count: 1, height: 1, width: 6, channels: 1, columns: 1 } as const;

  test('clamps and rounds numbers of [0, 1] and of 0-255', () => {
    const unit = Float32Array.of(-1, 0, 0.501, 0.999, 1, Number.POSITIVE_INFINITY);
    expect([...gridPicture(unit, { ...row, range: 'unit' }).pixels]).toEqual([0, 0, 128, 255, 255, 255]);
    const levels = [-3, 0.4, 0.6, 254.4, 255, 300];
    expect([...gridPicture(levels, { ...row, range: 'levels' }).pixels]).toEqual([0, 0, 1, 254, 255, 255]);
  });

  test.each<[string, Partial<GridOptions>, number[]]>([
    ['image 1, row 2: NaN; only numbers', { count: 2, height: 3, width: 1 }, [0, 0, 0, 0, 0, Number.NaN]],
    ['images: 6 values; 2 of 1 x 6 x 1 have 12', { count: 2 }, [0, 0, 0, 0, 0, 0]],
    ['count 0: a whole number, at least 1', { count: 0 }, []],
    ['columns 1.5: a whole number, at least 1', { columns: 1.5 }, [0, 0, 0, 0, 0, 0]],
    ['gap -1: a whole number, at least 0', { gap: -1 }, [0, 0, 0, 0, 0, 0]],
  ])('refuses in one line: %s', (message, options, images) => {
    expect(() => gridPicture(images, { ...row, range: 'unit', ...options })).toThrow(message);
  });
});

test('an enlarged picture has a square of pixels for each', () => {
  const small: Picture = { height: 1, width: 2, channels: 3, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  const line = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6];
  expect(scalePicture(small, 2)).toEqual({
    height: 2,
    width: 4,
    channels: 3,
    pixels: Uint8Array.from([...line, ...line]),
  });
  expect(scalePicture(small, 1)).toEqual(small);
  expect(() => scalePicture(small, 0.5)).toThrow('factor 0.5: a whole number, at least 1');
});

test.each([1, 3] as const)('a PNG of %i channels has every pixel, and no tensor is left', async (channels) => {
  const { decodePng } = loadTensorFlow().tf.node;
  const before = tf.memory().numTensors;
  const picture = noisePicture(31, 17, channels);
  const png = await encodePng(picture);
  expect(tf.memory().numTensors).toBe(before);
  const decoded = decodePng(png, 0);
  expect(decoded.shape).toEqual([31, 17, channels]);
  expect(Uint8Array.from(decoded.dataSync())).toEqual(picture.pixels);
  decoded.dispose();
});

describe('an animated GIF', () => {
  let ffmpeg: string;
  beforeAll(async () => {
    ffmpeg = await findFfmpeg();
  });

  const runFfmpeg = (args: string[], input: Uint8Array) =>
    execFileSync(ffmpeg, ['-loglevel', 'error', '-f', 'gif', ...args], { input, maxBuffer: 2 ** 28 });

  /**
   * The first `count` frames that a viewer shows, red, green and blue; of a file that does not loop, those there are.
   */
  function shownFrames(gif: Uint8Array, { height, width }: Picture, count: number): Uint8Array[] {
    const output = ['-frames:v', `${count}`, '-fps_mode', 'passthrough', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'];
    const path = join(folder, 'shown.gif'); // a pipe cannot be read twice
    writeFileSync(path, gif);
    const raw = Uint8Array.from(runFfmpeg(['-ignore_loop', '0', '-i', path, ...output], new Uint8Array()));
    const frameLength = height * width * 3;
    return Array.from({ length: raw.length / frameLength }, (_, i) =>
      raw.subarray(i * frameLength, (i + 1) * frameLength),
    );
  }

  /** How long each frame stands, in hundredths of a second. */
  function durations(gif: Uint8Array): number[] {
    const lines = runFfmpeg(['-i', '-', '-c', 'copy', '-f', 'framecrc', '-'], gif).toString().trim().split('\n');
    expect(lines).toContain('#tb 0: 1/100');
    return lines.filter((line) => !line.startsWith('#')).map((line) => Number(line.split(',')[3]));
  }

  test('of grey pictures keeps every pixel, and loops', () => {
    // Enough to fill the encoder's table of 4096 codes.
    const frames = [1, 2, 3].map((seed) => noisePicture(90, 101, 1, seed));
    const shown = shownFrames(encodeGif(frames, { framesPerSecond: 8, lastFrameSeconds: 1 }), frames[0], 5);
    expect(shown).toHaveLength(5);
    for (const [i, pixels] of shown.entries()) {
      const expected = Uint8Array.from({ length: pixels.length }, (_, p) => frames[i % 3].pixels[Math.floor(p / 3)]);
      expect(Buffer.compare(pixels, expected), `frame ${i}`).toBe(0);
    }
  });

  test('of colour pictures keeps few colours as they are and is close to many', () => {
    const flags: Picture[] = [0, 1].map((shift) => ({
      ...{ height: 4, width: 8, channels: 3 },
      pixels: Uint8Array.from({ length: 96 }, (_, i) => [10, 200, 30, 250, 90, 0][(i + 3 * shift) % 6]),
    }));
    const options = { framesPerSecond: 2, lastFrameSeconds: 1 };
    expect(shownFrames(encodeGif(flags, options), flags[0], 2)).toEqual(flags.map(({ pixels }) => pixels));

    const ramps: Picture = {
      ...{ height: 64, width: 64, channels: 3 },
      pixels: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => {
        const [x, y] = [Math.floor(i / 3) % 64, Math.floor(i / 192)];
        return [4 * x, 4 * y, 2 * (x + y)][i % 3];
      }),
    };
    const [shown] = shownFrames(encodeGif([ramps], options), ramps, 1);
    const differences = shown.map((level, i) => Math.abs(level - ramps.pixels[i]));
    expect(differences.reduce((sum, difference) => sum + difference, 0) / shown.length).toBeLessThan(6);
  });

  test('keeps time: frames of hundredths of a second that add up, the last one longer', () => {
    const frames = [1, 2, 3, 4, 5].map((seed) => noisePicture(4, 4, 1, seed));
    expect(durations(encodeGif(frames, { framesPerSecond: 8, lastFrameSeconds: 2 }))).toEqual([13, 12, 13, 12, 200]);
    expect(durations(encodeGif(frames, { framesPerSecond: 30, lastFrameSeconds: 0.5 }))).toEqual([3, 4, 3, 3, 50]);
  });

  const frame = noisePicture(4, 4, 1);
  test.each<[string, Picture[], number, number]>([
    ['a GIF without frames', [], 8, 1],
    ['frame 1 is 4 x 5 x 1 and frame 0 4 x 4 x 1', [frame, noisePicture(4, 5, 1)], 8, 1],
    ['frame 1 is 4 x 4 x 3 and frame 0 4 x 4 x 1', [frame, noisePicture(4, 4, 3)], 8, 1],
    ['framesPerSecond 60: more than 0, and at most 50', [frame], 60, 1],
    ['framesPerSecond 0: more than 0', [frame], 0, 1],
    ['lastFrameSeconds NaN: from 0.02 to 655', [frame], 8, Number.NaN],
    ['lastFrameSeconds 0.01: from 0.02 to 655', [frame], 8, 0.01],
  ])('refuses in one line: %s', (message, frames, framesPerSecond, lastFrameSeconds) => {
    expect(() => encodeGif(frames, { framesPerSecond, lastFrameSeconds })).toThrow(message);
  });
});

test('a written picture replaces the old one and leaves nothing beside it', async () => {
  const own = mkdtempSync(join(folder, 'written-'));
  const path = join(own, 'samples.png');
  await writePicture(path, Uint8Array.of(1, 2, 3, 4));
  await writePicture(path, Uint8Array.of(5, 6));
  expect([...readFileSync(path)]).toEqual([5, 6]);
  expect(readdirSync(own)).toEqual(['samples.png']);
});
