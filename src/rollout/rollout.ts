import { type FrameArray, newFrames, type RandomSource, type ReplayOptions, type ReplayStep } from '../replay/index.ts';
import { rowHash } from '../replay/row-hash.ts';
import { type State, StateError, type StoredTensors } from '../runs/trainable.ts';

export interface RolloutOptions extends Pick<ReplayOptions, 'lanes' | 'frameShape' | 'frameStack' | 'dtype'> {
  /** Agent steps of each lane in a rollout. */
  readonly steps: number;
  /** gamma, in [0, 1]. */
  readonly discount: number;
  /** Steps in a minibatch: divides steps x lanes. */
  readonly batchSize: number;
}

/** One step of one lane, as a rollout keeps it. */
export interface RolloutStep extends ReplayStep {
  /** The stacked state that the action was taken in, [frameStack, ...frameShape]; it is copied. */
  readonly state: FrameArray;
}

/** What returns are worked out from, [steps, lanes] each. */
export interface Trajectories {
  readonly rewards: Float32Array;
  /** gamma, or 0 where the value ends. */
  readonly discounts: Float32Array;
  /** V(s_{t+1}); that of an episode's own last observation where it was cut off. */
  readonly nextValues: Float32Array;
  /** 1 where the next row belongs to another episode though the value does not end. */
  readonly truncated: Float32Array;
}

/** Steps to learn from. The arrays are reused by the next minibatch. */
export interface Minibatch {
  /** [batch, frameStack, ...frameShape] */
  readonly states: FrameArray;
  /** [batch] */
  readonly actions: Int32Array;
  /** G_t, [batch]. */
  readonly returns: Float32Array;
}

/**
 * The newest steps of all lanes, up to a fixed number of each: what an agent without a replay learns from, and then
 * forgets. The step t of a lane stands in row t modulo `steps`.
 *
 * `Experience` writes into it. A rollout that was partly filled is filled again by playing its episodes again; the
 * values that the network gave meanwhile, a few bytes a step, are in its state.
 */
export class Rollout {
  readonly options: Readonly<RolloutOptions>;
  /** For `Experience`, which keeps a replay's rows and its sampler apart: here both are the rollout. */
  readonly storage = this;
  readonly sampler = this;
  /**
   * The states that the newest step led to where it cut an episode off, zeros elsewhere:
   * [lanes, frameStack, ...frameShape].
   */
  readonly finalStates: FrameArray;
  private readonly random: RandomSource;
  private readonly frameSize: number;
  private readonly stateSize: number;
  /** [steps, lanes, frameStack, ...frameShape] */
  private readonly states: FrameArray;
  /** These are [steps, lanes]. */
  private readonly actions: Int32Array;
  private readonly rewards: Float32Array;
  private readonly terminal: Uint8Array;
  private readonly truncated: Float32Array;
  private readonly values: Float32Array;
  private readonly finalValues: Float32Array;
  private readonly returns: Float32Array;
  /** Steps that each lane has taken since the beginning of the run. */
  private readonly added: number[];
  /** The rows in the order of this epoch, and how many of them were drawn. */
  private readonly order: Int32Array;
  private drawn: number;
  private readonly minibatch: Minibatch;

  /** @param random Decides the order of the rows in each epoch. */
  constructor(options: RolloutOptions, random: RandomSource) {
    const { steps, lanes, frameShape, frameStack, dtype, batchSize } = options;
    const rows = steps * lanes;
    if (rows % batchSize !== 0) {
      throw new RangeError(`A rollout of ${steps} steps of ${lanes} lanes has no whole minibatches of ${batchSize}`);
    }
    this.options = options;
    this.random = random;
    this.frameSize = frameShape.reduce((product, size) => product * size, 1);
    this.stateSize = frameStack * this.frameSize;
    this.states = newFrames(dtype, rows * this.stateSize);
    this.finalStates = newFrames(dtype, lanes * this.stateSize);
    this.actions = new Int32Array(rows);
    this.rewards = new Float32Array(rows);
    this.terminal = new Uint8Array(rows);
    this.truncated = new Float32Array(rows);
    this.values = new Float32Array(rows);
    this.finalValues = new Float32Array(rows);
    this.returns = new Float32Array(rows);
    this.added = new Array(lanes).fill(0);
    this.order = new Int32Array(rows);
    this.drawn = rows;
    this.minibatch = {
      states: newFrames(dtype, batchSize * this.stateSize),
      actions: new Int32Array(batchSize),
      returns: new Float32Array(batchSize),
    };
  }

