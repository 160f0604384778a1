// Minibatches in a seeded order, from arrays in memory into buffers that are used again.
import { Generator } from '../random/index.ts';

type Elements = Uint8Array | Int32Array | Float32Array;

export interface BatchesOptions<Name extends string> {
  /**
   * The arrays by name, each with the examples one after the other, all of the same length: images `[count, ...]`,
   * labels `[count]`. They are not copied: leave them as they are.
   */
  arrays: Record<Name, Elements>;
  /** How many examples there are. */
  count: number;
  batchSize: number;
  /** Decides the order of every epoch, an integer in [0, 2^31). Null: in the order of the arrays, as for testing. */
  seed: number | null;
  /** What becomes of the examples that do not fill a batch at an epoch's end. */
  lastBatch: 'drop' | 'keep';
}

export interface Batch<Name extends string> {
  /** Number of the epoch, from 0. */
  epoch: number;
  /** Number of the batch within its epoch, from 0. */
  index: number;
  /** How many examples: `batchSize`, or fewer in a last batch that is kept. */
  size: number;
  /**
   * The examples' elements, `[size, ...]`. Valid until the batch after the next one is prepared: two sets of buffers
   * take turns.
   */
  arrays: Record<Name, Elements>;
}

/** Where a `Batches` stands, for JSON. */
export interface BatchesState {
  seed: number | null;
  count: number;
  batchSize: number;
  epoch: number;
  /** Number of the next batch within the epoch, from 0. */
  index: number;
}

/**
 * Endless minibatches: every epoch has each example once, in an order that is a function of seed and epoch alone
 * (Fisher-Yates), so a run that resumes from `getState` sees the same batches.
 *
 * To fill the next batch while the device computes, call `prepare` when the device has its work and before its results
 * are read back: `next` then only hands it out.
 */
export class Batches<Name extends string> {
  readonly batchesPerEpoch: number;
  private readonly options: BatchesOptions<Name>;
  private readonly names: Name[];
  /** Elements of one example in each array. */
  private readonly widths: Record<Name, number>;
  private readonly buffers: Record<Name, Elements>[];
  private readonly order: Uint32Array;
  private orderEpoch = -1;
  private epoch = 0;
  private index = 0;
  private prepared: Batch<Name> | undefined;

  /** @throws RangeError, in words, for sizes that make no batch and arrays that do not divide into `count` examples. */
  constructor(options: BatchesOptions<Name>) {
    const { arrays, count, batchSize, lastBatch, seed } = options;
    const isSeed = seed === null || (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31);
    if (!isSeed)
      throw new RangeError(`seed is ${seed}: give an integer from 0 to 2147483647, or null for no shuffling`);
    if (!Number.isInteger(count) || count < 1) throw new RangeError(`count is ${count}: give the number of examples`);
    if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > count) {
      throw new RangeError(`batchSize is ${batchSize}: give a whole number from 1 to the ${count} examples`);
    }
    this.options = options;
    this.names = Object.keys(arrays) as Name[];
    this.widths = {} as Record<Name, number>;
    for (const name of this.names) {
      const width = arrays[name].length / count;
      if (!Number.isInteger(width) || width < 1) {
        throw new RangeError(
          `arrays.${name} has ${arrays[name].length} elements: give a multiple of the ${count} examples`,
        );
      }
      this.widths[name] = width;
    }
    this.batchesPerEpoch = lastBatch === 'keep' ? Math.ceil(count / batchSize) : Math.floor(count / batchSize);
    this.buffers = [this.newBuffers(), this.newBuffers()];
    this.order = new Uint32Array(count);
  }

  /** The next batch; after the last of an epoch comes the first of the next epoch. */
  next(): Batch<Name> {
    this.prepare();
    const batch = this.prepared!;
    this.prepared = undefined;
    this.index++;
    if (this.index === this.batchesPerEpoch) {
      this.index = 0;
      this.epoch++;
    }
    return batch;
  }

  /** Fills the batch that `next` will return, unless that is done already. Does not change the state. */
  prepare(): void {
    if (this.prepared) return;
    const { arrays, count, batchSize } = this.options;
    const { epoch, index } = this;
    this.shuffleFor(epoch);
    const from = index * batchSize;
    const size = Math.min(batchSize, count - from);
    const buffers = this.buffers.reverse()[0]; // the other set
    const filled = {} as Record<Name, Elements>;
    for (const name of this.names) {
      const [source, buffer, width] = [arrays[name], buffers[name], this.widths[name]];
      for (let i = 0; i < size; i++) {
        const example = this.order[from + i];
        buffer.set(source.subarray(example * width, (example + 1) * width), i * width);
      }
      filled[name] = size === batchSize ? buffer : buffer.subarray(0, size * width);
    }
    this.prepared = { epoch, index, size, arrays: filled };
  }

  getState(): BatchesState {
    const { seed, count, batchSize } = this.options;
    return { seed, count, batchSize, epoch: this.epoch, index: this.index };
  }

  /** @throws RangeError, in words, for a state of another seed, batch size or count, or one beyond the epoch's end. */
  setState(state: BatchesState): void {
    for (const key of ['seed', 'count', 'batchSize'] as const) {
      const own = this.options[key];
      if (state[key] !== own)
        throw new RangeError(`the saved batches have ${key} ${state[key]}, not ${own}: resume with the same`);
    }
    const { epoch, index } = state;
    const isWhole = Number.isSafeInteger(epoch) && Number.isSafeInteger(index);
    if (!isWhole || epoch < 0 || index < 0 || index >= this.batchesPerEpoch) {
      throw new RangeError(
        `the saved batches stand at batch ${index} of epoch ${epoch}, of ${this.batchesPerEpoch} batches`,
      );
    }
    this.epoch = epoch;
    this.index = index;
    this.prepared = undefined;
  }

  private newBuffers(): Record<Name, Elements> {
    const { arrays, batchSize } = this.options;
    const buffers = {} as Record<Name, Elements>;
    for (const name of this.names) {
      const ArrayType = arrays[name].constructor as new (length: number) => Elements;
      buffers[name] = new ArrayType(batchSize * this.widths[name]);
    }
    return buffers;
  }

  /** Puts `order` in the epoch's order, starting from that of the arrays. */
  private shuffleFor(epoch: number): void {
    if (this.orderEpoch === epoch) return;
    this.orderEpoch = epoch;
    const { order } = this;
    const { seed } = this.options;
    for (let i = 0; i < order.length; i++) order[i] = i;
    if (seed === null) return;
    const generator = new Generator(seed, `batches of epoch ${epoch}`);
    for (let i = order.length - 1; i > 0; i--) {
      const j = generator.integer(i + 1);
      const kept = order[i];
      order[i] = order[j];
      order[j] = kept;
    }
  }
}
