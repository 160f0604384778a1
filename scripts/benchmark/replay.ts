import { makeVectorEnv } from 'gymnasium-js-bridge';
import type { DqnSettings } from '../../agents/dqn/config.ts';
import { dqnPresets } from '../../agents/dqn/presets.ts';
import { envOptions } from '../../src/agent/environment.ts';
import { stateOptions } from '../../src/agent/states.ts';
import { Generator } from '../../src/random/index.ts';
import { REPLAY_COMPRESSIONS, Replay, type ReplayOptions, uniformSampler } from '../../src/replay/index.ts';
import type { Benchmark, Plan, PrepareOptions } from './plan.ts';
import { timeCalls } from './rounds.ts';

const GAME = 'Enduro';
const NUM_ENVS = 8;
/** Recorded once; the replays are filled with them over and over. */
const RECORDED_STEPS = 4_000;
/** Rows of each replay: more bytes than the caches hold. */
const CAPACITY = 40_000;
const APPENDS_PER_UPDATE = 4;

export const replay: Benchmark = {
  about: 'replay memory: four appends and one minibatch of 32, plain and compressed, and its size',
  rounds: 20,
  turnSeconds: 0.1,
  seconds: 30,
  prepare,
};

interface RecordedStep {
  lane: number;
  frame: Uint8Array;
  action: number;
  reward: number;
  terminal: boolean;
}

async function prepare({ note, defer }: PrepareOptions): Promise<Plan> {
  note(`playing ${RECORDED_STEPS} agent steps of ${GAME} at random`);
  const config: DqnSettings = {
    ...dqnPresets.nature.settings,
    game: GAME,
    numEnvs: NUM_ENVS,
    replayCapacity: CAPACITY,
  };
  const env = await makeVectorEnv(envOptions(config));
  defer(() => env.close());
  const steps = await record(env);
  await env.close();

  note(`filling replays of ${CAPACITY} agent steps`);
  const { batchSize, nStep, discount } = config;
  const options = { ...stateOptions(config, env), capacity: CAPACITY, lanes: NUM_ENVS, batchSize, nStep, discount };
  const filled = REPLAY_COMPRESSIONS.map((replayCompression) => ({
    replayCompression,
    ...fill({ ...options, replayCompression }, steps),
  }));
  return {
    work:
      `what an update needs: ${APPENDS_PER_UPDATE} frames of ${GAME} appended, one minibatch of ${config.batchSize} ` +
      'sampled',
    unit: 'us',
    settings: {
      game: GAME,
      capacity: CAPACITY,
      lanes: NUM_ENVS,
      appendsPerUpdate: APPENDS_PER_UPDATE,
      batchSize: config.batchSize,
    },
    variants: filled.map(({ replayCompression, work }) => ({
      name: replayCompression,
      title: `replay compression ${replayCompression}`,
      turn: (turnMs) => timeCalls(work, turnMs),
    })),
    ratios: [{ name: 'deltaOverNone', title: 'delta / none', above: 'delta', below: 'none' }],
    figures: (medianMs) => ({
      ...Object.fromEntries(
        filled.map(({ replayCompression, bytesPerStep }) => [
          `${replayCompression}GigabytesPerMillionSteps`,
          (bytesPerStep * 1e6) / 1e9,
        ]),
      ),
      addedMillisecondsPerUpdate: medianMs.delta - medianMs.none,
    }),
  };
}

/** A full replay, and what an update needs of it. */
function fill(options: ReplayOptions, steps: readonly RecordedStep[]): { bytesPerStep: number; work: () => void } {
  const before = heldBytes();
  const filled = new Replay(options, uniformSampler(new Generator(1, 'benchmark')));
  let next = 0;
  const append = () => {
    const { lane, ...step } = steps[next++ % steps.length];
    filled.append(lane, { ...step, episodeEnds: step.terminal });
  };
  while (filled.size < CAPACITY) append();
  // The minibatch's own arrays do not grow with the replay.
  const { states, nextStates } = filled.sample();
  const bytes = heldBytes() - before - states.byteLength - nextStates.byteLength;
  return {
    bytesPerStep: bytes / CAPACITY,
    work: () => {
      for (let i = 0; i < APPENDS_PER_UPDATE; i++) append();
      filled.sample();
    },
  };
}

type Env = Awaited<ReturnType<typeof makeVectorEnv>>;

async function record(env: Env): Promise<RecordedStep[]> {
  const random = new Generator(1, 'benchmark');
  const steps: RecordedStep[] = [];
  let { observations } = await env.reset();
  const frameSize = observations.length / env.numEnvs;
  while (steps.length < RECORDED_STEPS) {
    const actions = Int32Array.from({ length: env.numEnvs }, () => random.integer(env.actionSpace.n));
    const result = await env.step(actions);
    for (let lane = 0; lane < env.numEnvs; lane++) {
      steps.push({
        lane,
        frame: Uint8Array.from(observations.subarray(lane * frameSize, (lane + 1) * frameSize)),
        action: actions[lane],
        reward: Math.sign(result.rewards[lane]),
        terminal: result.terminated[lane] === 1,
      });
    }
    observations = result.observations;
  }
  return steps;
}

/** Bytes in typed arrays and buffers: what a replay is made of. */
function heldBytes(): number {
  return process.memoryUsage().arrayBuffers;
}
