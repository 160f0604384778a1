// The order of acting, storing and learning, on a tape that the agent's parts write; real ones are tested beside.
import type { StepResult } from 'gymnasium-js-bridge';
import { describe, expect, test } from 'vitest';
import { PqnAgent, type PqnParts } from '../../../agents/pqn/agent.ts';
import type { PqnSettings } from '../../../agents/pqn/config.ts';
import { pqnPresets } from '../../../agents/pqn/presets.ts';

const NUM_ENVS = 2;
const STEPS = 2;

/** An agent whose parts write down what is asked of them; the policy explores in the environments of `explores`. */
function taped(given: Partial<PqnSettings> = {}, explores: (lane: number) => boolean = () => false) {
  const tape: string[] = [];
  const write = (text: string) => void tape.push(text);
  const result: StepResult = {
    observations: new Float32Array(NUM_ENVS),
    rewards: new Float64Array(NUM_ENVS),
    terminated: new Uint8Array(NUM_ENVS),
    truncated: new Uint8Array(NUM_ENVS),
    lives: new Int32Array(NUM_ENVS),
    finished: [],
  };
  const states = new Float32Array(NUM_ENVS);
  const finalStates = new Float32Array(NUM_ENVS);
  const minibatch = { states: new Float32Array(1), actions: new Int32Array(1), returns: new Float32Array(1) };
  const lost = { is: false };
  const cutOff = { is: false };
  let stored = 0;
  const parts: PqnParts = {
    settings: {
      ...pqnPresets['classic-control'].settings,
      ...{ numEnvs: NUM_ENVS, rolloutSteps: STEPS, epochs: 1, minibatches: 2, steps: 16, learningRate: 1 },
      ...{ epsilonStart: 1, epsilonEnd: 0, epsilonDecaySteps: 16 },
      ...given,
    },
    env: {
      numEnvs: NUM_ENVS,
      send: (actions, options) => write(`send ${Array.from(actions)} then ${options?.nextSeeds}`),
      receive: async () => {
        if (lost.is) throw new Error('lost');
        write('receive');
        return result;
      },
    },
    experience: {
      states,
      nextSeeds: [5, 6],
      begin: async () => write('begin'),
      record(actions) {
        stored += 1;
        write(`store ${Array.from(actions)}`);
      },
      someStates: (count) => new Float32Array(count),
      getState: () => ({ values: {}, tensors: {} }),
      setState: async () => {},
    },
    rollout: {
      finalStates,
      get isFull() {
        return stored % STEPS === 0;
      },
      get wasCutOff() {
        return cutOff.is;
      },
      setValues: (values) => write(`values ${Array.from(values)}`),
      setFinalValues: (values) => write(`final values ${Array.from(values)}`),
      trajectories(lastValues) {
        write(`trajectories to ${Array.from(lastValues)}`);
        const some = new Float32Array(1);
        return { rewards: some, discounts: some, nextValues: some, truncated: some };
      },
      setReturns: (returns) => write(`returns ${Array.from(returns)}`),
      sample() {
        write('sample');
        return minibatch;
      },
    },
    learner: {
      act(given) {
        write(given === finalStates ? 'value' : 'act');
        return { actions: [7, 8], values: [0.5, 1.5] };
      },
      lambdaReturns: () => [9],
      learn(_, learningRate) {
        write(`learn ${learningRate}`);
        return { loss: 0.5, meanQ: 2 };
      },
      initializeFromData() {
        write('initialize');
        return ['a warning'];
      },
      markInitialized: () => write('mark'),
      currentNetwork() {
        throw new Error('not asked for');
      },
      getState: () => ({ values: {}, tensors: {} }),
      setState: () => {},
      dispose: () => write('dispose'),
    },
    exploration: {
      choose(epsilon) {
        write(`explore ${epsilon}`);
        return Int32Array.from({ length: NUM_ENVS }, (_, lane) => (explores(lane) ? lane : -1));
      },
      getState: () => [],
      setState: () => {},
    },
    note: (line) => write(`note ${line}`),
  };
  return { agent: new PqnAgent(parts), tape, lost, cutOff };
}

const acting = (epsilon: number) => ['act', 'values 0.5,1.5', `explore ${epsilon}`, 'send 7,8 then 5,6'];

test('a step acts, sends, receives, stores; the one that fills the rollout values its end and learns', async () => {
  const { agent, tape } = taped();
  await agent.begin();
  const steps = [await agent.step(), await agent.step(), await agent.step()];
  const learning = ['act', 'trajectories to 0.5,1.5', 'returns 9', 'sample', 'learn 1', 'sample', 'learn 1'];
  expect(tape).toEqual([
    'begin',
    ...[...acting(1), 'receive', 'store 7,8'],
    ...[...acting(0.875), 'receive', 'store 7,8', ...learning],
    ...[...acting(0.75), 'receive', 'store 7,8'],
  ]);
  expect(steps.map(({ position, size, now, learned }) => [position, size, now, learned.length])).toEqual([
    [2, 2, { updates: 0, epsilon: 1 }, 0],
    [4, 2, { updates: 2, epsilon: 0.875 }, 2],
    [6, 2, { updates: 2, epsilon: 0.75 }, 0],
  ]);
});

test('the network values every state, and acts where the policy does not explore', async () => {
  const { agent, tape } = taped({}, (lane) => lane === 0);
  expect([...(await agent.step()).actions]).toEqual([0, 8]);
  expect(tape).toContain('values 0.5,1.5');
});

test('an episode that is cut off is valued at its own end, before anything is learned', async () => {
  const { agent, tape, cutOff } = taped();
  await agent.step();
  cutOff.is = true;
  tape.length = 0;
  await agent.step();
  expect(tape.slice(4, 9)).toEqual(['receive', 'store 7,8', 'value', 'final values 0.5,1.5', 'act']);
});

test('a linear schedule begins at the learning rate and falls from rollout to rollout', async () => {
  const { agent } = taped({ learningRateSchedule: 'linear' });
  const rates: number[] = [];
  while (agent.position < 16) rates.push((await agent.step()).now.learningRate);
  expect(rates).toEqual([1, 1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25]);
});

test('a data-dependent initialisation comes before the first update, once', async () => {
  const { agent, tape } = taped({ initialization: 'data-dependent' });
  for (let step = 0; step < 4; step++) await agent.step();
  expect(tape.filter((entry) => /sample|initialize|note|learn/.test(entry))).toEqual([
    ...['sample', 'initialize', 'note a warning', 'learn 1', 'sample', 'learn 1'],
    ...['sample', 'learn 1', 'sample', 'learn 1'],
  ]);
});

describe('a step whose answer does not come', () => {
  test('is taken up with the same actions', async () => {
    const { agent, tape, lost } = taped();
    lost.is = true;
    await expect(agent.step()).rejects.toThrow('lost');
    expect(agent.canBeSaved).toBe(true);
    expect(agent.getState().values).toMatchObject({ agentSteps: 0, underWay: { epsilon: 1, actions: [7, 8] } });
    lost.is = false;
    tape.length = 0;
    expect((await agent.step()).position).toBe(2);
    expect(tape).toEqual(['send 7,8 then 5,6', 'receive', 'store 7,8']);
  });
});
