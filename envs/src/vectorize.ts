import { arrayTypes } from './array-types.ts';
import { BatchVectorEnv, type Envs } from './batch-vector-env.ts';
import { BridgeError, EnvClosedError, EnvOptionsError, EnvValueError } from './errors.ts';
import { checkOptions, isIntegerFrom, MAX_SEED, refuse } from './options.ts';
import type { BoxSpace, DiscreteSpace, EnvSettings, ObservationArray, VectorEnv } from './types.ts';

/** One environment, written in TypeScript: what `vectorize` makes a `VectorEnv` of. */
export interface Env {
  /** Its name in settings, recordings and errors, for example "Corridor". */
  readonly id: string;
  readonly observationSpace: BoxSpace;
  readonly actionSpace: DiscreteSpace;
  /** An episode is truncated after this many steps; without it there is no limit. */
  readonly maxEpisodeSteps?: number;
  /**
   * Starts an episode. All its randomness must come from the seed, so that seed and actions give it again.
   *
   * @param seed An integer in [0, 2^31).
   * @returns The first observation: as many numbers as the shape has elements, in row-major order. It is copied, so one
   *   array can serve for ever.
   */
  reset(seed: number): ArrayLike<number>;
  /**
   * Takes one action. It is not called between the end of an episode and the next `reset`.
   *
   * @param action An integer from 0 to `actionSpace.n - 1`.
   */
  step(action: number): EnvStep;
}

/** What an action led to. */
export interface EnvStep {
  /** As `reset` gives it. */
  observation: ArrayLike<number>;
  /** Unclipped. */
  reward: number;
  /** Whether the episode ends by the rules of the game. */
  terminated: boolean;
  /** Whether the episode is cut off for another reason than `maxEpisodeSteps`, which is seen to. Default false. */
  truncated?: boolean | undefined;
  /** Lives left, where the game counts them. Default 0. */
  lives?: number | undefined;
}

export interface VectorizeOptions {
  /** Environments that step together, 1 to 4096. Default 1. */
  numEnvs?: number;
  /** Run seed, an integer in [0, 2^31); episode seeds are derived from it. Default 0. */
  seed?: number;
  /** An episode is truncated after this many steps. Default: what the environment says. */
  maxEpisodeSteps?: number;
}

/** How long other work (timers, signals, a page) waits for its turn at most while steps follow each other, in ms. */
const LONGEST_RUN_MS = 10;

/**
 * Makes a `VectorEnv` of environments written in TypeScript. They run in this process, in a browser too, and step one
 * after the other. What they throw is the rejection of the request, with the environment named in its message; after it
 * a reset is needed.
 *
 * @param makeEnv Makes one environment; is called once for each of `numEnvs`.
 * @throws EnvOptionsError for impossible options, and for environments without a name or with impossible spaces.
 */
export function vectorize(makeEnv: () => Env, options: VectorizeOptions = {}): VectorEnv {
  const given: VectorizeOptions = checkOptions(options, ['numEnvs', 'seed', 'maxEpisodeSteps']);
  const { numEnvs = 1, seed = 0 } = given;
  if (typeof makeEnv !== 'function') refuse('makeEnv', makeEnv, 'a function that makes an environment');
  const envs = Array.from({ length: numEnvs }, () => makeEnv());
  for (const env of envs) checkEnv(env);
  const { id, observationSpace, actionSpace, maxEpisodeSteps } = envs[0]!;
  if (new Set(envs).size < numEnvs)
    throw new EnvOptionsError(`makeEnv gave the same ${id} twice; it must make a new environment with every call`);
  const kinds = envs.map((env) => JSON.stringify([env.id, env.observationSpace, env.actionSpace, env.maxEpisodeSteps]));
  if (new Set(kinds).size > 1)
    throw new EnvOptionsError(`makeEnv gave a ${id} and another kind; all must have the same name, spaces and limit`);

  const limit = given.maxEpisodeSteps ?? maxEpisodeSteps;
  const settings: EnvSettings = {
    kind: 'typescript',
    id,
    ...(limit !== undefined && { maxEpisodeSteps: limit }),
  };
  return new BatchVectorEnv(runHere(envs, { observationSpace, actionSpace, settings }), numEnvs, seed);
}

