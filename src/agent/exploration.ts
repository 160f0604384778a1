// How an agent finds out what it has not tried yet: policies with a state of their own, which a checkpoint keeps.
import { z } from 'zod';
import { Generator } from '../random/index.ts';
import { StateError } from '../runs/trainable.ts';

/** The names of the exploration policies. */
export const EXPLORATIONS = ['epsilon-greedy', 'temporally-extended', 'none'] as const;

/** What an exploration policy is made from. */
export interface ExplorationOptions {
  exploration: (typeof EXPLORATIONS)[number];
  /** The exponent mu of the zeta distribution that the lengths of held actions are drawn from (temporally-extended). */
  holdExponent: number;
  /** The longest hold, in agent steps (temporally-extended). */
  longestHoldSteps: number;
  /**
   * alpha: lane k of N explores with epsilon^(1 + alpha k / (N - 1)), the first one with epsilon itself (Horgan et al.
   * 2018, "Distributed Prioritized Experience Replay", section 4.1, where alpha is 7); 0, unless given: all alike.
   */
  epsilonSpread?: number;
  /** How many environments (lanes) step side by side. */
  numEnvs: number;
  /** How many actions there are: actions are 0 to numActions - 1. */
  numActions: number;
  /** The run's seed. */
  seed: number;
}

/** The state of a policy as a checkpoint keeps it: the generator of epsilon-greedy, one entry a lane, or nothing. */
export const explorationStateSchema = z.union([
  z.array(z.number()),
  z.strictObject({
    generators: z.array(z.array(z.number())),
    heldActions: z.array(z.int().min(0)),
    remainingSteps: z.array(z.int().min(0)),
  }),
]);
/** Such a state. */
export type ExplorationState = z.infer<typeof explorationStateSchema>;

/** Decides in which environments an agent explores, and with which action. */
export interface Exploration {
  /**
   * Chooses for one step of every environment.
   * @param epsilon The probability that a lane which is free to choose begins to explore, from 0 to 1, before it is
   *   spread over the lanes.
   * @returns For each lane the action to explore with, or -1 where the greedy action is to be taken.
   */
  choose(epsilon: number): Int32Array;
  /** The whole state; a policy made from it with the same options continues with the same choices. */
  getState(): ExplorationState;
  /**
   * Takes up what `getState` of a policy with the same options returned.
   * @throws StateError where the state is not one of this policy and this number of lanes.
   */
  setState(state: ExplorationState): void;
}

/** Makes an exploration policy. */
export function createExploration(options: ExplorationOptions): Exploration {
  switch (options.exploration) {
    case 'epsilon-greedy':
      return new EpsilonGreedy(options);
    case 'temporally-extended':
      return new TemporallyExtended(options);
    case 'none':
      return new Greedy(options);
  }
}

/** Always greedy: what explores is in the network, or nothing does. */
class Greedy implements Exploration {
  private readonly options: ExplorationOptions;

  constructor(options: ExplorationOptions) {
    this.options = options;
  }

  choose(): Int32Array {
    return new Int32Array(this.options.numEnvs).fill(-1);
  }

  getState(): ExplorationState {
    return [];
  }

  setState(state: ExplorationState): void {
    if (!Array.isArray(state) || state.length > 0) throw wrongState(this.options);
  }
}

/** The exponents of epsilon, one a lane. */
function epsilonExponents({ epsilonSpread = 0, numEnvs }: ExplorationOptions): Float64Array {
  return Float64Array.from({ length: numEnvs }, (_, lane) => 1 + (epsilonSpread * lane) / Math.max(1, numEnvs - 1));
}

/** In each step each lane takes a uniformly random action with probability epsilon. */
class EpsilonGreedy implements Exploration {
  private readonly generator: Generator;
  private readonly options: ExplorationOptions;
  private readonly exponents: Float64Array;

  constructor(options: ExplorationOptions) {
    this.options = options;
    this.exponents = epsilonExponents(options);
    this.generator = new Generator(options.seed, 'exploration');
  }

  choose(epsilon: number): Int32Array {
    const { numActions } = this.options;
    return Int32Array.from(this.exponents, (exponent) =>
      this.generator.uniform() < epsilon ** exponent ? this.generator.integer(numActions) : -1,
    );
  }

  getState(): ExplorationState {
    return this.generator.getState();
  }

  setState(state: ExplorationState): void {
    if (!Array.isArray(state) || state.length === 0) throw wrongState(this.options);
    this.generator.setState(state);
  }
}

/**
 * Temporally extended epsilon-greedy ("ez-greedy", Dabney et al. 2021, algorithm 1): a lane that begins to explore
 * holds its random action for n steps, P(n) proportional to n^-mu for n = 1 ... longest. Each lane has a generator of
 * its own, so that it explores in the same way whatever the other lanes do and however many there are.
 */
class TemporallyExtended implements Exploration {
  private readonly options: ExplorationOptions;
  private readonly exponents: Float64Array;
  private readonly drawLength: (generator: Generator) => number;
  private readonly generators: Generator[];
  private readonly heldActions: Int32Array;
  private readonly remainingSteps: Int32Array;

  constructor(options: ExplorationOptions) {
    const { numEnvs, seed } = options;
    this.options = options;
    this.exponents = epsilonExponents(options);
    this.drawLength = zetaSampler(options.holdExponent, options.longestHoldSteps);
    this.generators = Array.from({ length: numEnvs }, (_, lane) => new Generator(seed, `exploration/${lane}`));
    this.heldActions = new Int32Array(numEnvs);
    this.remainingSteps = new Int32Array(numEnvs);
  }

  choose(epsilon: number): Int32Array {
    return Int32Array.from(this.generators, (generator, lane) => {
      if (this.remainingSteps[lane] === 0) {
        if (generator.uniform() >= epsilon ** this.exponents[lane]) return -1;
        this.remainingSteps[lane] = this.drawLength(generator);
        this.heldActions[lane] = generator.integer(this.options.numActions);
      }
      this.remainingSteps[lane] -= 1;
      return this.heldActions[lane];
    });
  }

  getState(): ExplorationState {
    return {
      generators: this.generators.map((generator) => generator.getState()),
      heldActions: Array.from(this.heldActions),
      remainingSteps: Array.from(this.remainingSteps),
    };
  }

  setState(state: ExplorationState): void {
    const { numEnvs } = this.options;
    if (Array.isArray(state)) throw wrongState(this.options);
    if (Object.values(state).some(({ length }) => length !== numEnvs)) throw wrongState(this.options);
    for (const [lane, generator] of this.generators.entries()) generator.setState(state.generators[lane]);
    this.heldActions.set(state.heldActions);
    this.remainingSteps.set(state.remainingSteps);
  }
}

/**
 * A sampler of the zeta distribution cut off at `longest`: P(n) = n^-exponent / sum_{k=1}^{longest} k^-exponent.
 * @returns A function that draws an integer from 1 to `longest` with one number of the generator.
 */
function zetaSampler(exponent: number, longest: number): (generator: Generator) => number {
  const cumulative = new Float64Array(longest);
  let sum = 0;
  for (let n = 1; n <= longest; n++) {
    sum += n ** -exponent;
    cumulative[n - 1] = sum;
  }
  return (generator) => {
    const target = generator.uniform() * sum;
    // The smallest n whose cumulative weight lies above the target.
    let [low, high] = [0, longest - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle] > target) high = middle;
      else low = middle + 1;
    }
    return low + 1;
  };
}

function wrongState({ exploration, numEnvs }: ExplorationOptions): StateError {
  return new StateError(`the stored state of exploration is not one of "${exploration}" with ${numEnvs} environments`);
}
