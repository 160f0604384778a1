import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Generator } from '../../src/random/index.ts';
import {
  REPLAY_COMPRESSIONS,
  Replay,
  type ReplayOptions,
  replayBytes,
  type Sampler,
  uniformSampler,
} from '../../src/replay/index.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

const options: ReplayOptions = {
  capacity: 40,
  lanes: 1,
  frameShape: [1],
  dtype: 'float32',
  frameStack: 3,
  nStep: 1,
  discount: 0.9,
  batchSize: 8,
};

/** A replay that is sampled uniformly, by random numbers of the seed. */
const replayOf = (given: ReplayOptions, seed = 1) => new Replay(given, uniformSampler(new Generator(seed, 'sampling')));

type Ending = 'none' | 'terminated' | 'truncated' | 'life lost';

const FRAME_SIZE = 12;

/**
 * The frame of a number: few elements differ from that of the number before. Number 0 stands for "before the episode".
 */
function frameOf(number: number): number[] {
  const frame = new Array(FRAME_SIZE).fill(0);
  if (number > 0) {
    frame[0] = number;
    frame[1 + (number % 3)] = 0.5;
    if (number % 7 === 0) frame.fill(number, 4);
  }
  return frame;
}

/** Every step ever played, kept whole: what the replay must agree with. Frames are numbered from 1. */
class Model {
  private readonly steps: { state: number[]; action: number; reward: number; ending: Ending; next: number[] }[] = [];
  private frames: number[];
  private readonly replay: Replay;
  private readonly lane: number;
  private readonly stack: number;
  private static counter = 0;

  constructor(replay: Replay, lane: number, stack: number) {
    this.replay = replay;
    this.lane = lane;
    this.stack = stack;
    this.frames = [++Model.counter];
  }

  private state(): number[] {
    return Array.from({ length: this.stack }, (_, i) => this.frames[this.frames.length - this.stack + i] ?? 0);
  }

  play(action: number, reward: number, ending: Ending): void {
    const state = this.state();
    const frame = Float32Array.from(frameOf(this.frames.at(-1)!));
    this.frames.push(++Model.counter);
    const next = this.state();
    this.steps.push({ state, action, reward, ending, next });
    const episodeEnds = ending === 'terminated' || ending === 'truncated';
    this.replay.append(this.lane, {
      frame,
      action,
      reward,
      terminal: ending === 'terminated' || ending === 'life lost',
      episodeEnds,
      ...(episodeEnds && { finalFrame: Float32Array.from(frameOf(this.frames.at(-1)!)) }),
    });
    if (episodeEnds) this.frames = [++Model.counter];
  }

  /** The n-step transition that starts in the state, worked out from the definition. */
  transition(state: number[], nStep: number, discount: number) {
    const key = String(state);
    const start = this.steps.findIndex((step) => String(step.state) === key);
    if (start < 0) return undefined;
    let sum = 0;
    for (let j = 0; j < nStep; j++) {
      const step = this.steps[start + j];
      if (step === undefined) return undefined;
      sum += discount ** j * step.reward;
      if (step.ending === 'terminated' || step.ending === 'life lost') {
        return { action: this.steps[start].action, sum, discount: 0, next: step.next.map(() => 0) };
      }
      if (step.ending === 'truncated' || j === nStep - 1) {
        return { action: this.steps[start].action, sum, discount: discount ** (j + 1), next: step.next };
      }
    }
    return undefined;
  }
}

const endings = fc.constantFrom<Ending>('none', 'none', 'none', 'none', 'none', 'terminated', 'truncated', 'life lost');
const plays = fc.array(fc.tuple(fc.nat(17), fc.integer({ min: -3, max: 3 }), endings), {
  minLength: 10,
  maxLength: 150,
});

