import { makeVectorEnv, type VectorEnv } from 'gymnasium-js-bridge';
import { Generator } from '../../src/random/index.ts';
import { Peer } from './peer.ts';
import { projectPython } from './peer-environment.ts';
import type { Benchmark, Plan, PrepareOptions, Ratio, Variant } from './plan.ts';
import { timeAsyncCalls } from './rounds.ts';

const GAME = 'Enduro';
/** A frame stack of 1 is what the agent asks for, as it stacks frames itself; 4 is AtariVectorEnv's default. */
const VECTORS = [
  { numEnvs: 1, frameStack: 1 },
  { numEnvs: 8, frameStack: 1 },
  { numEnvs: 8, frameStack: 4 },
];

export const sidecar: Benchmark = {
  about: 'emulation through the bridge against AtariVectorEnv called directly in Python, and the emulator alone',
  rounds: 8,
  turnSeconds: 0.7,
  seconds: 90,
  prepare,
};

async function prepare({ note, defer }: PrepareOptions): Promise<Plan> {
  note('starting emulators');
  const nameOf = ({ numEnvs, frameStack }: (typeof VECTORS)[number]) =>
    frameStack === 1 ? `${numEnvs}` : `${numEnvs}Stacked`;
  const titleOf = ({ numEnvs, frameStack }: (typeof VECTORS)[number]) =>
    `${numEnvs} ${numEnvs > 1 ? 'environments' : 'environment'}, frame stack ${frameStack}`;
  const options = {
    game: GAME.toLowerCase(),
    vectors: Object.fromEntries(VECTORS.map((vector) => [`direct${nameOf(vector)}`, vector])),
  };
  // Side by side, since each takes seconds.
  const starting = VECTORS.map((vector) => makeVectorEnv({ game: GAME, seed: 1, ...vector }));
  const startingPython = Peer.start(projectPython(), 'atari_direct.py', options);
  for (const part of await Promise.allSettled([...starting, startingPython])) {
    if (part.status === 'fulfilled') defer(() => part.value.close());
  }
  const envs = await Promise.all(starting);
  const python = await startingPython;

  const variants: Variant[] = [];
  const ratios: Ratio[] = [];
  for (const [i, vector] of VECTORS.entries()) {
    const name = nameOf(vector);
    const title = titleOf(vector);
    variants.push(
      { name: `bridge${name}`, title: `bridge, ${title}`, turn: await bridgeTurn(envs[i]) },
      python.variant(`direct${name}`, `Python, ${title}`),
    );
    ratios.push({
      name: `directOverBridge${name}`,
      title: `direct / bridge, ${title}`,
      above: `direct${name}`,
      below: `bridge${name}`,
      ...(vector.numEnvs === 8 && { target: { atLeast: 0.9 } }),
    });
  }
  variants.push(python.variant('ale', 'the emulator alone, one core, a frame'));
  return {
    work:
      `one agent step (4 frames) of one ${GAME}; with the emulator alone one frame. A ratio is the share of the ` +
      'direct speed that the bridge reaches',
    unit: 'us',
    settings: { game: GAME, vectors: VECTORS, ...python.about },
    variants,
    ratios,
  };
}

/** Steps all environments with random actions; milliseconds for one agent step of one of them. */
export async function bridgeTurn(env: VectorEnv): Promise<Variant['turn']> {
  await env.reset();
  const { numEnvs, actionSpace } = env;
  const random = new Generator(1, 'benchmark');
  const actions = Array.from({ length: 997 }, () =>
    Int32Array.from({ length: numEnvs }, () => random.integer(actionSpace.n)),
  );
  let steps = 0;
  const step = () => env.step(actions[steps++ % actions.length]);
  return async (turnMs) => (await timeAsyncCalls(step, turnMs)) / numEnvs;
}