  /** Steps held, over all lanes; 0 when the rollout has just been filled. */
  get size(): number {
    return this.extents().reduce((sum, { oldest, added }) => sum + added - oldest, 0);
  }

  /** Whether the newest step filled it: asked after each step. */
  get isFull(): boolean {
    return this.added[0] > 0 && this.added[0] % this.options.steps === 0;
  }

  /** Whether the newest step cut an episode off. */
  get wasCutOff(): boolean {
    const start = this.newestRow();
    return this.truncated.subarray(start, start + this.options.lanes).includes(1);
  }

  /** Appends one step of a lane. */
  append(lane: number, { state, action, reward, terminal, episodeEnds, finalFrame }: RolloutStep): void {
    const { steps, lanes } = this.options;
    const row = (this.added[lane] % steps) * lanes + lane;
    this.states.set(state, row * this.stateSize);
    this.actions[row] = action;
    this.rewards[row] = reward;
    this.terminal[row] = Number(terminal);
    this.truncated[row] = Number(episodeEnds && !terminal);
    const end = (lane + 1) * this.stateSize;
    this.finalStates.fill(0, end - this.stateSize, end);
    if (this.truncated[row] === 1) {
      if (finalFrame === undefined) throw new Error('A truncated episode needs its final frame, to bootstrap from');
      this.finalStates.set(state.subarray(this.frameSize), end - this.stateSize);
      this.finalStates.set(finalFrame, end - this.frameSize);
    }
    this.added[lane] += 1;
  }

  /** Takes V(s_t) of the states that the next step is taken in, [lanes]. */
  setValues(values: ArrayLike<number>): void {
    const { steps, lanes } = this.options;
    this.values.set(values, (this.added[0] % steps) * lanes);
  }

  /** Takes the values of `finalStates`, [lanes], those of episodes that were cut off. */
  setFinalValues(values: ArrayLike<number>): void {
    const start = this.newestRow();
    for (let lane = 0; lane < this.options.lanes; lane++) {
      if (this.truncated[start + lane] === 1) this.finalValues[start + lane] = values[lane];
    }
  }

  /** The whole rollout. @param lastValues V of the states after its last step, [lanes]. */
  trajectories(lastValues: ArrayLike<number>): Trajectories {
    const { lanes, discount } = this.options;
    const { rewards, terminal, truncated, finalValues } = this;
    const nextValues = new Float32Array(rewards.length);
    nextValues.set(this.values.subarray(lanes));
    nextValues.set(lastValues, rewards.length - lanes);
    for (let row = 0; row < rewards.length; row++) if (truncated[row] === 1) nextValues[row] = finalValues[row];
    const discounts = Float32Array.from(terminal, (ends) => (ends === 1 ? 0 : discount));
    return { rewards, discounts, nextValues, truncated };
  }

  /** Takes the returns of the whole rollout, [steps, lanes], for the minibatches that follow. */
  setReturns(returns: ArrayLike<number>): void {
    this.returns.set(returns);
  }

