import { isAtariId } from './atari-names.ts';
import { EnvOptionsError } from './errors.ts';
import type { EnvSettings } from './types.ts';

/** What `makeVectorEnv` takes: one of `game` and `id`, and whatever else should differ from the defaults. */
export interface VectorEnvOptions extends Partial<Omit<EnvSettings, 'kind' | 'id'>> {
  /**
   * An Atari game in any usual spelling: Enduro, SpaceInvaders, space_invaders, ALE/Enduro-v5, EnduroNoFrameskip-v4.
   */
  game?: string;
  /**
   * A Gymnasium id with discrete actions and box observations, for example CartPole-v1; one of an Atari game, such as
   * ALE/Pong-v5 or PongNoFrameskip-v4, is that game, as `game` makes it.
   */
  id?: string;
  /** Environments that step together, 1 to 4096. Default 1. */
  numEnvs?: number;
  /** Run seed, an integer in [0, 2^31); episode seeds are derived from it. Default 0. */
  seed?: number;
  /**
   * Atari: emulator threads, 0 for one a core (never more than environments). Default 0. Results do not depend on it.
   */
  numThreads?: number;
  /**
   * Python interpreter. Default: $GYMNASIUM_PYTHON, then .venv/bin/python in the nearest folder upward from this
   * package, then from the working folder, then python3.
   */
  python?: string;
  /** Longest wait for the answer to one request, in ms. Default 60,000. */
  timeoutMs?: number;
  /** Longest wait for the sidecar to start, and then for it to build the environments, in ms. Default 60,000. */
  startTimeoutMs?: number;
  /**
   * How often an idle sidecar is asked for a sign of life, in ms; one that hangs makes the next call fail at once.
   * Default 5,000.
   */
  heartbeatMs?: number;
  /** Aborting it kills the sidecar; what is under way rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * How often in a row a sidecar that died, hung or raised is replaced: a new one is started, the episodes under way
   * are played again, and the request is made again, with the numbers that there would have been. Default 0: faults
   * reject.
   */
  maxRestarts?: number;
  /** Hears of each fault that a restart follows, and is awaited before it: the place to save. */
  onFault?: (fault: EnvFault) => void | Promise<void>;
  /**
   * Divides the environments over several processes that step at the same time: so many sidecars on this machine, or
   * workers that connect from others. What the environments show does not depend on it. Default: one sidecar.
   */
  workers?: number | RemoteWorkers;
  /** Gets every line that the sidecar writes to standard error: Python warnings, and what environments print. */
  onSidecarLog?: (line: string) => void;
}

/**
 * Workers on other machines, each started there with `npx gymnasium-js-bridge worker`, which connect to this process.
 * The environments of one that is lost are played again on another, with `maxRestarts` above 0.
 */
export interface RemoteWorkers {
  /** How many workers to wait for, 1 to `numEnvs`. Default 1. More that come stand by. */
  count?: number;
  /** Where this process listens for them: `tcp://*:7777` for all networks, `tcp://192.168.1.5:7777` for one. */
  listen: string;
  /** The trainer's key file, from `npx gymnasium-js-bridge keys`. */
  keyFile: string;
  /** Longest wait for a worker, at the start and after each loss, in ms. Default 600,000. */
  waitMs?: number;
  /** Hears of workers that come, are refused or are lost, a line each. */
  onNote?: (line: string) => void;
}

/** Why environments are about to be started again. */
export interface EnvFault {
  /** SidecarDiedError, SidecarTimeoutError, SidecarError, SidecarReplyError or WorkerLostError. */
  error: Error;
  /** Which start in a row this is, from 1. */
  restart: number;
  maxRestarts: number;
}

/** Options after checking, with every default filled in. */
export interface ResolvedOptions {
  kind: 'atari' | 'gymnasium';
  /** As the user spelled it; the sidecar knows the canonical name. */
  name: string;
  /** All Atari settings, or those Gymnasium settings that were given. */
  settings: Omit<EnvSettings, 'kind' | 'id'>;
  numEnvs: number;
  seed: number;
  numThreads: number;
  timeoutMs: number;
  startTimeoutMs: number;
  heartbeatMs: number;
  maxRestarts: number;
  /** How many processes the environments are divided over. */
  numWorkers: number;
  /** Workers on other machines; undefined where sidecars run here. */
  remote: (RemoteWorkers & { waitMs: number }) | undefined;
}

