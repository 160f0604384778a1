// Pictures as files: images side by side, PNG, animated GIF.

import { createRequire } from 'node:module';
import type { Colour } from 'gifenc';
import { replaceFileWith } from '../files/atomic.ts';
import { loadTensorFlow } from '../runtime/tensorflow.ts';

// Not imported: Node.js would take the package's CommonJS file, vitest its ES module, and the two have different
// exports.
const { applyPalette, GIFEncoder, quantize } = createRequire(import.meta.url)('gifenc') as typeof import('gifenc');

export interface Picture {
  height: number;
  width: number;
  /** Grey, or red, green and blue. */
  channels: 1 | 3;
  /** 0-255, row after row, the channels of a pixel together. */
  pixels: Uint8Array;
}

export interface GridOptions {
  /** How many images there are. */
  count: number;
  /** Height and width of one image, in pixels. */
  height: number;
  width: number;
  channels: 1 | 3;
  /** Images in a row. */
  columns: number;
  /** Pixels of mid-grey between neighbours. Default 2. */
  gap?: number;
  /** What white is: 1 (`unit`) or 255 (`levels`). Black is 0. */
  range: 'unit' | 'levels';
}

const MID_GREY = 128;

/**
 * One picture of images `[count, height, width, channels]` in reading order; places left over in the last row are
 * mid-grey. Values are clamped to the range and rounded to 256 levels.
 * @throws Error of one line where a value is not a number, or where there are more or fewer values than the options say
 */
export function gridPicture(
  images: ArrayLike<number>,
  { count, height, width, channels, columns, gap = 2, range }: GridOptions,
): Picture {
  for (const [name, size] of Object.entries({ count, height, width, columns })) checkWhole(name, size, 1);
  checkWhole('gap', gap, 0);
  const imageLength = height * width * channels;
  if (images.length !== count * imageLength) {
    throw new RangeError(
      `images: ${images.length} values; ${count} of ${height} x ${width} x ${channels} have ${count * imageLength}`,
    );
  }
  const across = Math.min(columns, count);
  const gridWidth = across * (width + gap) - gap;
  const gridHeight = Math.ceil(count / columns) * (height + gap) - gap;
  // Such an array clamps and rounds what is put into it.
  const pixels = new Uint8ClampedArray(gridHeight * gridWidth * channels).fill(MID_GREY);
  const white = range === 'unit' ? 255 : 1;
  const rowLength = width * channels;
  for (let row = 0; row < count * height; row++) {
    const image = Math.floor(row / height);
    const y = Math.floor(image / columns) * (height + gap) + (row % height);
    const x = (image % columns) * (width + gap);
    const target = (y * gridWidth + x) * channels;
    for (let i = 0; i < rowLength; i++) {
      const value = images[row * rowLength + i];
      if (Number.isNaN(value)) {
        throw new Error(`image ${image}, row ${row % height}: NaN; only numbers can be drawn (has training diverged?)`);
      }
      pixels[target + i] = value * white;
    }
  }
  return { height: gridHeight, width: gridWidth, channels, pixels: new Uint8Array(pixels.buffer) };
}

/** Every pixel becomes `factor` x `factor`: a digit of 28 x 28 is small on a screen. */
export function scalePicture({ height, width, channels, pixels }: Picture, factor: number): Picture {
  checkWhole('factor', factor, 1);
  const scaled = new Uint8Array(pixels.length * factor ** 2);
  const rowLength = width * factor * channels;
  for (let y = 0; y < height * factor; y++) {
    for (let x = 0; x < width * factor; x++) {
      const source = (Math.floor(y / factor) * width + Math.floor(x / factor)) * channels;
      for (let c = 0; c < channels; c++) scaled[y * rowLength + x * channels + c] = pixels[source + c];
    }
  }
  return { height: height * factor, width: width * factor, channels, pixels: scaled };
}