/** Environments that run in this process. */
function runHere(envs: Env[], told: Pick<Envs, 'observationSpace' | 'actionSpace' | 'settings'>): Envs {
  const { id, maxEpisodeSteps: limit = Infinity } = told.settings;
  const { shape, dtype } = told.observationSpace;
  const elements = shape.reduce((a, b) => a * b, 1);
  // The newest of each environment; results get copies.
  const observations = new arrayTypes[dtype](envs.length * elements);
  const lives = new Int32Array(envs.length);
  const steps = new Int32Array(envs.length);
  let closed = false;
  let lastTurn = performance.now();

  function store(index: number, op: string, observation: ArrayLike<number>): void {
    if (observation?.length !== elements) {
      const shown = observation?.length === undefined ? String(observation) : `of ${observation.length} numbers`;
      const wanted = `an array of ${elements} numbers for its shape [${shape}]`;
      throw new EnvValueError(`the environment ${id} gave the observation ${shown} in ${op}; it must give ${wanted}`);
    }
    const start = index * elements;
    observations.set(observation, start);
    if (dtype !== 'uint8' && dtype !== 'int32') return; // whoever gets them looks for what is not finite
    for (let i = 0; i < elements; i++) {
      if (observations[start + i] === observation[i]) continue;
      throw new EnvValueError(
        `the environment ${id} gave the observation ${observation[i]} in ${op}, which is no ${dtype}: mend it there`,
      );
    }
  }

  function begin(index: number, seed: number): void {
    const first = naming(id, index, 'reset', () => envs[index]!.reset(seed));
    store(index, 'reset', first);
    lives[index] = 0; // not known before the first step
    steps[index] = 0;
  }

  /** A result, unless the environments were closed meanwhile. Other work gets a turn where it waited for long. */
  async function handOver<Result>(result: Result): Promise<Result> {
    if (performance.now() - lastTurn >= LONGEST_RUN_MS) {
      await new Promise<void>((resolve) => {
        if (typeof setImmediate === 'function') setImmediate(resolve);
        else setTimeout(resolve);
      });
      lastTurn = performance.now();
    }
    await undefined;
    throwIfClosed();
    return result;
  }

  function throwIfClosed(): void {
    if (closed) throw new EnvClosedError('the environment is closed');
  }

  return {
    ...told,
    info: { protocolVersion: 0, pid: globalThis.process?.pid ?? 0, python: '', packages: {} },

    async reset(mask, seeds) {
      throwIfClosed();
      for (let i = 0; i < envs.length; i++) {
        if (mask[i]) begin(i, seeds[i]!);
      }
      return handOver({ observations: observations.slice(), lives: lives.slice() });
    },

    async step(actions, nextSeeds) {
      throwIfClosed();
      const rewards = new Float64Array(envs.length);
      const terminated = new Uint8Array(envs.length);
      const truncated = new Uint8Array(envs.length);
      const ended: number[] = [];
      for (let i = 0; i < envs.length; i++) {
        const result = naming(id, i, 'step', () => envs[i]!.step(actions[i]!));
        checkStep(id, result);
        store(i, 'step', result.observation);
        rewards[i] = result.reward;
        lives[i] = result.lives ?? 0;
        terminated[i] = Number(result.terminated);
        steps[i]! += 1;
        truncated[i] = Number(result.truncated === true || steps[i]! >= limit);
        if (terminated[i] || truncated[i]) ended.push(i);
      }
      const livesBefore = lives.slice();
      const finalObservations: ObservationArray = new arrayTypes[dtype](ended.length * elements);
      ended.forEach((i, row) => {
        finalObservations.set(observations.subarray(i * elements, (i + 1) * elements), row * elements);
        begin(i, nextSeeds[i]!);
      });
      return handOver({
        observations: observations.slice(),
        rewards,
        terminated,
        truncated,
        lives: livesBefore,
        ...(ended.length > 0 && { finalObservations }),
      });
    },

    async close() {
      closed = true;
    },
  };
}

/** What `call` gives; what it throws is thrown with the environment named in its message. */
function naming<T>(id: string, index: number, op: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const [type, text] = error instanceof Error ? [error.name, error.message] : ['no Error', String(error)];
    const who = `the environment ${id} (index ${index}) raised ${type} in ${op}: `;
    const message = text.startsWith(who) ? text : who + text; // the same error may be thrown twice
    if (!(error instanceof Error) || !Object.isExtensible(error)) throw new BridgeError(message, { cause: error });
    // The environment's own error, whose stack shows where it was raised.
    throw Object.defineProperty(error, 'message', { value: message, configurable: true, writable: true });
  }
}

/** @throws EnvValueError where a step gave something else than steps give. */
function checkStep(id: string, result: EnvStep | undefined): void {
  if (typeof result?.terminated === 'boolean') {
    if (typeof result.reward === 'number') return;
    const shown = JSON.stringify(result.reward) ?? String(result.reward);
    throw new EnvValueError(`the environment ${id} gave the reward ${shown} in step; it must give a number`);
  }
  const given = typeof result === 'object' ? `${result} with "terminated" ${result?.terminated}` : String(result);
  throw new EnvValueError(
    `the environment ${id} gave ${given} in step; it must give { observation, reward, terminated } at once, ` +
      'with true or false for "terminated"',
  );
}

/** @throws EnvOptionsError where an environment has no name, or spaces or a limit that cannot be. */
function checkEnv(env: Env): void {
  if (typeof env !== 'object' || env === null) refuse('makeEnv()', env, 'an environment');
  const { id, observationSpace: box, actionSpace: actions, maxEpisodeSteps: limit } = env;
  const need = (holds: boolean, name: string, value: unknown, wanted: string) => {
    if (!holds) refuse(`${id}.${name}`, value, wanted);
  };
  if (typeof id !== 'string' || id === '' || id.length > 1000) refuse('id', id, 'a text of 1 to 1000 characters');
  need(box?.kind === 'box', 'observationSpace.kind', box?.kind, 'box');
  const isShape = Array.isArray(box.shape) && box.shape.every((size) => isIntegerFrom(1, MAX_SEED, size));
  need(isShape, 'observationSpace.shape', box.shape, 'a list of sizes from 1');
  const dtypes = Object.keys(arrayTypes);
  need(dtypes.includes(box.dtype), 'observationSpace.dtype', box.dtype, `one of ${dtypes.join(', ')}`);
  const elements = box.shape.reduce((a, b) => a * b, 1);
  for (const side of ['low', 'high'] as const) {
    const isBound = typeof box[side] === 'number' || box[side]?.length === elements;
    need(isBound, `observationSpace.${side}`, box[side], `a number, or a list of ${elements} numbers`);
  }
  need(actions?.kind === 'discrete', 'actionSpace.kind', actions?.kind, 'discrete');
  need(isIntegerFrom(1, MAX_SEED, actions.n), 'actionSpace.n', actions.n, 'an integer from 1');
  need(limit === undefined || isIntegerFrom(1, MAX_SEED, limit), 'maxEpisodeSteps', limit, 'an integer from 1');
}
