import { type State, StateError, type StoredTensors } from '../runs/trainable.ts';
import type { ReplayOptions } from './options.ts';
import { type HeldRows, noCompleteTransition, type RandomSource, type SampledRows, type Sampler } from './sampler.ts';
import { SumTree } from './sum-tree.ts';

/** Numbers in [0, 1), with a state that a checkpoint keeps. */
export interface UniformSource extends Omit<RandomSource, 'integer'> {
  /** A number in [0, 1). */
  uniform(): number;
}

/** How strongly priorities decide, and where chance comes from. */
export interface PrioritizedOptions {
  /** Those of the replay: they decide which rows are held. */
  readonly replay: Pick<ReplayOptions, 'capacity' | 'lanes'>;
  /** alpha: a row is drawn with a probability proportional to priority^alpha; 0 draws all alike. */
  readonly priorityExponent: number;
  /** beta of the first minibatch: importance weights make up for beta of the bias; from 0 to 1. */
  readonly importanceExponentStart: number;
  /** beta rises to 1 in a straight line over so many minibatches. */
  readonly annealingMinibatches: number;
}

/**
 * Added to each priority, in their unit, so that no transition is never drawn again (epsilon of Schaul et al. 2016).
 */
const LEAST_PRIORITY = 1e-6;

/**
 * Draws rows in proportion to how much there was to learn from them (Schaul et al. 2016, algorithm 1, proportional
 * variant): P(i) = p_i^alpha / sum_k p_k^alpha, where p_i is the priority that the row got when it was last learned
 * from, such as the absolute TD error, plus 1e-6. A new row has the largest priority so far. Weights are (N P(i))^-beta
 * divided by the largest in the minibatch, so N and the sum cancel out: (min_j p_j^alpha / p_i^alpha)^beta.
 *
 * The k-th row of a minibatch comes from the k-th of as many equal parts of the total priority. Where that row starts
 * no complete transition, it is drawn again from all rows; a row is then expected in a minibatch exactly as often as
 * its share of the priorities of complete rows says.
 *
 * A priority that is not finite counts as the largest so far: it is for the run to notice that learning diverged.
 */
export function prioritizedSampler(random: UniformSource, options: PrioritizedOptions): Sampler {
  return new PrioritizedSampler(random, options);
}

class PrioritizedSampler implements Sampler {
  private readonly random: UniformSource;
  private readonly options: PrioritizedOptions;
  private readonly lanes: number;
  /** Rows of a lane; place p of a lane is at slot p modulo this. */
  private readonly rowsPerLane: number;
  /** p_i^alpha by lane and slot, rounded to float32, as checkpoints keep them. */
  private readonly tree: SumTree;
  /** For each lane the newest place that was heard of; -1 before the first. */
  private readonly newest: number[];
  /** The largest priority so far. */
  private largest = 1;
  /** Minibatches drawn. */
  private drawn = 0;

  constructor(random: UniformSource, options: PrioritizedOptions) {
    const { capacity, lanes } = options.replay;
    this.random = random;
    this.options = options;
    this.lanes = lanes;
    this.rowsPerLane = Math.floor(capacity / lanes);
    this.tree = new SumTree(lanes * this.rowsPerLane);
    this.newest = new Array(lanes).fill(-1);
  }

  added(row: number): void {
    const lane = row % this.lanes;
    const place = (row - lane) / this.lanes;
    // After a state was taken up, the rows that it covers are appended again: their priorities are those of the state.
    if (place <= this.newest[lane]) return;
    // Places between hold the last observation of a truncated episode: nothing is learned from them.
    const skipped = Math.min(place - this.newest[lane] - 1, this.rowsPerLane);
    for (let back = 1; back <= skipped && back <= place; back++) this.tree.set(this.leafOf(lane, place - back), 0);
    this.newest[lane] = place;
    this.tree.set(this.leafOf(lane, place), this.weightOf(this.largest));
  }

