import { episodeSeed } from './episode-seed.ts';
import { BridgeError, EnvOptionsError, EnvValueError } from './errors.ts';
import { checkIntegers, MAX_SEED, type ResolvedOptions, resolveOptions, type VectorEnvOptions } from './options.ts';
import { type HelloFields, type MakeFields, type StepFields, typedArray } from './protocol.ts';
import { RecoveringVectorEnv } from './recovering-env.ts';
import { SidecarClient } from './sidecar-client.ts';
import type {
  BoxSpace,
  DiscreteSpace,
  EnvSettings,
  FinishedEpisode,
  ObservationArray,
  ResetResult,
  SidecarInfo,
  StepResult,
  VectorEnv,
  VectorEnvState,
} from './types.ts';

/**
 * Starts a sidecar with `numEnvs` copies of one environment.
 *
 * @throws EnvOptionsError for impossible values, before any process starts; UnknownEnvError with the nearest names;
 *   UnsupportedEnvError for spaces that are not carried; SidecarStartError where Python or a package is missing.
 */
export async function makeVectorEnv(options: VectorEnvOptions): Promise<VectorEnv> {
  const resolved = resolveOptions(options);
  const start = () => startEnvs(options, resolved);
  const { maxRestarts, seed } = resolved;
  return maxRestarts === 0
    ? start()
    : RecoveringVectorEnv.start({ start, seed, maxRestarts, onFault: options.onFault });
}

