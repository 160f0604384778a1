import type * as tf from '@tensorflow/tfjs';
import { encodePng, type Picture } from '../report/pictures.ts';
import { DataType, type NativeBackend } from '../runtime/compile/native.ts';
import { loadTensorFlow } from '../runtime/tensorflow.ts';
import { scalarsOf } from './events.ts';
import { sessionStart, summaryMetadata } from './tensorboard-messages.ts';
import type { Tracker } from './tracker.ts';

/** An event file for TensorBoard. What is written is on the disk after `flush` or `close`, or two minutes later. */
export interface TensorBoardWriter {
  /**
   * A number, a point of a curve.
   * @param step Whole: the place on the horizontal axis.
   */
  scalar(name: string, value: number, step: number): void;
  /** A picture in the tab "Images", with a slider over the steps. `height` and `width` are in pixels. */
  image(name: string, png: Uint8Array, size: Pick<Picture, 'height' | 'width'>, step: number): void;
  /** How many of the values, which must be finite, lie where; for the tabs "Histograms" and "Distributions". */
  histogram(name: string, values: ArrayLike<number>, step: number): void;
  /** Settings, by name, for the tab "HParams", which compares runs by them. */
  settings(settings: Readonly<Record<string, unknown>>): void;
  /** Brings what was written to the disk. */
  flush(): void;
  /** Ends the file and frees the one tensor that the writer holds. */
  close(): void;
}

/** TensorFlow's number for the data type; tfjs gives strings no number of their own. */
const STRING = 7;

/** What tfjs-node's `tf.node.summaryFileWriter` is made of; it writes scalars and histograms only. */
interface SummaryBackend extends NativeBackend {
  summaryWriter(sharedName: string): tf.Tensor1D;
  createSummaryFileWriter(writer: tf.Tensor, folder: string): void;
  flushSummaryWriter(writer: tf.Tensor): void;
}

let writersOpened = 0;

/** As many as TensorFlow's own summaries have. */
const BUCKETS = 30;

/**
 * Parts of equal width between the smallest and the largest value, [left, right, how many values]; one part around a
 * value that all share. The right end belongs to the last part.
 */
function histogramBuckets(values: ArrayLike<number>): [left: number, right: number, count: number][] {
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    least = Math.min(least, values[i]);
    most = Math.max(most, values[i]);
  }
  if (!(least < most)) return [[least - 0.5, least + 0.5, values.length]];
  const width = (most - least) / BUCKETS;
  const counts = new Array<number>(BUCKETS).fill(0);
  for (let i = 0; i < values.length; i++) counts[Math.min(BUCKETS - 1, Math.floor((values[i] - least) / width))] += 1;
  return counts.map((count, i) => [least + i * width, i === BUCKETS - 1 ? most : least + (i + 1) * width, count]);
}

/**
 * Starts an event file in `folder`, which is made if need be. Files that are there already stay: TensorBoard shows all
 * of a folder as one run.
 * @throws Error of one line where the file cannot be written
 */