  sample(held: HeldRows, { rows, weights }: SampledRows, take: (row: number, index: number) => boolean): void {
    const { tree, random } = this;
    const { total } = tree;
    const count = rows.length;
    const leaves = Array.from({ length: count }, (_, k) => tree.find(((k + random.uniform()) / count) * total));
    const incomplete = new Map<number, number>();
    try {
      for (let k = 0; k < count; k++) {
        while (tree.total > 0 && !this.takeLeaf(leaves[k], k, rows, take)) {
          if (!incomplete.has(leaves[k])) incomplete.set(leaves[k], tree.get(leaves[k]));
          tree.set(leaves[k], 0); // until the end of this minibatch
          leaves[k] = tree.find(random.uniform() * tree.total);
        }
        if (tree.total === 0) throw noCompleteTransition(held);
      }
    } finally {
      for (const [leaf, weight] of incomplete) tree.set(leaf, weight);
    }
    const least = leaves.reduce((smallest, leaf) => Math.min(smallest, tree.get(leaf)), Number.POSITIVE_INFINITY);
    const beta = this.importanceExponent();
    for (let k = 0; k < count; k++) weights[k] = (least / tree.get(leaves[k])) ** beta;
    this.drawn += 1;
  }

  private takeLeaf(
    leaf: number,
    index: number,
    rows: Float64Array,
    take: (row: number, index: number) => boolean,
  ): boolean {
    rows[index] = this.rowOf(leaf);
    return take(rows[index], index);
  }

  updatePriorities(rows: Float64Array, priorities: ArrayLike<number>): void {
    for (let i = 0; i < rows.length; i++) {
      const lane = rows[i] % this.lanes;
      const place = (rows[i] - lane) / this.lanes;
      if (place <= this.newest[lane] - this.rowsPerLane) continue; // overwritten meanwhile
      const priority = Number.isFinite(priorities[i]) ? Math.abs(priorities[i]) + LEAST_PRIORITY : this.largest;
      this.largest = Math.max(this.largest, priority);
      this.tree.set(this.leafOf(lane, place), this.weightOf(priority));
    }
  }

  getState(): State {
    const { tree, newest, largest, drawn, random } = this;
    const data = Float32Array.from({ length: tree.size }, (_, leaf) => tree.get(leaf));
    return {
      values: { generator: random.getState(), newest: [...newest], largest, drawn },
      tensors: { priorities: { dtype: 'F32', shape: [data.length], data } },
    };
  }

  setState({ values, tensors: { priorities } }: State<StoredTensors>): void {
    const { generator, newest, largest, drawn } = values;
    const isOurs =
      Array.isArray(generator) &&
      Array.isArray(newest) &&
      newest.length === this.lanes &&
      typeof largest === 'number' &&
      typeof drawn === 'number' &&
      priorities?.dtype === 'F32' &&
      priorities.data.length === this.tree.size;
    if (!isOurs) throw new StateError('the stored state is not one of a prioritized sampler of this size');
    this.random.setState(generator);
    newest.forEach((place, lane) => {
      this.newest[lane] = place;
    });
    this.largest = largest;
    this.drawn = drawn;
    for (let leaf = 0; leaf < this.tree.size; leaf++) this.tree.set(leaf, priorities.data[leaf] as number);
  }

  private importanceExponent(): number {
    const { importanceExponentStart: start, annealingMinibatches } = this.options;
    return start + (1 - start) * Math.min(1, this.drawn / annealingMinibatches);
  }

  /** Above 0 as a float32 too, so that a row can be found. */
  private weightOf(priority: number): number {
    return Math.max(Math.fround(priority ** this.options.priorityExponent), 1e-37);
  }

  private leafOf(lane: number, place: number): number {
    return lane * this.rowsPerLane + (place % this.rowsPerLane);
  }

  /** The newest row that a leaf can stand for. */
  private rowOf(leaf: number): number {
    const slot = leaf % this.rowsPerLane;
    const lane = (leaf - slot) / this.rowsPerLane;
    const newest = this.newest[lane];
    const back = (((newest - slot) % this.rowsPerLane) + this.rowsPerLane) % this.rowsPerLane;
    return (newest - back) * this.lanes + lane;
  }
}
