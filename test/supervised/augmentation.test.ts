import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fastCnn } from '../../src/networks/index.ts';
import { compile } from '../../src/runtime/compile/index.ts';
import {
  type AugmentOptions,
  augment,
  averagedLogits,
  flipImages,
  translateImages,
} from '../../src/supervised/augmentation.ts';
import { dataDependentInit } from '../../src/weightnorm/index.ts';
import { expectClose, normal } from '../weightnorm/support.ts';

type Size = Pick<AugmentOptions, 'height' | 'width' | 'channels'>;

const NOTHING = { translatePixels: 0, flip: 'none', seed: 1, epoch: 0, batchIndex: 0 } as const;

/** What any image becomes: -1 -> 1, -2 -> 2, n -> n - 2. */
function reflected(position: number, extent: number): number {
  let at = position;
  while (at < 0 || at >= extent) at = at < 0 ? -at : 2 * (extent - 1) - at;
  return at;
}

/** The image moved and mirrored, pixel by pixel. */
function view(image: Uint8Array, { height, width, channels }: Size, dy: number, dx: number, flip: boolean): number[] {
  const at = (y: number, x: number, c: number) => image[(y * width + x) * channels + c];
  return Array.from({ length: height * width * channels }, (_, i) => {
    const [y, x, c] = [Math.floor(i / channels / width), Math.floor(i / channels) % width, i % channels];
    const column = reflected(x - dx, width);
    return at(reflected(y - dy, height), flip ? width - 1 - column : column, c);
  });
}

const sizes = fc.record({
  height: fc.integer({ min: 1, max: 7 }),
  width: fc.integer({ min: 1, max: 7 }),
  channels: fc.integer({ min: 1, max: 3 }),
});

const minibatches = fc.tuple(sizes, fc.integer({ min: 1, max: 4 })).chain(([size, count]) => {
  const length = size.height * size.width * size.channels * count;
  return fc.record({
    size: fc.constant(size),
    images: fc.uint8Array({ minLength: length, maxLength: length }),
    translatePixels: fc.integer({ min: 0, max: Math.min(size.height, size.width) - 1 }),
    flip: fc.constantFrom('none', 'random', 'alternating'),
    seed: fc.nat(),
    epoch: fc.nat(100),
    batchIndex: fc.nat(1000),
  });
});

/** The images after `augment`, one by one. */
function augmented(images: Uint8Array, options: AugmentOptions): number[][] {
  const copy = images.slice();
  augment(copy, options);
  return split(copy, options).map((image) => [...image]);
}

function split(images: Uint8Array, { height, width, channels }: Size): Uint8Array[] {
  const size = height * width * channels;
  return Array.from({ length: images.length / size }, (_, i) => images.subarray(i * size, (i + 1) * size));
}

test('every image becomes one of its allowed views, reflected at the borders', () => {
  fc.assert(
    fc.property(minibatches, ({ size, images, ...settings }) => {
      const { translatePixels: most, flip } = settings;
      const distances = Array.from({ length: 2 * most + 1 }, (_, i) => i - most);
      const flips = flip === 'none' ? [false] : [false, true];
      const result = augmented(images, { ...size, ...settings });
      split(images, size).forEach((image, i) => {
        const views = distances.flatMap((dy) =>
          distances.flatMap((dx) => flips.map((isFlipped) => view(image, size, dy, dx, isFlipped).join())),
        );
        expect(views).toContain(result[i].join());
      });
    }),
    { seed: 1, numRuns: 60 },
  );
});

test('the same seed, epoch and batch give the same, and without movement and flip nothing changes', () => {
  fc.assert(
    fc.property(minibatches, ({ size, images, ...settings }) => {
      const options = { ...size, ...settings };
      expect(augmented(images, options)).toEqual(augmented(images, options));
      expect(augmented(images, { ...options, translatePixels: 0, flip: 'none' }).flat()).toEqual([...images]);
    }),
    { seed: 1, numRuns: 60 },
  );
});

