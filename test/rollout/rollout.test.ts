import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { lambdaReturns } from '../../src/losses/index.ts';
import { Generator } from '../../src/random/index.ts';
import { Rollout, type RolloutOptions, type RolloutStep } from '../../src/rollout/index.ts';

const [STEPS, LANES, STACK, SIZE] = [6, 3, 2, 2];
const options: RolloutOptions = {
  ...{ steps: STEPS, lanes: LANES, frameStack: STACK, frameShape: [SIZE], discount: 0.9, batchSize: 6 },
  dtype: 'float32',
};

interface Played extends RolloutStep {
  readonly value: number;
  /** The value of the state that it led to, where that is the last one of an episode that was cut off. */
  readonly finalValue: number;
}

/** Steps of one lane, with every kind of end among them. */
function playedSteps(lane: number, count: number): Played[] {
  const random = new Generator(lane, 'played');
  return Array.from({ length: count }, () => {
    const kind = random.uniform();
    const truncated = kind < 0.3;
    const terminal = kind >= 0.3 && kind < 0.5;
    return {
      state: Float32Array.from({ length: STACK * SIZE }, () => random.uniform()),
      frame: new Float32Array(SIZE),
      action: random.integer(5),
      reward: random.uniform() - 0.5,
      terminal,
      // A lost life ends a value and no episode.
      episodeEnds: truncated || (terminal && random.uniform() < 0.5),
      ...(truncated && { finalFrame: Float32Array.from({ length: SIZE }, () => random.uniform()) }),
      value: random.uniform() * 4,
      finalValue: random.uniform() * 4,
    };
  });
}

/** Plays one step in all lanes, as an agent does. */
function play(rollout: Rollout, lanes: Played[][], step: number): void {
  rollout.setValues(lanes.map((lane) => lane[step].value));
  for (const [lane, steps] of lanes.entries()) rollout.append(lane, steps[step]);
  if (rollout.wasCutOff) rollout.setFinalValues(lanes.map((lane) => lane[step].finalValue));
}

/** G_t, by the recursion of the paper, with what follows an end looked up where it is. */
function returnsByRecursion(steps: Played[], lastValue: number, gamma: number, lambda: number): number[] {
  const returns: number[] = [];
  const recursive = (t: number): number => {
    const { reward, terminal, episodeEnds, finalValue } = steps[t];
    if (terminal) return reward;
    if (episodeEnds) return reward + gamma * finalValue;
    if (t === steps.length - 1) return reward + gamma * lastValue;
    return reward + gamma * (lambda * recursive(t + 1) + (1 - lambda) * steps[t + 1].value);
  };
  for (let t = 0; t < steps.length; t++) returns.push(recursive(t));
  return returns;
}

describe.each([0, 0.65, 1])('with lambda %d', (lambda) => {
  test('the returns of a second rollout are those of the recursion, whatever ends in it', () => {
    const rollout = new Rollout(options, new Generator(1, 'minibatches'));
    const lanes = Array.from({ length: LANES }, (_, lane) => playedSteps(lane, 2 * STEPS));
    const ends = lanes.flatMap((lane) => lane.slice(STEPS));
    expect(ends.some(({ terminal }) => terminal)).toBe(true);
    expect(ends.some(({ terminal, episodeEnds }) => !terminal && episodeEnds)).toBe(true);
    for (let step = 0; step < 2 * STEPS; step++) {
      play(rollout, lanes, step);
      expect(rollout.isFull).toBe((step + 1) % STEPS === 0);
      expect(rollout.size).toBe(((step + 1) % STEPS) * LANES);
    }
    const lastValues = [3, 1, 2];
    const expected = lanes.map((lane, i) =>
      returnsByRecursion(lane.slice(STEPS), lastValues[i], options.discount, lambda),
    );
    const { rewards, discounts, nextValues, truncated } = rollout.trajectories(lastValues);
    const actual = tf.tidy(() => {
      const matrix = (values: Float32Array) => tf.tensor2d(values, [STEPS, LANES]);
      const tensors = [rewards, discounts, nextValues, truncated].map(matrix);
      return lambdaReturns(tensors[0], tensors[1], tensors[2], lambda, tensors[3]).arraySync();
    });
    for (let t = 0; t < STEPS; t++) {
      for (let lane = 0; lane < LANES; lane++) expect(actual[t][lane]).toBeCloseTo(expected[lane][t], 5);
    }
  });
});

