// The update of each agent against its definition, one transition after the other, and its gradient by differences.
import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dqnUpdate } from '../../agents/dqn/learner.ts';
import { iqnUpdate, actionValues as iqnValues } from '../../agents/iqn/learner.ts';
import { qrDqnUpdate, actionValues as qrValues } from '../../agents/qr-dqn/learner.ts';
import { categoricalUpdate, categoricalValues } from '../../src/agent/categorical.ts';
import type { ValueLearnerOptions } from '../../src/agent/value-learner.ts';
import { greedyActions } from '../../src/losses/index.ts';
import { mlpQNetwork, mlpQuantileNetwork, type PassNoise } from '../../src/networks/index.ts';
import { trainableVariables } from '../../src/networks/variables.ts';
import { createOptimizer } from '../../src/optimizers/index.ts';
import { seededUniform } from '../../src/runtime/seeded-noise.ts';

const [BATCH, SIZE, ACTIONS] = [6, 3, 4];
const RATE = 0.1;

let tensorsBefore: number;
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

const mixed = Array.from({ length: BATCH * SIZE }, (_, i) => (i * 7) % 18); // all of 0..17
const transitions = {
  states: mixed.map((i) => i / 3 - 3),
  nextStates: mixed.map((i) => 2 - i / 5),
  actions: [0, 1, 2, 3, 0, 2],
  returns: [0, 1, -1, 3, 2, 0.5],
  discounts: [0.97, 0.97, 0, 0.97, 0, 0.9],
  weights: [1, 0.5, 0.25, 0.125, 1, 0.75],
};
const batch = () => ({
  states: tf.tensor(transitions.states, [BATCH, 1, SIZE]),
  nextStates: tf.tensor(transitions.nextStates, [BATCH, 1, SIZE]),
  actions: tf.tensor1d(transitions.actions, 'int32'),
  returns: tf.tensor1d(transitions.returns),
  discounts: tf.tensor1d(transitions.discounts),
  weights: tf.tensor1d(transitions.weights),
});
const SEED = [11, 5];
const seedTensor = () => tf.tensor1d(SEED, 'int32');
type Networks = { online: tf.LayersModel; target: tf.LayersModel };
type Rows = number[][][];

/** What a network gives for each state and action, [batch, actions, perAction]. */
function outputs(network: tf.LayersModel, states: number[], perAction: number, pass?: number): Rows {
  return tf.tidy(() => {
    const noise: PassNoise | undefined = pass === undefined ? undefined : { seed: seedTensor(), pass };
    const result = network.apply(tf.tensor2d(states, [BATCH, SIZE]), { ...(noise && { noise }) }) as tf.Tensor;
    return result.reshape<tf.Tensor3D>([BATCH, ACTIONS, perAction]).arraySync();
  });
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const softmax = (values: readonly number[], temperature = 1) => {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp((value - largest) / temperature));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((power) => power / total);
};
const argmax = (values: readonly number[]) => {
  const [best, second] = values.toSorted((a, b) => b - a);
  expect(best - second, 'ahead of the next by more than rounding').toBeGreaterThan(1e-4);
  return values.indexOf(best);
};
const huber = (error: number, kappa: number) =>
  Math.abs(error) <= kappa ? error ** 2 / 2 : kappa * (Math.abs(error) - kappa / 2);

const SUPPORT = { atoms: 7, vMin: -3, vMax: 3 };
const atom = (i: number) => SUPPORT.vMin + ((SUPPORT.vMax - SUPPORT.vMin) / (SUPPORT.atoms - 1)) * i;
const expectation = (logits: readonly number[]) =>
  softmax(logits).reduce((sum, probability, i) => sum + probability * atom(i), 0);

/** What an agent loses on each transition, and the priorities. */
interface Losses {
  losses: number[];
  priorities: number[];
}