/** Starts one sidecar, and the environments in it. */
async function startEnvs(options: VectorEnvOptions, resolved: ResolvedOptions): Promise<VectorEnv> {
  const { kind, name, numEnvs, numThreads, settings, startTimeoutMs } = resolved;
  const { client, hello } = await SidecarClient.start({ ...options, ...resolved });
  try {
    const { fields } = await client.request('make', { kind, name, numEnvs, numThreads, settings }, startTimeoutMs);
    return new SidecarVectorEnv(client, resolved, hello, fields as unknown as MakeFields);
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** The largest size of a reward or of an element of an observation. */
const LARGEST_VALUE = 1e9;

/** The episode that an environment is in. */
interface RunningEpisode {
  seed: number;
  index: number;
  return: number;
  lengthSteps: number;
}

class SidecarVectorEnv implements VectorEnv {
  readonly numEnvs: number;
  readonly observationSpace: BoxSpace;
  readonly actionSpace: DiscreteSpace;
  readonly settings: EnvSettings;
  readonly info: SidecarInfo;
  readonly #client: SidecarClient;
  readonly #seed: number;
  readonly #timeoutMs: number;
  readonly #elements: number;
  #episodesStarted: number[];
  #episodes: RunningEpisode[] = [];
  /** True before the first reset, and where an error left the environments in an unknown state. */
  #needsReset = true;
  #stepUnderWay: Promise<StepResult> | undefined;
  #resetting = false;

  constructor(client: SidecarClient, options: ResolvedOptions, hello: HelloFields, made: MakeFields) {
    this.#client = client;
    this.#seed = options.seed;
    this.#timeoutMs = options.timeoutMs;
    this.#elements = made.observation.shape.reduce((a, b) => a * b, 1);
    this.#episodesStarted = new Array(options.numEnvs).fill(0);
    this.numEnvs = options.numEnvs;
    this.observationSpace = { kind: 'box', ...made.observation };
    this.actionSpace = {
      kind: 'discrete',
      n: made.numActions,
      ...(made.actionMeanings && { meanings: made.actionMeanings }),
    };
    this.settings = made.settings;
    this.info = {
      protocolVersion: hello.protocol,
      pid: hello.pid,
      python: hello.python,
      packages: made.packages,
      ...(made.rom && { rom: made.rom }),
    };
  }

  async reset(options: { mask?: boolean[]; seeds?: number[] } = {}): Promise<ResetResult> {
    this.#checkFree();
    const mask = options.mask ?? new Array<boolean>(this.numEnvs).fill(true);
    this.#checkLength('mask', mask);
    if (!mask.includes(true)) throw new EnvOptionsError('"mask" is all false; it must name at least one environment');
    if (this.#needsReset && mask.includes(false))
      throw new EnvOptionsError('the first reset is of all environments: leave "mask" out');
    const seeds = this.#nextSeeds('seeds', options.seeds);

    this.#resetting = true;
    try {
      if (!mask.includes(true))
        throw new EnvOptionsError('"mask" is all false; a reset names at least one environment');
      this.#needsReset = true; // until it has worked
      const reply = await this.#client.request(
        'reset',
        { mask: Uint8Array.from(mask, Number), seeds },
        this.#timeoutMs,
      );
      const observations = this.#observations(reply.frames[0]!);
      this.#checkValues('observation', observations);
      this.#needsReset = false;
      for (let env = 0; env < this.numEnvs; env++) {
        if (mask[env]) this.#beginEpisode(env, seeds[env]!);
      }
      return {
        observations,
        lives: typedArray(reply.fields.lives as Uint8Array, 'int32') as Int32Array,
        seeds: this.#episodes.map((episode) => episode.seed),
      };
    } finally {
      this.#resetting = false;
    }
  }

  async step(actions: ArrayLike<number>, options: { nextSeeds?: number[] } = {}): Promise<StepResult> {
    this.send(actions, options);
    return this.receive();
  }

  send(actions: ArrayLike<number>, options: { nextSeeds?: number[] } = {}): void {
    this.#checkFree();
    if (this.#needsReset) throw new BridgeError('call reset() before the first step, and after an error');
    this.#checkLength('actions', actions);
    checkIntegers('actions', actions, 0, this.actionSpace.n - 1);
    const nextSeeds = this.#nextSeeds('nextSeeds', options.nextSeeds);

    const request = this.#client.request('step', { actions: Int32Array.from(actions), nextSeeds }, this.#timeoutMs);
    this.#stepUnderWay = request
      .then((reply) => this.#finishStep(reply.fields as unknown as StepFields, reply.frames, nextSeeds))
      .catch((error) => {
        this.#needsReset = true;
        throw error;
      });
    this.#stepUnderWay.catch(() => {}); // receive() reports it
  }

  async receive(): Promise<StepResult> {
    if (!this.#stepUnderWay) throw new BridgeError('no step is under way: call send() first');
    try {
      return await this.#stepUnderWay;
    } finally {
      this.#stepUnderWay = undefined;
    }
  }

  getState(): VectorEnvState {
    return { episodesStarted: [...this.#episodesStarted] };
  }

  setState({ episodesStarted }: VectorEnvState): void {
    this.#checkLength('episodesStarted', episodesStarted);
    checkIntegers('episodesStarted', episodesStarted, 0, MAX_SEED);
    this.#episodesStarted = [...episodesStarted];
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  #finishStep(fields: StepFields, frames: Uint8Array[], nextSeeds: Int32Array): StepResult {
    const rewards = typedArray(fields.rewards, 'float64') as Float64Array;
    const terminated = typedArray(fields.terminated, 'uint8') as Uint8Array;
    const truncated = typedArray(fields.truncated, 'uint8') as Uint8Array;
    const finished: FinishedEpisode[] = [];
    const finalObservations = frames[1] && this.#observations(frames[1]);
    const lengthFrames = fields.lengthFrames && typedArray(fields.lengthFrames, 'int32');
    const observations = this.#observations(frames[0]!);
    this.#checkValues('reward', rewards);
    this.#checkValues('observation', observations);
    if (finalObservations) this.#checkValues('final observation', finalObservations);
    for (let env = 0; env < this.numEnvs; env++) {
      const episode = this.#episodes[env]!;
      episode.return += rewards[env]!;
      episode.lengthSteps++;
      if (!terminated[env] && !truncated[env]) continue;
      const row = finished.length;
      finished.push({
        env,
        ...episode,
        lengthFrames: lengthFrames?.[row] ?? episode.lengthSteps,
        terminated: terminated[env] === 1,
        truncated: truncated[env] === 1,
        finalObservation: finalObservations!.subarray(row * this.#elements, (row + 1) * this.#elements),
      });
      this.#beginEpisode(env, nextSeeds[env]!);
    }
    return {
      observations,
      rewards,
      terminated,
      truncated,
      lives: typedArray(fields.lives, 'int32') as Int32Array,
      finished,
    };
  }

  #beginEpisode(env: number, seed: number): void {
    const index = this.#episodesStarted[env]!;
    this.#episodes[env] = { seed, index, return: 0, lengthSteps: 0 };
    this.#episodesStarted[env] = index + 1;
  }

  /** The seeds given, or those that the run's seed gives the next episode of each environment. */
  #nextSeeds(name: string, given: number[] | undefined): Int32Array {
    if (!given) return Int32Array.from(this.#episodesStarted, (started, env) => episodeSeed(this.#seed, env, started));
    this.#checkLength(name, given);
    checkIntegers(name, given, 0, MAX_SEED);
    return Int32Array.from(given);
  }

  #observations(frame: Uint8Array): ObservationArray {
    return typedArray(frame, this.observationSpace.dtype);
  }

  /**
   * Refuses numbers that would spoil everything learned from them: NaN, infinities, and sizes far beyond what float32
   * can square and sum up.
   */
  #checkValues(what: string, values: ObservationArray): void {
    if (values instanceof Uint8Array || values instanceof Int32Array) return;
    for (const value of values) {
      if (Math.abs(value) <= LARGEST_VALUE) continue; // false for NaN
      const problem = Number.isFinite(value) ? `more than ${LARGEST_VALUE} in size` : 'not finite';
      throw new EnvValueError(
        `the environment ${this.settings.id} gave the ${what} ${value}, which is ${problem}: mend or scale it there`,
      );
    }
  }

  #checkFree(): void {
    if (this.#stepUnderWay) throw new BridgeError('a step is under way: call receive() first');
    if (this.#resetting) throw new BridgeError('a reset is under way: await it first');
  }

  #checkLength(name: string, values: ArrayLike<unknown>): void {
    if (values.length !== this.numEnvs) {
      throw new EnvOptionsError(
        `"${name}" has ${values.length} entries; it must have one for each of ${this.numEnvs} environments`,
      );
    }
  }
}