export function openTensorBoard(folder: string): TensorBoardWriter {
  const { tf } = loadTensorFlow();
  const backend = tf.backend() as unknown as SummaryBackend;
  // Writers of one name are one writer in TensorFlow, and closing one would close the other.
  const writer = tf.keep(backend.summaryWriter(`${folder}#${writersOpened++}`));
  try {
    tf.tidy(() => backend.createSummaryFileWriter(writer, folder));
  } catch (cause) {
    writer.dispose();
    const reason = (cause as Error).message.replace(/^.*\nMessage: /, '');
    throw new Error(`${folder}: TensorBoard's event file cannot be opened there (${reason})`, { cause });
  }

  /** As TensorFlow 2's `tf.summary.write` in Python; the metadata says which part of TensorBoard shows the value. */
  function write(metadata: Uint8Array, name: string, step: number, value: () => tf.Tensor, dtype: number) {
    const { binding } = backend;
    const int64 = new Int32Array(BigInt64Array.of(BigInt(step)).buffer); // tfjs has no such tensors
    const stepId = binding.createTensor([], DataType.int64, int64);
    try {
      tf.tidy(() => {
        // tfjs takes bytes for strings, its types do not.
        const about = tf.scalar(metadata as unknown as string, 'string');
        const inputs = [value(), tf.scalar(name, 'string'), about];
        const [writerId, ...inputIds] = backend.getInputTensorIds([writer, ...inputs]);
        const type = { name: 'T', type: binding.TF_ATTR_TYPE, value: dtype };
        binding.executeOp('WriteSummary', [type], [writerId, stepId, ...inputIds], 0);
      });
    } finally {
      binding.deleteTensor(stepId);
    }
  }

  return {
    scalar: (name, value, step) =>
      write(summaryMetadata('scalars'), name, step, () => tf.scalar(value), DataType.float32),
    image(name, png, { height, width }, step) {
      const parts = [Buffer.from(`${width}`), Buffer.from(`${height}`), png] as unknown as string[];
      write(summaryMetadata('images'), name, step, () => tf.tensor1d(parts, 'string'), STRING);
    },
    histogram: (name, values, step) =>
      write(summaryMetadata('histograms'), name, step, () => tf.tensor2d(histogramBuckets(values)), DataType.float32),
    settings(settings) {
      const metadata = summaryMetadata('hparams', sessionStart(settings, Date.now() / 1000));
      // The name and the empty tensor are what the tab looks for.
      write(metadata, '_hparams_/session_start_info', 0, () => tf.tensor1d([], 'float32'), DataType.float32);
    },
    flush: () => backend.flushSummaryWriter(writer),
    close() {
      backend.binding.executeOp('CloseSummaryWriter', [], backend.getInputTensorIds([writer]), 0);
      writer.dispose();
    },
  };
}

/**
 * A writer whose trouble does not end the run: what fails first, the opening included, is told, and from then on
 * nothing is written.
 * @param note Hears of it, in one line.
 */
export function openTolerantTensorBoard(folder: string, note: ((line: string) => void) | undefined): TensorBoardWriter {
  let board: TensorBoardWriter | undefined;
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      note?.(`TensorBoard stops here, the run goes on: ${(error as Error).message}`);
      const failed = board;
      board = undefined;
      try {
        failed?.close();
      } catch {
        // what it still held cannot be written either
      }
    }
  };
  guarded(() => {
    board = openTensorBoard(folder);
  });
  return {
    scalar: (...args) => guarded(() => board?.scalar(...args)),
    image: (...args) => guarded(() => board?.image(...args)),
    histogram: (...args) => guarded(() => board?.histogram(...args)),
    settings: (...args) => guarded(() => board?.settings(...args)),
    flush: () => guarded(() => board?.flush()),
    close: () => guarded(() => board?.close()),
  };
}

/**
 * Writes the numbers of every event as scalars, such as `train/loss` and `episode/return`, over the run's unit, and its
 * histograms and pictures.
 * @param board What `openTensorBoard` has opened; closed with the run.
 * @param settings The run's settings, for the tab "HParams".
 */
export function tensorBoardEvents(board: TensorBoardWriter, settings?: Readonly<Record<string, unknown>>): Tracker {
  if (settings !== undefined) board.settings(settings);
  return {
    async onEvent(event) {
      const { kind, position, wallSeconds } = event;
      for (const [name, value] of scalarsOf(event)) board.scalar(name, value, position);
      if (kind === 'episode') return;
      const prefix = kind === 'progress' ? 'train' : kind;
      if (wallSeconds !== undefined) board.scalar(`${prefix}/wallSeconds`, wallSeconds, position);
      const { histograms = {}, pictures = {} } = event.shown ?? {};
      for (const [name, values] of Object.entries(histograms)) board.histogram(`${prefix}/${name}`, values, position);
      for (const [name, picture] of Object.entries(pictures)) {
        board.image(`${prefix}/${name}`, await encodePng(picture), picture, position);
      }
      board.flush();
    },
    close: () => board.close(),
  };
}