function categoricalLosses({ online, target }: Networks, doubleQ: boolean): Losses {
  const now = outputs(online, transitions.states, SUPPORT.atoms, 0);
  const next = outputs(target, transitions.nextStates, SUPPORT.atoms, 1);
  const choosing = doubleQ ? outputs(online, transitions.nextStates, SUPPORT.atoms, 2) : next;
  const all = now.map((rows, b) => {
    const best = argmax(choosing[b].map(expectation));
    const wanted = new Array(SUPPORT.atoms).fill(0);
    softmax(next[b][best]).forEach((probability, j) => {
      const shifted = transitions.returns[b] + transitions.discounts[b] * atom(j);
      const place = Math.min(SUPPORT.atoms - 1, Math.max(0, (shifted - SUPPORT.vMin) / (atom(1) - atom(0))));
      const lower = Math.min(SUPPORT.atoms - 2, Math.floor(place));
      wanted[lower] += probability * (1 - (place - lower));
      wanted[lower + 1] += probability * (place - lower);
    });
    const predicted = softmax(rows[transitions.actions[b]]);
    const loss = -wanted.reduce((sum, m, i) => sum + m * Math.log(predicted[i]), 0);
    const divergence = wanted.reduce((sum, m, i) => sum + (m > 0 ? m * Math.log(m / predicted[i]) : 0), 0);
    return { loss, divergence };
  });
  return { losses: all.map(({ loss }) => loss), priorities: all.map(({ divergence }) => divergence) };
}

/** sum_i mean_j |tau_i - 1{u < 0}| L(u) / kappa. */
function quantileLoss(estimates: number[], taus: number[], targets: number[], kappa: number): number {
  return estimates.reduce((sum, estimate, i) => {
    const losses = targets.map((wanted) => {
      const error = wanted - estimate;
      return (Math.abs(taus[i] - (error < 0 ? 1 : 0)) * huber(error, kappa)) / kappa;
    });
    return sum + mean(losses);
  }, 0);
}

const [QUANTILES, KAPPA] = [5, 0.5];

function quantileLosses({ online, target }: Networks, doubleQ: boolean): Losses {
  const now = outputs(online, transitions.states, QUANTILES, 0);
  const next = outputs(target, transitions.nextStates, QUANTILES, 1);
  const choosing = doubleQ ? outputs(online, transitions.nextStates, QUANTILES, 2) : next;
  const taus = Array.from({ length: QUANTILES }, (_, i) => (2 * i + 1) / (2 * QUANTILES));
  const losses = now.map((rows, b) => {
    const best = argmax(choosing[b].map(mean));
    const targets = next[b][best].map((z) => transitions.returns[b] + transitions.discounts[b] * z);
    return quantileLoss(rows[transitions.actions[b]], taus, targets, KAPPA);
  });
  return { losses, priorities: losses };
}

const IQN = { quantiles: 3, targetQuantiles: 5, policyQuantiles: 4, kappa: KAPPA };
const MUNCHAUSEN = { alpha: 0.9, temperature: 0.3, clip: -1 };

/** An implicit network's quantiles at probabilities, [batch, actions, n]. */
function implicit(network: tf.LayersModel, states: number[], taus: number[][]): Rows {
  return tf.tidy(() => {
    const result = network.apply([tf.tensor2d(states, [BATCH, SIZE]), tf.tensor2d(taus)]) as tf.Tensor3D;
    return result.transpose<tf.Tensor3D>([0, 2, 1]).arraySync();
  });
}

