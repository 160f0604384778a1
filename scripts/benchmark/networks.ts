import { actionValues, dqnUpdate } from '../../agents/dqn/learner.ts';
import { statesInput } from '../../src/agent/states.ts';
import { learningStep } from '../../src/agent/value-learner.ts';
import { greedyActions } from '../../src/losses/index.ts';
import { natureQNetwork } from '../../src/networks/index.ts';
import { trainableVariables } from '../../src/networks/variables.ts';
import { createOptimizer } from '../../src/optimizers/index.ts';
import { Generator } from '../../src/random/index.ts';
import { type CompileOptions, compile, defineStep } from '../../src/runtime/compile/index.ts';
import { assignEffectiveWeights } from '../../src/weightnorm/index.ts';

export const NUM_ACTIONS = 9; // Enduro's
export const LEARNING_RATE = 1e-4;
const NOISE_SEED = Int32Array.of(1, 1);
const FRAMES = [4, 84, 84] as const;

export interface LearnerOptions {
  normalization: 'none' | 'weight';
  /** Environments acted in at once. */
  actingBatch: number;
  learningBatch: number;
  compile: CompileOptions;
}

/**
 * The agent's functions over Nature's network, compiled or op by op: Adam, target network, Huber loss, one step of
 * reward.
 */
export function createLearner({ normalization, actingBatch, learningBatch, compile: compileOptions }: LearnerOptions) {
  const network = (networkNormalization: LearnerOptions['normalization']) =>
    natureQNetwork({
      inputShape: [84, 84, 4],
      padding: 'valid',
      hiddenUnits: [512],
      numActions: NUM_ACTIONS,
      normalization: networkNormalization,
      seed: 1,
    });
  // As the agent's: the target network is plain, and gets the weights that the online network applies.
  const networks = { online: network(normalization), target: network('none') };
  const optimizer = createOptimizer(
    { name: 'adam', learningRate: LEARNING_RATE, beta1: 0.9, beta2: 0.999, epsilon: 1.5e-4 },
    trainableVariables(networks.online),
  );
  const states = { frameShape: FRAMES.slice(1), frameStack: FRAMES[0], dtype: 'uint8' } as const;
  const settings = { loss: 'huber', doubleQ: false, maxGradientNorm: 0 } as const;
  const program = compile(
    {
      act: defineStep({ states: statesInput(actingBatch, states) }, (inputs) => ({
        actions: greedyActions(actionValues(networks.online, inputs.states)),
      })),
      learn: learningStep({ ...states, batchSize: learningBatch }, dqnUpdate(networks, optimizer, settings)),
      syncTarget: defineStep({}, () => assignEffectiveWeights(networks.target, networks.online)),
    },
    compileOptions,
  );
  program.steps.syncTarget.run({});
  return {
    networks,
    act: (inputs: Uint8Array) => program.steps.act.values({ states: inputs }).actions,
    learn: (batch: Batch) =>
      program.steps.learn.values({ ...batch, noiseSeed: NOISE_SEED, learningRate: LEARNING_RATE }).loss[0],
    dispose() {
      program.dispose();
      optimizer.dispose();
      networks.online.dispose();
      networks.target.dispose();
    },
  };
}

export type Learner = ReturnType<typeof createLearner>;
export type Batch = ReturnType<typeof randomBatch>;

/** States of random pixels, [count, 4, 84, 84]. */
export function randomStates(random: Generator, count: number): Uint8Array {
  const words = new Uint32Array((count * elements(FRAMES)) / 4);
  for (let i = 0; i < words.length; i++) words[i] = random.integer(2 ** 32);
  return new Uint8Array(words.buffer);
}

/** A minibatch with the shapes of a real one. */
export function randomBatch(random: Generator, size: number) {
  return {
    states: randomStates(random, size),
    actions: Int32Array.from({ length: size }, () => random.integer(NUM_ACTIONS)),
    returns: Float32Array.from({ length: size }, () => random.integer(3) - 1),
    discounts: new Float32Array(size).fill(0.99),
    nextStates: randomStates(random, size),
    weights: new Float32Array(size).fill(1),
  };
}

/** Minibatches of noise as `learn` takes them, in turn. */
export function batchCycle(size: number): () => Batch {
  return inTurn((random) => randomBatch(random, size));
}

/** Some minibatches in turn, so that none stays in the caches. */
export function inTurn<T>(make: (random: Generator) => T, count = 4): () => T {
  const random = new Generator(1, 'benchmark');
  const batches = Array.from({ length: count }, () => make(random));
  let next = 0;
  return () => batches[next++ % count];
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
