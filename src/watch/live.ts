// What a run's newest network plays now, in an environment of its own.
import { randomInt } from 'node:crypto';
import { Generator } from '../random/index.ts';
import type { WatchedFacts } from '../viewer/watch-api.ts';
import type { WatchedNetwork } from './network.ts';
import type { Scene, Stage } from './stage.ts';
import { Tape } from './tape.ts';
import { addScene, endOfTurn, factsOf, type View } from './view.ts';

/** Older steps are forgotten: some minutes of a game are held. */
const MOST_STEPS = 3000;
const MOST_SEEDS = 2 ** 31;

export interface LiveOptions {
  readonly agent: string;
  readonly stage: Stage;
  readonly network: WatchedNetwork;
  /** Probability of a random action. */
  readonly epsilon: number;
  /** The network of a checkpoint newer than this one, where there is one. */
  readonly newer: (than: number) => Promise<WatchedNetwork | undefined>;
}

/** Plays only as far as it is asked. A newer checkpoint is taken when an episode begins. */
export class LiveView implements View {
  network: WatchedNetwork;
  readonly tape: Tape;
  private readonly options: Omit<LiveOptions, 'network'>;
  private readonly random = new Generator(randomInt(MOST_SEEDS), 'actions');
  private values: Float32Array[] = [];
  private scene: Scene | undefined;
  private startsEpisode = true;

  constructor({ network, ...options }: LiveOptions) {
    this.options = options;
    this.network = network;
    this.tape = new Tape(network.stateOptions);
  }

  get facts(): WatchedFacts {
    const { stage, agent, epsilon } = this.options;
    return { ...factsOf(stage, this.network), agent, totalSteps: null, playedBy: null, epsilon };
  }

  async advance(to: number): Promise<void> {
    const { tape } = this;
    const { stage, epsilon } = this.options;
    const turnEnd = endOfTurn();
    while (tape.end < to && performance.now() < turnEnd) {
      if (this.startsEpisode) await this.takeNewer();
      this.scene ??= await stage.reset(randomInt(MOST_SEEDS));
      await addScene(tape, stage, this.scene, this.startsEpisode);
      const values = this.network.values(tape.states(tape.end - 1, 1))[0];
      this.values.push(values);
      const isRandom = this.random.uniform() < epsilon;
      const action = isRandom ? this.random.integer(values.length) : values.indexOf(Math.max(...values));
      const after = await stage.step(action, randomInt(MOST_SEEDS));
      tape.complete(action, after.reward);
      this.startsEpisode = after.finalObservation !== undefined;
      this.scene = after;
      this.forgetBefore(tape.end - MOST_STEPS);
    }
  }

  valuesAt(step: number): Float32Array {
    return this.values[step - this.tape.oldest];
  }

  async close(): Promise<void> {
    this.network.dispose();
    await this.options.stage.close();
  }

  private async takeNewer(): Promise<void> {
    const newer = await this.options.newer(this.network.checkpoint.step);
    if (newer === undefined) return;
    this.network.dispose();
    this.network = newer;
    // This network knows nothing of the steps so far.
    this.forgetBefore(this.tape.end);
  }

  private forgetBefore(step: number): void {
    this.values.splice(0, Math.max(step - this.tape.oldest, 0));
    this.tape.dropBefore(step);
  }
}