function implicitLosses({ online, target }: Networks, doubleQ: boolean, munchausen = false): Losses {
  const drawn = (count: number, stream: number) =>
    tf.tidy(() => seededUniform<tf.Rank.R2>([BATCH, count], seedTensor(), stream).arraySync());
  const middles = Array.from({ length: IQN.policyQuantiles }, (_, i) => (i + 0.5) / IQN.policyQuantiles);
  const means = (network: tf.LayersModel, states: number[]) =>
    implicit(network, states, new Array(BATCH).fill(middles)).map((rows) => rows.map(mean));
  const taus = drawn(IQN.quantiles, 1);
  const now = implicit(online, transitions.states, taus);
  const next = implicit(target, transitions.nextStates, drawn(IQN.targetQuantiles, 2));
  const nextValues = means(doubleQ ? online : target, transitions.nextStates);
  const values = means(target, transitions.states);
  const losses = now.map((rows, b) => {
    const [action, discount, r] = [transitions.actions[b], transitions.discounts[b], transitions.returns[b]];
    const soft = () => {
      const policy = softmax(nextValues[b], MUNCHAUSEN.temperature);
      const logPolicy = (q: number[], a: number) =>
        MUNCHAUSEN.temperature * Math.log(softmax(q, MUNCHAUSEN.temperature)[a]);
      const bonus = MUNCHAUSEN.alpha * Math.max(MUNCHAUSEN.clip, logPolicy(values[b], action));
      return next[b][0].map((_, j) => {
        const value = policy.reduce((sum, p, a) => sum + p * (next[b][a][j] - logPolicy(nextValues[b], a)), 0);
        return r + bonus + discount * value;
      });
    };
    const targets = munchausen ? soft() : next[b][argmax(nextValues[b])].map((z) => r + discount * z);
    return quantileLoss(rows[action], taus[b], targets, KAPPA);
  });
  return { losses, priorities: losses };
}

function dqnLosses({ online, target }: Networks, doubleQ: boolean): Losses {
  const now = outputs(online, transitions.states, 1, 0);
  const next = outputs(target, transitions.nextStates, 1, 1);
  const choosing = doubleQ ? outputs(online, transitions.nextStates, 1, 2) : next;
  const errors = now.map((rows, b) => {
    const best = argmax(choosing[b].flat());
    const y = transitions.returns[b] + transitions.discounts[b] * next[b][best][0];
    return rows[transitions.actions[b]][0] - y;
  });
  return { losses: errors.map((error) => huber(error, 1)), priorities: errors.map(Math.abs) };
}

interface Case {
  title: string;
  perAction: number;
  head?: { dueling?: boolean; noiseScale?: number };
  implicit?: boolean;
  losses: (networks: Networks) => Losses;
  update: (networks: Networks, optimizer: Parameters<typeof dqnUpdate>[1]) => ValueLearnerOptions['update'];
}

const common = { maxGradientNorm: 0, loss: 'huber' } as const;
const noMunchausen = { munchausenScale: 0, munchausenTemperature: 1, munchausenClip: -1 };
const cases: Case[] = [false, true].flatMap((doubleQ) => {
  const what = doubleQ ? ', double' : '';
  const given = { ...common, doubleQ };
  return [
    {
      title: `DQN, dueling and noisy${what}`,
      perAction: 1,
      head: { dueling: true, noiseScale: 0.5 },
      losses: (networks: Networks) => dqnLosses(networks, doubleQ),
      update: (networks: Networks, optimizer: Parameters<typeof dqnUpdate>[1]) => dqnUpdate(networks, optimizer, given),
    },
    {
      title: `C51${what}`,
      perAction: SUPPORT.atoms,
      losses: (networks) => categoricalLosses(networks, doubleQ),
      update: (networks, optimizer) => categoricalUpdate(networks, optimizer, { ...given, ...SUPPORT }),
    },
    {
      title: `Rainbow: C51, dueling and noisy${what}`,
      perAction: SUPPORT.atoms,
      head: { dueling: true, noiseScale: 0.5 },
      losses: (networks) => categoricalLosses(networks, doubleQ),
      update: (networks, optimizer) => categoricalUpdate(networks, optimizer, { ...given, ...SUPPORT }),
    },
    {
      title: `QR-DQN${what}`,
      perAction: QUANTILES,
      losses: (networks) => quantileLosses(networks, doubleQ),
      update: (networks, optimizer) =>
        qrDqnUpdate(networks, optimizer, { ...given, quantiles: QUANTILES, kappa: KAPPA }),
    },
    {
      title: `IQN${what}`,
      perAction: 1,
      implicit: true,
      losses: (networks) => implicitLosses(networks, doubleQ),
      update: (networks, optimizer) => iqnUpdate(networks, optimizer, { ...given, ...IQN, ...noMunchausen }),
    },
  ] satisfies Case[];
});
cases.push({
  title: 'Munchausen-IQN',
  perAction: 1,
  implicit: true,
  losses: (networks) => implicitLosses(networks, false, true),
  update: (networks, optimizer) =>
    iqnUpdate(networks, optimizer, {
      ...{ ...common, ...IQN, doubleQ: false, munchausenScale: MUNCHAUSEN.alpha },
      ...{ munchausenTemperature: MUNCHAUSEN.temperature, munchausenClip: MUNCHAUSEN.clip },
    }),
});