test('alternating: an epoch later each image is the other way round, whatever its place in the batch', () => {
  fc.assert(
    fc.property(minibatches, ({ size, images, seed, epoch }) => {
      const options = { ...NOTHING, ...size, flip: 'alternating', seed, epoch } as const;
      const originals = split(images, size);
      const now = augmented(images, options);
      const later = augmented(images, { ...options, epoch: epoch + 1, batchIndex: 3 });
      originals.forEach((image, i) => {
        const ways = [[...image], view(image, size, 0, 0, true)].map((way) => way.join());
        expect([now[i], later[i]].map((way) => way.join()).sort()).toEqual(ways.sort());
        expect(augmented(image, options)[0]).toEqual(now[i]);
      });
    }),
    { seed: 1, numRuns: 60 },
  );
});

test('two flips, and a move there and back within the image, give the image', () => {
  const before = tf.memory().numTensors;
  tf.tidy(() => {
    const x = normal([2, 5, 4, 3], 1) as tf.Tensor4D;
    expect(flipImages(flipImages(x)).arraySync()).toEqual(x.arraySync());
    expect(translateImages(x, 0, 0).arraySync()).toEqual(x.arraySync());
    const back = translateImages(translateImages(x, 1, -2), -1, 2);
    expect(back.slice([0, 0, 2], [2, 4, 2]).arraySync()).toEqual(x.slice([0, 0, 2], [2, 4, 2]).arraySync());
  });
  expect(tf.memory().numTensors).toBe(before);
});

// The share in N draws with chance p strays from p by more than 5 sqrt(p (1 - p) / N) once in two million.
test('movements and sides come up equally often, other ones with another seed, epoch or batch', () => {
  const size = { height: 3, width: 3, channels: 1 };
  const image = Uint8Array.from({ length: 9 }, (_, i) => i);
  const count = 9000;
  const images = Uint8Array.from({ length: count * 9 }, (_, i) => i % 9);
  const options = { ...size, translatePixels: 1, flip: 'random', seed: 1, epoch: 0, batchIndex: 0 } as const;
  const drawn = augmented(images, options).map((way) => way.join());
  const views = [-1, 0, 1].flatMap((dy) =>
    [-1, 0, 1].flatMap((dx) => [false, true].map((isFlipped) => view(image, size, dy, dx, isFlipped).join())),
  );
  // In an image three pixels wide, a move by one to the left, mirrored, is a move to the right.
  const expected = new Map<string, number>();
  for (const way of views) expected.set(way, (expected.get(way) ?? 0) + 1 / views.length);
  for (const [way, chance] of expected) {
    const share = drawn.filter((one) => one === way).length / count;
    expect(Math.abs(share - chance), way).toBeLessThan(5 * Math.sqrt((chance * (1 - chance)) / count));
  }
  for (const other of [{ seed: 2 }, { epoch: 1 }, { batchIndex: 1 }])
    expect(augmented(images, { ...options, ...other }).map((way) => way.join())).not.toEqual(drawn);
});

test('alternating begins with half of the images mirrored, other ones with another seed', () => {
  const size = { height: 4, width: 4, channels: 3 };
  const count = 4000;
  const images = tf.tidy(() => Uint8Array.from(tf.randomUniform([count * 48], 0, 256, 'int32', 1).dataSync()));
  const originals = split(images, size);
  const flipsOf = (seed: number) =>
    augmented(images, { ...NOTHING, ...size, flip: 'alternating', seed }).map(
      (way, i) => +(way.join() !== originals[i].join()),
    );
  const [first, second] = [flipsOf(1), flipsOf(2)];
  const bound = 5 * Math.sqrt(0.25 / count);
  const share = (flags: number[]) => flags.reduce((sum, flag) => sum + flag, 0) / count;
  for (const flags of [first, second, first.map((flag, i) => flag ^ second[i])])
    expect(Math.abs(share(flags) - 0.5)).toBeLessThan(bound);
});

