import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { actionValues, dqnUpdate } from '../../agents/dqn/learner.ts';
import { networkInput, statesInput } from '../../src/agent/states.ts';
import { learningStep } from '../../src/agent/value-learner.ts';
import { greedyActions } from '../../src/losses/index.ts';
import { natureQNetwork } from '../../src/networks/index.ts';
import { allVariables, trainableVariables } from '../../src/networks/variables.ts';
import { createOptimizer } from '../../src/optimizers/index.ts';
import { compile, defineStep, type TypedArray } from '../../src/runtime/compile/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { assignEffectiveWeights, type Normalization } from '../../src/weightnorm/index.ts';
import { shortfall } from '../agents/dqn/greedy.ts';
import { bytes, relativeError, wave } from './learning-steps.ts';

loadTensorFlow();

// Small images: with this batch the first convolution scales its kernel and the others their outputs.
const [BATCH, SIZE, FRAMES, NUM_ACTIONS] = [6, 36, 4, 5];
const UPDATES = 10;

function createAgent(normalization: Normalization, doubleQ: boolean, eager: boolean) {
  const network = (normalization: Normalization) =>
    natureQNetwork({
      inputShape: [SIZE, SIZE, FRAMES],
      padding: 'valid',
      hiddenUnits: [64],
      numActions: NUM_ACTIONS,
      normalization,
      seed: 1,
    });
  const networks = { online: network(normalization), target: network('none') };
  const optimizer = createOptimizer(
    { name: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1.5e-4 },
    trainableVariables(networks.online),
  );
  const states = { frameShape: [SIZE, SIZE], frameStack: FRAMES, dtype: 'uint8' } as const;
  const settings = { loss: 'huber', doubleQ, maxGradientNorm: 1 } as const;
  const program = compile(
    {
      act: defineStep({ states: statesInput(BATCH, states) }, (inputs) => ({
        actions: greedyActions(actionValues(networks.online, inputs.states)),
      })),
      learn: learningStep({ ...states, batchSize: BATCH }, dqnUpdate(networks, optimizer, settings)),
      sync: defineStep({}, () => assignEffectiveWeights(networks.target, networks.online)),
    },
    { eager },
  );
  program.steps.sync.run({});
  return {
    program,
    /** All weights and slots by name. */
    state() {
      program.pull();
      const named = [
        ...allVariables(networks.online).map(({ name, variable }) => [`online/${name}`, variable] as const),
        ...allVariables(networks.target).map(({ name, variable }) => [`target/${name}`, variable] as const),
        ...Object.entries(optimizer.slots),
      ];
      return Object.fromEntries(named.map(([name, variable]) => [name, variable.dataSync() as TypedArray]));
    },
    /** Q-values of the online network with the values that were pulled last. */
    qValues(states: Uint8Array) {
      return tf.tidy(() => {
        const input = tf.tensor(states, [BATCH, FRAMES, SIZE, SIZE], 'int32');
        return (networks.online.predict(networkInput(networks.online, input)) as tf.Tensor2D).arraySync();
      });
    },
    dispose() {
      program.dispose();
      optimizer.dispose();
      networks.online.dispose();
      networks.target.dispose();
    },
  };
}

function batch(step: number) {
  const states = (phase: number) => bytes(BATCH * FRAMES * SIZE * SIZE, phase);
  return {
    states: states(step),
    actions: Int32Array.from({ length: BATCH }, (_, i) => (i + step) % NUM_ACTIONS),
    returns: wave(BATCH, step),
    discounts: new Float32Array(BATCH).fill(0.97),
    nextStates: states(step + 3),
    weights: Float32Array.from(wave(BATCH, step + 5), (x) => 0.1 + Math.abs(x)),
    noiseSeed: Int32Array.of(1, step),
    learningRate: 1e-3,
  };
}

test.each([
  ['none', false],
  ['weight', false],
  ['weight', true],
  ['mean-only-batch', true],
  ['weight+mean-only-batch', true],
] as const)(
  'the agent compiled and op by op agree over ten updates (normalization %s, double Q %s)',
  (normalization, doubleQ) => {
    const before = tf.memory().numTensors;
    const [compiled, eager] = [false, true].map((eager) => createAgent(normalization, doubleQ, eager));
    const start = eager.state();
    for (let update = 0; update < UPDATES; update++) {
      if (update === 5) for (const { program } of [compiled, eager]) program.steps.sync.run({});
      const [actual, expected] = [compiled, eager].map(({ program }) => program.steps.learn.values(batch(update)));
      expect(relativeError(actual.loss, expected.loss), `loss at update ${update}`).toBeLessThan(1e-5);
      expect(relativeError(actual.meanQ, expected.meanQ), `mean Q at update ${update}`).toBeLessThan(1e-5);
      expect(relativeError(actual.priorities, expected.priorities), `priorities ${update}`).toBeLessThan(1e-5);
    }
    const [actual, expected] = [compiled.state(), eager.state()];
    for (const [name, values] of Object.entries(expected)) {
      const moved = relativeError(start[name], values);
      expect(moved, `${name} moved`).toBeGreaterThan(1e-4);
      // What rounding has become after ten updates, of which one is a tenth of the movement.
      expect(relativeError(actual[name], values), name).toBeLessThan(Math.max(1e-5, 0.01 * moved));
    }
    const states = bytes(BATCH * FRAMES * SIZE * SIZE, 99);
    const values = eager.qValues(states);
    for (const { program } of [compiled, eager])
      expect(shortfall(program.steps.act.values({ states }).actions, values)).toBeLessThan(1e-5);
    compiled.dispose();
    eager.dispose();
    expect(tf.memory().numTensors).toBe(before);
  },
);
