import { Generator } from '../../src/random/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { createLearner, NUM_ACTIONS, randomStates } from './networks.ts';
import type { Benchmark, Plan, PrepareOptions, Ratio, Variant } from './plan.ts';
import { timeCalls } from './rounds.ts';

const ENVIRONMENTS = [1, 4, 8];

export const acting: Benchmark = {
  about: 'greedy actions of the Nature network for 1, 4 and 8 environments at once: eager and compiled',
  rounds: 20,
  turnSeconds: 0.05,
  seconds: 30,
  prepare,
};

async function prepare({ note, defer }: PrepareOptions): Promise<Plan> {
  loadTensorFlow();
  note('compiling');
  const random = new Generator(1, 'benchmark');
  const variants: Variant[] = [];
  const ratios: Ratio[] = [];
  for (const count of ENVIRONMENTS) {
    const add = (name: string, title: string, normalization: 'weight' | 'none', eager: boolean) => {
      const { act, dispose } = createLearner({
        normalization,
        actingBatch: count,
        learningBatch: 1,
        compile: { eager },
      });
      defer(dispose);
      const states = [0, 1, 2, 3].map(() => randomStates(random, count));
      let calls = 0;
      variants.push({
        name: `${name}${count}`,
        title: `${title}, ${count} at once`,
        turn: (turnMs) => timeCalls(() => act(states[calls++ % states.length]), turnMs) / count,
      });
    };
    add('eager', 'tfjs eager, weight norm', 'weight', true);
    add('compiled', 'compiled, weight norm', 'weight', false);
    add('plain', 'compiled, plain', 'none', false);
    ratios.push(
      {
        name: `eagerOverCompiled${count}`,
        title: `eager / compiled, ${count} at once`,
        above: `eager${count}`,
        below: `compiled${count}`,
      },
      {
        name: `weightNormOverPlain${count}`,
        title: `weight norm / plain, ${count} at once`,
        above: `compiled${count}`,
        below: `plain${count}`,
      },
    );
  }
  return {
    work: `one action of one environment: Nature network, ${NUM_ACTIONS} actions, uint8 frames in, action out`,
    unit: 'us',
    settings: { environments: ENVIRONMENTS, numActions: NUM_ACTIONS },
    variants,
    ratios,
  };
}