  /** Draws steps of the whole rollout at random: each once in an epoch. */
  sample(): Minibatch {
    const { states, actions, returns } = this.minibatch;
    if (this.drawn === this.order.length) this.shuffle();
    for (let i = 0; i < actions.length; i++) {
      const row = this.order[this.drawn++];
      states.set(this.states.subarray(row * this.stateSize, (row + 1) * this.stateSize), i * this.stateSize);
      actions[i] = this.actions[row];
      returns[i] = this.returns[row];
    }
    return this.minibatch;
  }

  /** Up to so many of the states that are held, evenly spread over them: [n, frameStack, ...frameShape]. */
  someStates(count: number): FrameArray {
    const { steps, lanes, dtype } = this.options;
    const held = this.isFull ? steps * lanes : this.size;
    const chosen = Math.min(count, held);
    const states = newFrames(dtype, chosen * this.stateSize);
    for (let i = 0; i < chosen; i++) {
      const row = Math.floor((i * held) / chosen);
      states.set(this.states.subarray(row * this.stateSize, (row + 1) * this.stateSize), i * this.stateSize);
    }
    return states;
  }

  /** Fisher & Yates's shuffle; it begins in the same order each time, so that the generator is all of its state. */
  private shuffle(): void {
    const { order } = this;
    for (let row = 0; row < order.length; row++) order[row] = row;
    for (let last = order.length - 1; last > 0; last--) {
      const chosen = this.random.integer(last + 1);
      [order[last], order[chosen]] = [order[chosen], order[last]];
    }
    this.drawn = 0;
  }

  /** The row of the newest step of the first lane. */
  private newestRow(): number {
    const { steps, lanes } = this.options;
    return ((this.added[0] + steps - 1) % steps) * lanes;
  }

  /** For each lane the first step of this rollout and the steps ever taken. */
  extents(): { oldest: number; added: number }[] {
    return this.added.map((added) => ({ oldest: added - (added % this.options.steps), added }));
  }

  /** Says which step of each lane comes next, for a rollout that is about to be restored. */
  begin(firstSteps: readonly number[]): void {
    for (const [lane, first] of firstSteps.entries()) this.added[lane] = first;
  }

  /** The bytes of the actions, rewards and flags that a lane holds, for comparing two rollouts. */
  heldValues(lane: number): Uint8Array[] {
    const rows = this.heldRows(lane);
    const values = [this.actions, this.rewards, this.terminal, this.truncated].flatMap((of) =>
      rows.map((row) => of[row]),
    );
    return [new Uint8Array(Float64Array.from(values).buffer)];
  }

  /** The hashes of the states that a lane holds, likewise. */
  heldHashes(lane: number): Uint8Array[] {
    const hashes = this.heldRows(lane).map((row) =>
      rowHash(this.states.subarray(row * this.stateSize, (row + 1) * this.stateSize)),
    );
    return [new Uint8Array(Uint32Array.from(hashes).buffer)];
  }

  private heldRows(lane: number): number[] {
    const { steps, lanes } = this.options;
    return Array.from({ length: this.added[lane] % steps }, (_, step) => step * lanes + lane);
  }

  getState(): State {
    const { steps, lanes } = this.options;
    const tensor = (data: Float32Array) => ({ dtype: 'F32', shape: [steps, lanes], data: data.slice() }) as const;
    return {
      values: { generator: this.random.getState() },
      tensors: { values: tensor(this.values), finalValues: tensor(this.finalValues) },
    };
  }

  /** Takes up what `getState` gave, before its steps are appended again. @throws StateError for another rollout's. */
  setState({ values: { generator }, tensors }: State<StoredTensors>): void {
    if (!Array.isArray(generator)) throw new StateError('the stored state is not one of a rollout');
    this.random.setState(generator);
    for (const name of ['values', 'finalValues'] as const) {
      const data = tensors[name]?.data;
      if (data?.length !== this[name].length) {
        const { steps, lanes } = this.options;
        throw new StateError(`"${name}" of the stored state is not one of a rollout of ${steps} x ${lanes} steps`);
      }
      this[name].set(data as Float32Array);
    }
  }
}