/** Raw frames, scores and full-length games; learners clip, stack and cut as they like. */
const atariDefaults = {
  frameSkip: 4,
  maxNoops: 30,
  stickyActionProbability: 0,
  fullActionSpace: false,
  fireReset: false,
  maxEpisodeFrames: 108_000,
  frameStack: 4,
  grayscale: true,
  height: 84,
  width: 84,
};

/** Settings of Gymnasium environments. */
const GYMNASIUM_SETTINGS = ['envOptions', 'maxEpisodeSteps', 'screen'];

const MAX_INT32 = 2 ** 31 - 1;
const integerRanges: Record<string, [number, number]> = {
  numEnvs: [1, 4096],
  seed: [0, MAX_INT32],
  numThreads: [0, 1024],
  timeoutMs: [1, MAX_INT32],
  startTimeoutMs: [1, MAX_INT32],
  heartbeatMs: [1, MAX_INT32],
  maxRestarts: [0, 1000],
  frameSkip: [1, 1000],
  maxNoops: [0, MAX_INT32],
  maxEpisodeFrames: [1, MAX_INT32],
  frameStack: [1, 64],
  height: [1, 1024],
  width: [1, 1024],
  maxEpisodeSteps: [1, MAX_INT32],
};
const booleans = ['fullActionSpace', 'fireReset', 'grayscale', 'screen'];
const texts = ['game', 'id', 'python'];
const others = ['envOptions', 'signal', 'workers', 'onSidecarLog', 'onFault', 'stickyActionProbability'];
const allOptions = [...Object.keys(integerRanges), ...booleans, ...texts, ...others];
/** Options of sidecars on this machine. */
const LOCAL_OPTIONS = ['python', 'heartbeatMs', 'onSidecarLog'];

/** @throws EnvOptionsError that names the option, its value and what it must be. */
export function resolveOptions(options: VectorEnvOptions): ResolvedOptions {
  const given = checkOptions(options, allOptions);
  const { game, id } = given as VectorEnvOptions;
  if ((game === undefined) === (id === undefined)) throw new EnvOptionsError('give one of "game" and "id"');
  const kind = game !== undefined || isAtariId(id!) ? 'atari' : 'gymnasium';
  const foreign = kind === 'atari' ? GYMNASIUM_SETTINGS : [...Object.keys(atariDefaults), 'numThreads'];
  for (const name of foreign) {
    if (name in given) throw new EnvOptionsError(`option "${name}" is not for ${kind} environments: leave it out`);
  }

  const settingNames = kind === 'atari' ? Object.keys(atariDefaults) : GYMNASIUM_SETTINGS;
  const chosen = Object.fromEntries(Object.entries(given).filter(([name]) => settingNames.includes(name)));
  const {
    numEnvs = 1,
    seed = 0,
    numThreads = 0,
    timeoutMs = 60_000,
    startTimeoutMs = 60_000,
    heartbeatMs = 5000,
    maxRestarts = 0,
    workers,
  } = given as VectorEnvOptions;
  const { numWorkers, remote } = resolveWorkers(workers, numEnvs);
  for (const name of remote === undefined ? [] : LOCAL_OPTIONS) {
    if (name in given) throw new EnvOptionsError(`option "${name}" does nothing with workers elsewhere: leave it out`);
  }
  return {
    kind,
    name: (game ?? id)!,
    settings: kind === 'atari' ? { ...atariDefaults, ...chosen } : chosen,
    numEnvs,
    seed,
    numThreads,
    timeoutMs,
    startTimeoutMs,
    heartbeatMs,
    maxRestarts,
    numWorkers,
    remote,
  };
}