function build({ perAction, head, implicit: isImplicit, update }: Case) {
  const network = (seed: number) => {
    const options = { inputSize: SIZE, hiddenUnits: [5], numActions: ACTIONS, normalization: 'weight', seed } as const;
    return isImplicit
      ? mlpQuantileNetwork({ ...options, cosines: 6 })
      : mlpQNetwork({ ...options, ...head, outputsPerAction: perAction });
  };
  const networks = { online: network(1), target: network(2) };
  const variables = trainableVariables(networks.online);
  const optimizer = createOptimizer({ name: 'sgd', learningRate: RATE, momentum: 0 }, variables);
  const learn = update(networks, optimizer);
  const dispose = () => {
    optimizer.dispose();
    networks.online.dispose();
    networks.target.dispose();
  };
  return { networks, variables, learn: () => tf.tidy(() => learn(batch(), seedTensor(), tf.scalar(RATE))), dispose };
}

describe.each(cases)('$title', (given) => {
  test('the loss and the priorities are those of the definition; weights weigh the loss alone', () => {
    const { networks, learn, dispose } = build(given);
    const { losses, priorities } = given.losses(networks);
    const result = learn();
    const expected = mean(losses.map((loss, b) => loss * transitions.weights[b]));
    expect(result.statistics.loss.dataSync()[0]).toBeCloseTo(expected, 4);
    result.priorities.dataSync().forEach((priority, b) => {
      expect(priority).toBeCloseTo(priorities[b], 4);
    });
    tf.dispose([result.statistics, result.priorities]);
    dispose();
  });

  test('the gradient is that of the loss, by differences, and the target network stays', () => {
    const { networks, variables, learn, dispose } = build(given);
    const before = variables.map(({ variable }) => variable.dataSync().slice() as Float32Array);
    const targetBefore = networks.target.getWeights().map((weight) => weight.arraySync());
    const result = learn();
    tf.dispose([result.statistics, result.priorities]);
    expect(networks.target.getWeights().map((weight) => weight.arraySync())).toEqual(targetBefore);
    const gradients = variables.map(({ variable }, v) => {
      const after = variable.dataSync();
      return before[v].map((value, i) => (value - after[i]) / RATE);
    });
    const assign = (v: number, values: Float32Array) =>
      tf.tidy(() => variables[v].variable.assign(tf.tensor(values, variables[v].variable.shape)));
    for (const [v, values] of before.entries()) assign(v, values);
    const lossHere = () => mean(given.losses(networks).losses.map((loss, b) => loss * transitions.weights[b]));
    for (const [v, values] of before.entries()) {
      for (const i of [0, values.length - 1]) {
        const shifted = (delta: number) => {
          const moved = values.slice();
          moved[i] += delta;
          assign(v, moved);
          return lossHere();
        };
        const numeric = (shifted(2e-3) - shifted(-2e-3)) / 4e-3;
        expect(gradients[v][i], `${variables[v].name}[${i}]`).toBeCloseTo(numeric, 2);
        assign(v, values);
      }
    }
    dispose();
  });
});

