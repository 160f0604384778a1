// The order of acting, storing, learning and copying, on a tape that the agent's parts write; real ones are tested
// beside.
import type { StepResult } from 'gymnasium-js-bridge';
import { describe, expect, test } from 'vitest';
import type { DqnSettings } from '../../../agents/dqn/config.ts';
import { dqnPresets } from '../../../agents/dqn/presets.ts';
import type { ReplayAgentParts } from '../../../src/agent/replay-agent.ts';
import { ValueAgent } from '../../../src/agent/value-agent.ts';

const NUM_ENVS = 2;

/** An agent whose parts write down what is asked of them; the policy explores in the environments of `explores`. */
function taped(given: Partial<DqnSettings>, explores: (lane: number) => boolean = () => false) {
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
  let answers = true;
  const batch = {
    states: new Float32Array(1),
    actions: new Int32Array(1),
    returns: new Float32Array(1),
    discounts: new Float32Array(1),
    nextStates: new Float32Array(1),
    rows: new Float64Array(1),
    weights: new Float32Array(1),
  };
  const parts: ReplayAgentParts<DqnSettings> = {
    settings: { ...dqnPresets['classic-control'].settings, numEnvs: NUM_ENVS, ...given },
    env: {
      numEnvs: NUM_ENVS,
      send: (actions, options) => write(`send ${Array.from(actions)} then ${options?.nextSeeds}`),
      receive: async () => {
        if (!answers) throw new Error('lost');
        write('receive');
        return result;
      },
    },
    experience: {
      states: new Float32Array(NUM_ENVS),
      nextSeeds: [5, 6],
      size: 0,
      begin: async () => write('begin'),
      record: (actions) => write(`store ${Array.from(actions)}`),
      sample: () => {
        write('sample');
        return batch;
      },
      someStates: (count) => new Float32Array(count),
      updatePriorities: (rows, priorities) => write(`prioritize ${rows} ${priorities}`),
      getState: () => ({ values: {}, tensors: {} }),
      setState: async () => {},
    },
    learner: {
      act: () => {
        write('act');
        return [7, 8];
      },
      learn: (_, _updates, learningRate) => {
        write(given.learningRateSchedule === undefined ? 'learn' : `learn ${learningRate}`);
        return { statistics: { loss: 0.5, meanQ: 2 }, priorities: Float32Array.of(7) };
      },
      inputsFor: (states) => [states],
      syncTarget: () => write('copy'),
      initializeFromData: () => {
        write('initialize');
        return ['a warning'];
      },
      markInitialized: () => write('mark'),
      currentNetwork: () => {
        throw new Error('not asked for');
      },
      getState: () => ({ values: {}, tensors: {} }),
      setState: () => {},
      dispose: () => write('dispose'),
    },
    exploration: {
      choose: (epsilon) => {
        write(`explore ${epsilon}`);
        return Int32Array.from({ length: NUM_ENVS }, (_, lane) => (explores(lane) ? lane : -1));
      },
      getState: () => [],
      setState: () => {},
    },
    note: (line) => write(`note ${line}`),
  };
  return {
    agent: new ValueAgent(parts),
    tape,
    lose: (lost: boolean) => {
      answers = !lost;
    },
  };
}

const settings = { learningStarts: 2, updatePeriodSteps: 2, targetUpdatePeriodSteps: 4, epsilonDecaySteps: 10 };

test('a step acts, sends, learns while environments run, copies after the update, receives and stores', async () => {
  const { agent, tape } = taped(settings);
  await agent.begin();
  const steps = [await agent.step(), await agent.step(), await agent.step()];
  expect(tape).toEqual([
    'begin',
    // Up to learningStarts nothing is learned.
    ...['explore 1', 'act', 'send 7,8 then 5,6', 'receive', 'store 7,8'],
    // The first update: both networks are made equal before it; agent step 4 is also due a copy, after its update.
    ...[
      'explore 1',
      'act',
      'send 7,8 then 5,6',
      'copy',
      'sample',
      'learn',
      'prioritize 0 7',
      'copy',
      'receive',
      'store 7,8',
    ],
    ...['explore 0.804', 'act', 'send 7,8 then 5,6', 'sample', 'learn', 'prioritize 0 7', 'receive', 'store 7,8'],
  ]);
  expect(steps.map(({ position, size, now, learned }) => [position, size, now.updates, learned.length])).toEqual([
    [2, 2, 0, 0],
    [4, 2, 1, 1],
    [6, 2, 2, 1],
  ]);
});

test('the network is asked only where the policy does not explore', async () => {
  const all = taped(settings, () => true);
  expect([...(await all.agent.step()).actions]).toEqual([0, 1]);
  expect(all.tape).not.toContain('act');
  const one = taped(settings, (lane) => lane === 0);
  expect([...(await one.agent.step()).actions]).toEqual([0, 8]);
});

test('a data-dependent initialisation comes before the first update and the copy, once', async () => {
  const { agent, tape } = taped({ ...settings, initialization: 'data-dependent', learningStarts: 0 });
  await agent.step();
  await agent.step();
  expect(tape.filter((entry) => !/explore|act|send|receive|store/.test(entry))).toEqual([
    ...['sample', 'initialize', 'note a warning', 'copy', 'sample', 'learn', 'prioritize 0 7'],
    ...['sample', 'learn', 'prioritize 0 7', 'copy'],
  ]);
});

test('the learning rate follows the agent step of each update, from the start of learning to the end', async () => {
  const schedule = { learningRate: 1, learningRateSchedule: 'linear', learningRateEnd: 0.5, steps: 10 } as const;
  const { agent, tape } = taped({ ...settings, ...schedule });
  const rates: number[] = [];
  while (agent.position < 10) rates.push((await agent.step()).now.learningRate);
  // Of 8 agent steps of learning 1, 3, 5 and 7 had passed at the updates in steps 4, 6, 8 and 10.
  const expected = [1, 3, 5, 7].map((elapsed) => 1 - 0.5 * (elapsed / 8));
  expect(tape.filter((entry) => entry.startsWith('learn'))).toEqual(expected.map((rate) => `learn ${rate}`));
  expect(rates).toEqual([1, ...expected]);
});

describe('a step whose answer does not come', () => {
  test('is taken up with the same actions and without learning again', async () => {
    const { agent, tape, lose } = taped({ ...settings, learningStarts: 0 });
    lose(true);
    await expect(agent.step()).rejects.toThrow('lost');
    expect(agent.canBeSaved).toBe(true);
    expect(agent.getState().values).toMatchObject({ agentSteps: 0, updates: 1, underWay: { actions: [7, 8] } });
    lose(false);
    tape.length = 0;
    const { learned, position } = await agent.step();
    expect(tape).toEqual(['send 7,8 then 5,6', 'receive', 'store 7,8']);
    expect([position, learned]).toEqual([2, [{ loss: 0.5, meanQ: 2 }]]);
  });
});