function resolveWorkers(
  workers: VectorEnvOptions['workers'],
  numEnvs: number,
): Pick<ResolvedOptions, 'numWorkers' | 'remote'> {
  const isRemote = isPlainObject(workers);
  if (isRemote) checkOptions(workers as object, ['count', 'listen', 'keyFile', 'waitMs', 'onNote']);
  const numWorkers = (isRemote ? (workers as RemoteWorkers).count : (workers as number)) ?? 1;
  if (!isIntegerFrom(1, numEnvs, numWorkers)) {
    const name = isRemote ? 'workers.count' : 'workers';
    refuse(name, numWorkers, `an integer from 1 to ${numEnvs}, the number of environments`);
  }
  if (!isRemote) return { numWorkers, remote: undefined };
  const { listen, keyFile, waitMs = 600_000, onNote } = workers as RemoteWorkers;
  if (!isListenAddress(String(listen))) refuse('workers.listen', listen, 'tcp://ADDRESS:PORT, such as tcp://*:7777');
  if (!isIntegerFrom(1, MAX_INT32, waitMs)) refuse('workers.waitMs', waitMs, `an integer from 1 to ${MAX_INT32}`);
  if (typeof keyFile !== 'string' || keyFile === '') refuse('workers.keyFile', keyFile, 'the path of a key file');
  return { numWorkers, remote: { listen, keyFile, waitMs, ...(onNote && { onNote }) } };
}

/** Whether a text is an address to listen on, as `RemoteWorkers.listen` takes it. */
export function isListenAddress(text: string): boolean {
  return LISTEN.test(text);
}

/** Every network, a name, an IPv4 address or an IPv6 address in brackets; a port or any. */
const LISTEN = /^tcp:\/\/(\*|[\w.-]+|\[[\da-fA-F:.%\w]+\]):(\d{1,5}|\*)$/;

/**
 * The options that are given, those that are undefined left out.
 *
 * @param known The names that there are here.
 * @throws EnvOptionsError that names the option, its value and what it must be, or the names that there are.
 */
export function checkOptions(options: object, known: readonly string[]): Record<string, unknown> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!known.includes(name))
      throw new EnvOptionsError(`there is no option "${name}"; the options are ${[...known].sort().join(', ')}`);
    check(name, value);
  }
  return Object.fromEntries(given);
}

/** @throws EnvOptionsError where an entry of `values` is not an integer from `low` to `high`. */
export function checkIntegers(name: string, values: ArrayLike<unknown>, low: number, high: number): void {
  for (let i = 0; i < values.length; i++) {
    if (!isIntegerFrom(low, high, values[i])) refuse(`${name}[${i}]`, values[i], `an integer from ${low} to ${high}`);
  }
}

/** Largest seed; also the most episodes that a stream can count. */
export const MAX_SEED = MAX_INT32;

function check(name: string, value: unknown): void {
  const range = integerRanges[name];
  if (range) {
    if (!isIntegerFrom(...range, value)) refuse(name, value, `an integer from ${range[0]} to ${range[1]}`);
  } else if (booleans.includes(name)) {
    if (typeof value !== 'boolean') refuse(name, value, 'true or false');
  } else if (texts.includes(name)) {
    if (typeof value !== 'string' || value === '' || value.length > 1000)
      refuse(name, value, 'a text of 1 to 1000 characters');
  } else if (name === 'envOptions') {
    if (!isPlainObject(value)) refuse(name, value, 'an object of names and JSON values');
  } else if (name === 'stickyActionProbability') {
    if (typeof value !== 'number' || !(value >= 0 && value <= 1)) refuse(name, value, 'a number from 0 to 1');
  }
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether `value` is an integer from `low` to `high`. */
export function isIntegerFrom(low: number, high: number, value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= low && (value as number) <= high;
}

/** @throws EnvOptionsError, always: says what `name` is and what it must be. */
export function refuse(name: string, value: unknown, wanted: string): never {
  const shown = typeof value === 'string' ? `"${value.slice(0, 100)}"` : String(value);
  throw new EnvOptionsError(`"${name}" is ${shown}; it must be ${wanted}`);
}

/**
 * The options that make environments of these settings: what a recording needs, to run its episode again.
 *
 * @throws EnvOptionsError for an environment written in TypeScript, which no option makes.
 */
export function optionsFrom({ kind, id, ...settings }: EnvSettings): VectorEnvOptions {
  if (kind === 'typescript') {
    throw new EnvOptionsError(
      `the environment ${id} is written in TypeScript, so makeVectorEnv cannot make it: call vectorize with its code`,
    );
  }
  return kind === 'atari' ? { game: id, ...settings } : { id, ...settings };
}