test('translateImages moves tensors as augment moves bytes', () => {
  const before = tf.memory().numTensors;
  const size = { height: 4, width: 5, channels: 2 };
  const images = Uint8Array.from({ length: 80 }, (_, i) => 3 * i);
  const x = tf.tensor4d(images, [2, 4, 5, 2], 'float32');
  for (const dy of [-3, -1, 0, 2]) {
    for (const dx of [-4, 0, 1]) {
      const expected = split(images, size).flatMap((image) => view(image, size, dy, dx, false));
      expect([...tf.tidy(() => translateImages(x, dy, dx).dataSync())]).toEqual(expected);
    }
  }
  const mirrored = split(images, size).flatMap((image) => view(image, size, 0, 0, true));
  expect([...tf.tidy(() => flipImages(x).dataSync())]).toEqual(mirrored);
  x.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('averagedLogits is the mean over the views, compiled and op by op, and keeps no tensor', () => {
  const before = tf.memory().numTensors;
  const { model, dispose } = fastCnn({ normalization: 'weight+mean-only-batch', widthMultiplier: 1 / 32, seed: 1 });
  const images = normal([6, 32, 32, 3], 1) as tf.Tensor4D;
  dataDependentInit(model, images);
  // By hand: predictions for each view, 0 and 1 the image, 2 to 5 moved, odd ones mirrored.
  const views = tf.tidy(() => {
    const moved = [images, translateImages(images, -1, -1), translateImages(images, 1, 1)];
    return moved
      .flatMap((x) => [x, flipImages(x)])
      .map((x) => (model.predict(x) as tf.Tensor).arraySync() as number[][]);
  });
  const weights = [
    { flips: false, translations: false, of: [1, 0, 0, 0, 0, 0] },
    { flips: true, translations: false, of: [1 / 2, 1 / 2, 0, 0, 0, 0] },
    { flips: false, translations: true, of: [1 / 2, 0, 1 / 4, 0, 1 / 4, 0] },
    { flips: true, translations: true, of: [1 / 4, 1 / 4, 1 / 8, 1 / 8, 1 / 8, 1 / 8] },
  ];
  const during = tf.memory().numTensors;
  for (const { of, ...options } of weights) {
    const expected = views[0].map((row, i) => row.map((_, j) => of.reduce((sum, w, k) => sum + w * views[k][i][j], 0)));
    for (const eager of [true, false]) {
      const program = compile(
        {
          classify: {
            inputs: { images: { shape: images.shape, dtype: 'float32' } },
            fn: ({ images }) => ({ logits: averagedLogits(model, images as tf.Tensor4D, options) }),
          },
        },
        { eager },
      );
      expect(program.compiled).toBe(!eager);
      const { logits } = program.steps.classify.run({ images });
      expectClose(logits, expected);
      logits.dispose();
      program.dispose();
      expect(tf.memory().numTensors).toBe(during);
    }
  }
  images.dispose();
  dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('what cannot be done is refused in words', () => {
  const size = { height: 4, width: 6, channels: 1 };
  const images = new Uint8Array(48);
  expect(() => augment(images, { ...NOTHING, ...size, translatePixels: 4 })).toThrow(
    'translatePixels is 4: give a whole number from 0 to 3',
  );
  expect(() => augment(images, { ...NOTHING, ...size, translatePixels: 0.5 })).toThrow('translatePixels is 0.5');
  expect(() => augment(images, { ...NOTHING, ...size, width: 5 })).toThrow(
    'images has 48 bytes: give a multiple of 4 x 5 x 1',
  );
  tf.tidy(() => {
    const x = tf.zeros([1, 4, 6, 1]) as tf.Tensor4D;
    expect(() => translateImages(x, -4, 0)).toThrow('dy is -4: give a whole number from -3 to 3');
    expect(() => translateImages(x, 0, 0.5)).toThrow('dx is 0.5: give a whole number from -5 to 5');
  });
});