/** The bytes of a PNG file, 8 bits a channel. */
export async function encodePng({ height, width, channels, pixels }: Picture): Promise<Uint8Array> {
  const { tf } = loadTensorFlow();
  const image = tf.tensor3d(Int32Array.from(pixels), [height, width, channels], 'int32');
  try {
    return await tf.node.encodePng(image);
  } finally {
    image.dispose();
  }
}

export interface GifOptions {
  /**
   * More than 0 and at most 50, as viewers slow faster ones down. GIF counts hundredths of a second; the times of
   * frames differ by one where they must.
   */
  framesPerSecond: number;
  /** How long the last frame stands before the first comes again, 0.02 to 655. */
  lastFrameSeconds: number;
}

/**
 * The bytes of an animated GIF that loops for ever. Grey pictures keep every pixel; those in colour share the 256
 * colours that suit them best.
 * @throws Error of one line where there are no frames or they are not of one size, or a time is out of range
 */
export function encodeGif(frames: readonly Picture[], { framesPerSecond, lastFrameSeconds }: GifOptions): Uint8Array {
  if (frames.length === 0) throw new Error('a GIF without frames: give one or more');
  const [{ height, width, channels }] = frames;
  for (const [i, frame] of frames.entries()) {
    if (frame.height !== height || frame.width !== width || frame.channels !== channels) {
      throw new Error(`frame ${i} is ${size(frame)} and frame 0 ${size(frames[0])}: the frames of a GIF have one size`);
    }
  }
  if (!(framesPerSecond > 0 && framesPerSecond <= 50)) {
    throw new RangeError(`framesPerSecond ${framesPerSecond}: more than 0, and at most 50`);
  }
  if (!(lastFrameSeconds >= 0.02 && lastFrameSeconds <= 655)) {
    throw new RangeError(`lastFrameSeconds ${lastFrameSeconds}: from 0.02 to 655`);
  }
  const { palette, indices } = channels === 1 ? greyFrames(frames) : colourFrames(frames);
  const startHundredths = (frame: number) => Math.round((frame * 100) / framesPerSecond);
  const gif = GIFEncoder();
  for (const [i, index] of indices.entries()) {
    const hundredths =
      i === frames.length - 1 ? Math.round(lastFrameSeconds * 100) : startHundredths(i + 1) - startHundredths(i);
    gif.writeFrame(index, width, height, { delay: hundredths * 10, ...(i === 0 && { palette }) });
  }
  gif.finish();
  return gif.bytes();
}

/** Writes a file of these bytes, or leaves the old one as it is. */
export async function writePicture(path: string, bytes: Uint8Array): Promise<void> {
  await replaceFileWith(path, (handle) => handle.writeFile(bytes));
}

function greyFrames(frames: readonly Picture[]): { palette: Colour[]; indices: Uint8Array[] } {
  const palette = Array.from({ length: 256 }, (_, grey): Colour => [grey, grey, grey]);
  return { palette, indices: frames.map(({ pixels }) => pixels) };
}

function colourFrames(frames: readonly Picture[]): { palette: Colour[]; indices: Uint8Array[] } {
  const frameLength = frames[0].height * frames[0].width;
  const rgba = new Uint8Array(frames.length * frameLength * 4).fill(255);
  for (const [i, { pixels }] of frames.entries()) {
    for (let p = 0; p < frameLength; p++) {
      rgba.set(pixels.subarray(p * 3, p * 3 + 3), (i * frameLength + p) * 4);
    }
  }
  const palette = quantize(rgba, 256); // one for all: with one for each frame, what stands still would flicker
  const index = applyPalette(rgba, palette);
  return {
    palette,
    indices: frames.map((_, i) => index.subarray(i * frameLength, (i + 1) * frameLength)),
  };
}

function checkWhole(name: string, value: number, least: number): void {
  if (!(Number.isInteger(value) && value >= least)) {
    throw new RangeError(`${name} ${value}: a whole number, at least ${least}`);
  }
}

const size = ({ height, width, channels }: Picture) => `${height} x ${width} x ${channels}`;