test('the last states of episodes that were cut off are stacked, and no others', () => {
  const rollout = new Rollout(options, new Generator(1, 'minibatches'));
  const step = { state: Float32Array.of(1, 2, 3, 4), frame: Float32Array.of(3, 4), action: 0, reward: 0 };
  const ends = { ...step, terminal: false, episodeEnds: true, finalFrame: Float32Array.of(5, 6) };
  rollout.append(0, { ...step, terminal: false, episodeEnds: false });
  rollout.append(1, ends);
  rollout.append(2, { ...ends, terminal: true });
  expect(rollout.wasCutOff).toBe(true);
  expect([...rollout.finalStates]).toEqual([0, 0, 0, 0, 3, 4, 5, 6, 0, 0, 0, 0]);
  for (let lane = 0; lane < LANES; lane++) rollout.append(lane, { ...step, terminal: false, episodeEnds: false });
  expect(rollout.wasCutOff).toBe(false);
  expect(rollout.finalStates.every((value) => value === 0)).toBe(true);
  expect(() => rollout.append(0, { ...step, terminal: false, episodeEnds: true })).toThrow('needs its final frame');
});

test('an epoch draws each step once, with state, action and return; epochs differ, and follow from the state', () => {
  const make = () => new Rollout(options, new Generator(1, 'minibatches'));
  const lanes = Array.from({ length: LANES }, (_, lane) => playedSteps(lane, STEPS));
  const fill = (rollout: Rollout) => {
    for (let step = 0; step < STEPS; step++) play(rollout, lanes, step);
    rollout.setReturns(Array.from({ length: STEPS * LANES }, (_, row) => row));
  };
  const epoch = (rollout: Rollout) => {
    const rows: number[] = [];
    for (let minibatch = 0; minibatch < 3; minibatch++) {
      const { states, actions, returns } = rollout.sample();
      for (const [i, row] of returns.entries()) {
        const { state, action } = lanes[row % LANES][Math.floor(row / LANES)];
        expect(actions[i]).toBe(action);
        expect([...states.subarray(i * STACK * SIZE, (i + 1) * STACK * SIZE)]).toEqual([...state]);
        rows.push(row);
      }
    }
    expect(rows.toSorted((a, b) => a - b)).toEqual(Array.from({ length: STEPS * LANES }, (_, row) => row));
    return rows;
  };
  const rollout = make();
  fill(rollout);
  const first = epoch(rollout);
  const { values, tensors } = rollout.getState();
  const second = epoch(rollout);
  expect(second).not.toEqual(first);
  const other = make();
  const stored = Object.entries(tensors).map(([name, { shape, data }]) => [name, { dtype: 'F32', shape, data }]);
  other.setState({ values, tensors: Object.fromEntries(stored) });
  fill(other);
  expect(epoch(other)).toEqual(second);
  expect(() => other.setState({ values, tensors: {} })).toThrow('is not one of a rollout of 6 x 3 steps');
});

test('a partly filled rollout is the same again after its steps were appended again, from an earlier one on', () => {
  const lanes = Array.from({ length: LANES }, (_, lane) => playedSteps(lane, 3 * STEPS));
  const rollout = new Rollout(options, new Generator(1, 'minibatches'));
  for (let step = 0; step < 2 * STEPS + 2; step++) play(rollout, lanes, step);
  expect(rollout.extents()).toEqual(Array(LANES).fill({ oldest: 2 * STEPS, added: 2 * STEPS + 2 }));
  const again = new Rollout(options, new Generator(1, 'minibatches'));
  const first = [STEPS - 1, 2 * STEPS, STEPS + 3]; // where the episodes began that are still under way
  again.begin(first);
  for (const [lane, steps] of lanes.entries()) {
    for (const step of steps.slice(first[lane], 2 * STEPS + 2)) again.append(lane, step);
    expect(again.heldValues(lane)).toEqual(rollout.heldValues(lane));
    expect(again.heldHashes(lane)).toEqual(rollout.heldHashes(lane));
  }
  expect(again.extents()).toEqual(rollout.extents());
});

test('minibatches that do not divide a rollout are refused', () => {
  expect(() => new Rollout({ ...options, batchSize: 4 }, new Generator(1, 'm'))).toThrow(
    'A rollout of 6 steps of 3 lanes has no whole minibatches of 4',
  );
});