describe.each(REPLAY_COMPRESSIONS)('replay compression %s', (replayCompression) => {
  test('whatever is played, every sampled transition is as n-step returns and frame stacks are defined', () => {
    fc.assert(
      fc.property(
        plays,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(1000),
        (steps, frameStack, nStep, lanes, seed) => {
          const frameShape = [FRAME_SIZE];
          const capacity = 20 * lanes;
          const replay = replayOf(
            { ...options, capacity, lanes, frameShape, frameStack, nStep, replayCompression },
            seed,
          );
          const models = Array.from({ length: lanes }, (_, lane) => new Model(replay, lane, frameStack));
          for (const [action, reward, ending] of steps) {
            for (const model of models) model.play(action, reward, ending);
          }
          for (let draw = 0; draw < 5; draw++) {
            let batch: ReturnType<Replay['sample']>;
            try {
              batch = replay.sample();
            } catch {
              return; // nothing complete yet
            }
            const stackSize = frameStack * FRAME_SIZE;
            for (let i = 0; i < options.batchSize; i++) {
              const stack = batch.states.subarray(i * stackSize, (i + 1) * stackSize);
              const state = [...stack].filter((_, element) => element % FRAME_SIZE === 0);
              const expected = models.map((model) => model.transition(state, nStep, 0.9)).find((found) => found);
              if (expected === undefined) throw new Error(`state ${state} was never played`);
              const next = batch.nextStates.subarray(i * stackSize, (i + 1) * stackSize);
              expect([batch.actions[i], ...stack, ...next]).toEqual(
                [expected.action, state.map(frameOf), expected.next.map(frameOf)].flat(2),
              );
              expect(batch.returns[i]).toBeCloseTo(expected.sum, 5);
              expect(batch.discounts[i]).toBeCloseTo(expected.discount, 5);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  describe('with a hand-made episode', () => {
    const fill = (nStep: number, ending: 'terminated' | 'truncated') => {
      const replay = replayOf({ ...options, nStep, replayCompression });
      for (let t = 0; t < 5; t++) {
        const last = t === 4;
        replay.append(0, {
          frame: Float32Array.of(t + 1),
          action: t,
          reward: 1,
          terminal: last && ending === 'terminated',
          episodeEnds: last,
          ...(last && { finalFrame: Float32Array.of(99) }),
        });
      }
      return replay;
    };
    const sampleAll = (replay: Replay) => {
      const found = new Map<number, { returns: number; discount: number; state: number[]; next: number[] }>();
      for (let draw = 0; draw < 40; draw++) {
        const batch = replay.sample();
        batch.actions.forEach((action, i) => {
          found.set(action, {
            returns: batch.returns[i],
            discount: batch.discounts[i],
            state: [...batch.states.subarray(i * 3, i * 3 + 3)],
            next: [...batch.nextStates.subarray(i * 3, i * 3 + 3)],
          });
        });
      }
      return found;
    };

    test('a truncated episode bootstraps from its own last observation', () => {
      const last = sampleAll(fill(1, 'truncated')).get(4)!;
      expect(last.next).toEqual([4, 5, 99]);
      expect(last.discount).toBeCloseTo(0.9);
    });

    test('a terminated episode does not bootstrap', () => {
      expect(sampleAll(fill(1, 'terminated')).get(4)!.discount).toBe(0);
    });

    test('n-step returns stop at the end of the episode', () => {
      const found = sampleAll(fill(3, 'terminated'));
      expect(found.get(1)!.returns).toBeCloseTo(1 + 0.9 + 0.81);
      expect(found.get(1)!.next).toEqual([3, 4, 5]);
      expect(found.get(3)!.returns).toBeCloseTo(1.9);
      expect(found.get(3)!.discount).toBe(0);
    });

    test('stacks are filled with zeros before the first frame', () => {
      expect(sampleAll(fill(1, 'truncated')).get(0)!.state).toEqual([0, 0, 1]);
    });

    test('every complete transition is drawn about equally often', () => {
      const replay = fill(1, 'truncated');
      const counts = new Map<number, number>();
      for (let draw = 0; draw < 500; draw++) {
        for (const action of replay.sample().actions) counts.set(action, (counts.get(action) ?? 0) + 1);
      }
      expect([...counts.keys()].sort()).toEqual([0, 1, 2, 3, 4]);
      for (const count of counts.values()) expect(Math.abs(count - 800)).toBeLessThan(120);
    });
  });

  test('the oldest steps make room and are never stacked again', () => {
    const replay = replayOf({ ...options, capacity: 10, replayCompression });
    for (let t = 0; t < 25; t++) {
      replay.append(0, { frame: Float32Array.of(t), action: 0, reward: 0, terminal: false, episodeEnds: false });
    }
    expect(replay.size).toBe(10);
    for (let draw = 0; draw < 50; draw++) {
      for (const value of replay.sample().states) expect(value).toBeGreaterThanOrEqual(15);
    }
  });
});

test('an empty replay and a truncated episode without its last frame are refused', () => {
  const replay = replayOf(options);
  expect(() => replay.sample()).toThrow('no complete transition yet: 0 rows');
  expect(() =>
    replay.append(0, { frame: Float32Array.of(1), action: 0, reward: 0, terminal: false, episodeEnds: true }),
  ).toThrow('needs its final frame');
});

test('a capacity too small for one transition is refused with the number needed', () => {
  expect(() => replayOf({ ...options, capacity: 4 })).toThrow('each needs at least 5');
});

test('a million Atari steps take at most 7.3 GB', () => {
  const atari = { ...options, capacity: 1_000_000, frameShape: [84, 84], dtype: 'uint8', frameStack: 4 } as const;
  expect(replayBytes(atari)).toBeLessThanOrEqual(7.3e9);
});

test('compressed, a million Atari steps are reckoned to take a third', () => {
  const atari = { ...options, capacity: 1_000_000, frameShape: [84, 84], dtype: 'uint8', frameStack: 4 } as const;
  const ratio = replayBytes({ ...atari, replayCompression: 'delta' }) / replayBytes(atari);
  expect(ratio).toBeGreaterThan(0.25);
  expect(ratio).toBeLessThan(1 / 3);
});

test('memory is taken as the replay fills, not before', () => {
  const before = process.memoryUsage().arrayBuffers;
  const replay = replayOf({ ...options, capacity: 1_000_000, frameShape: [84, 84], dtype: 'uint8', frameStack: 4 });
  const taken = () => process.memoryUsage().arrayBuffers - before;
  expect(taken()).toBeLessThan(20e6);
  const frame = new Uint8Array(84 * 84);
  for (let t = 0; t < 2048; t++) replay.append(0, { frame, action: 0, reward: 0, terminal: false, episodeEnds: false });
  expect(taken()).toBeGreaterThan(2048 * 7056);
  expect(taken()).toBeLessThan(2048 * 7056 + 20e6);
});

test('a sampler hears of every row, chooses and weighs rows, and takes their priorities back', () => {
  const heard: number[] = [];
  const priorities = new Map<number, number>();
  const sampler: Sampler = {
    added: (row) => void heard.push(row),
    sample(held, { rows, weights }, take) {
      expect(held.size).toBe(heard.length);
      rows.forEach((_, index) => {
        // The oldest rows, skipping what is no whole transition: the newest row of a lane is none.
        const row = Array.from({ length: held.size }, (_, i) => held.rowAt(i)).find(
          (candidate) => !rows.subarray(0, index).includes(candidate) && take(candidate, index),
        )!;
        rows[index] = row;
        weights[index] = 1 / (1 + index);
      });
    },
    updatePriorities: (rows, given) => rows.forEach((row, i) => void priorities.set(row, given[i])),
    getState: () => ({ values: {}, tensors: {} }),
    setState: () => {},
  };
  const replay = new Replay({ ...options, lanes: 2, batchSize: 3 }, sampler);
  for (let t = 0; t < 4; t++) {
    for (const lane of [0, 1]) {
      replay.append(lane, {
        frame: Float32Array.of(10 * lane + t),
        action: 10 * lane + t,
        reward: 0,
        terminal: false,
        episodeEnds: false,
      });
    }
  }
  expect(new Set(heard).size).toBe(8);
  const { rows, weights, actions } = replay.sample();
  expect([...actions]).toEqual([0, 1, 2]);
  expect([...rows]).toEqual([heard[0], heard[2], heard[4]]);
  expect([...weights]).toEqual([1, 0.5, Math.fround(1 / 3)]);
  replay.updatePriorities(rows, [5, 6, 7]);
  expect([...priorities]).toEqual([
    [heard[0], 5],
    [heard[2], 6],
    [heard[4], 7],
  ]);
});

test('the uniform sampler goes on from its state, and weighs all rows alike', () => {
  const filled = (seed: number) => {
    const replay = replayOf(options, seed);
    for (let t = 0; t < 30; t++) {
      replay.append(0, { frame: Float32Array.of(t), action: t, reward: 0, terminal: false, episodeEnds: false });
    }
    return replay;
  };
  const [one, other] = [filled(1), filled(2)];
  one.sample();
  other.sampler.setState({ values: one.sampler.getState().values, tensors: {} });
  const [expected, actual] = [one.sample(), other.sample()];
  expect([...actual.actions]).toEqual([...expected.actions]);
  expect([...actual.weights]).toEqual(new Array(8).fill(1));
});

test('an environment with more than 256 actions is kept as it is', () => {
  const replay = replayOf({ ...options, numActions: 1000, batchSize: 64 });
  for (let t = 0; t < 20; t++) {
    replay.append(0, { frame: Float32Array.of(t), action: 900 + t, reward: 0, terminal: false, episodeEnds: false });
  }
  for (const action of replay.sample().actions) expect(action).toBeGreaterThanOrEqual(900);
});