test('noise of the target network is drawn anew, and apart from that of the online one', () => {
  const { networks, dispose } = build(cases[0]);
  networks.target.setWeights(networks.online.getWeights());
  const passes = [0, 1, 2].map((pass) => outputs(networks.online, transitions.states, 1, pass).flat(2));
  for (const [a, b] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ]) {
    const difference = Math.max(...passes[a].map((value, i) => Math.abs(value - passes[b][i])));
    expect(difference).toBeGreaterThan(0.01);
  }
  // The definition above has pass 1 for the target, 0 for the online network and 2 for its choice of actions.
  expect(outputs(networks.target, transitions.states, 1, 1).flat(2)).toEqual(passes[1]);
  dispose();
});

describe('greedy actions are those of the largest mean', () => {
  /** A network that gives the same outputs for any state. */
  function constant(values: number[]): tf.LayersModel {
    const network = tf.sequential({
      layers: [tf.layers.dense({ units: values.length, inputShape: [SIZE], kernelInitializer: 'zeros' })],
    });
    tf.tidy(() => network.setWeights([tf.zeros([SIZE, values.length]), tf.tensor1d(values)]));
    return network;
  }
  const greedy = (values: (network: tf.LayersModel, states: tf.Tensor) => tf.Tensor2D, network: tf.LayersModel) =>
    tf.tidy(() => greedyActions(values(network, tf.ones([1, 1, SIZE]))).arraySync())[0];

  test('of quantiles, where one action leads in most of them and another in their mean', () => {
    // Action 1 has the larger quantiles in three of four; action 0 the larger mean, 2.5 above 1.75.
    const network = constant([1, 1, 1, 7, 1.5, 1.6, 1.7, 2.2]);
    expect(greedy((model, states) => qrValues(model, states, { quantiles: 4 }), network)).toBe(0);
    network.dispose();
  });

  test('of atoms, where the likeliest return of one action is larger and the mean of another', () => {
    const support = { atoms: 3, vMin: -1, vMax: 1 } as Parameters<typeof categoricalValues>[2];
    const logits = [0.34, 0.3, 0.36, 0.2, 0.25, 0.55, 0.02, 0.4, 0.58].map(Math.log); // means 0.02, 0.35, 0.56
    const network = constant(logits);
    expect(greedy((model, states) => categoricalValues(model, states, support), network)).toBe(2);
    network.dispose();
  });

  test.each([
    ['C51', SUPPORT.atoms, (rows: number[][]) => rows.map(expectation)],
    ['QR-DQN', QUANTILES, (rows: number[][]) => rows.map(mean)],
  ] as const)('of %s, for random networks and states', (name, perAction, values) => {
    for (const seed of [1, 2, 3]) {
      const network = mlpQNetwork({
        ...{ inputSize: SIZE, hiddenUnits: [8], numActions: ACTIONS, normalization: 'none', seed },
        outputsPerAction: perAction,
      });
      const expected = outputs(network, transitions.states, perAction).map((rows) => argmax(values(rows)));
      const actions = tf.tidy(() => {
        const states = batch().states;
        const settings = SUPPORT as Parameters<typeof categoricalValues>[2];
        const q = name === 'C51' ? categoricalValues(network, states, settings) : qrValues(network, states, IQN_LIKE);
        return Array.from(greedyActions(q).dataSync());
      });
      expect(actions).toEqual(expected);
      network.dispose();
    }
  });

  test('of IQN, for random networks and states', () => {
    for (const seed of [1, 2, 3]) {
      const options = { inputSize: SIZE, hiddenUnits: [32], numActions: ACTIONS, normalization: 'none', seed } as const;
      const network = mlpQuantileNetwork({ ...options, cosines: 6 });
      const taus = [0.125, 0.375, 0.625, 0.875];
      const expected = implicit(network, transitions.states, new Array(BATCH).fill(taus)).map((rows) =>
        argmax(rows.map(mean)),
      );
      const actions = tf.tidy(() =>
        Array.from(greedyActions(iqnValues(network, batch().states, { policyQuantiles: 4 })).dataSync()),
      );
      expect(actions).toEqual(expected);
      network.dispose();
    }
  });
});

const IQN_LIKE = { quantiles: QUANTILES };
