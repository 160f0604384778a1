/** A typed array that holds a batch of observations. */
export type ObservationArray = Uint8Array | Int32Array | Float32Array | Float64Array;

export interface BoxSpace {
  kind: 'box';
  /** Shape of one observation, without the environment axis. */
  shape: number[];
  dtype: 'uint8' | 'int32' | 'float32' | 'float64';
  /** Lowest and highest value of each element, in row-major order; one number where all are equal. */
  low: number | number[];
  high: number | number[];
}

export interface DiscreteSpace {
  kind: 'discrete';
  /** Number of actions; actions are 0 to n - 1. */
  n: number;
  /** What each action does, where the emulator tells ("NOOP", "FIRE", ...). */
  meanings?: string[];
}

/**
 * What an environment is made of: enough, with a seed and the actions, to run any of its episodes again bit for bit.
 */
export interface EnvSettings {
  kind: 'atari' | 'gymnasium' | 'typescript';
  /** The canonical name: "enduro" for a game, "CartPole-v1" for a Gymnasium id; a TypeScript environment's own `id`. */
  id: string;
  /** Atari: emulator frames an action is held for. */
  frameSkip?: number;
  /** Atari: an episode starts with fewer than this many no-op frames, drawn from its seed (0 to 29 with 30). */
  maxNoops?: number;
  /** Atari: probability that the emulator repeats the last action instead of the new one ("sticky actions"). */
  stickyActionProbability?: number;
  /** Atari: all 18 actions instead of the game's own. */
  fullActionSpace?: boolean;
  /** Atari: press FIRE after a reset where the game needs it to start. */
  fireReset?: boolean;
  /** Atari: an episode is truncated after this many emulator frames, no-op start not counted. */
  maxEpisodeFrames?: number;
  /** Atari: newest frames in an observation; shape [frameStack, height, width] or [frameStack, height, width, 3]. */
  frameStack?: number;
  grayscale?: boolean;
  height?: number;
  width?: number;
  /** Gymnasium: keyword arguments of the environment, as `gymnasium.make` takes them; JSON values. */
  envOptions?: Record<string, unknown>;
  /** Gymnasium, TypeScript: an episode is truncated after this many steps (the environment's limit where not given). */
  maxEpisodeSteps?: number;
  /** Gymnasium: observations are the pictures that the environment draws, [height, width, 3] uint8. */
  screen?: boolean;
}

/** What runs the environments: the sidecar, as it says in the handshake, or this process for those in TypeScript. */
export interface SidecarInfo {
  /** Version of the messages; 0 where there is no sidecar. */
  protocolVersion: number;
  /** Id of the process that the environments run in: the sidecar's or this one's; 0 in a browser. */
  pid: number;
  /** Version of Python; empty where there is none. */
  python: string;
  /** Versions of the Python packages that emulate: ale-py, gymnasium, numpy. Empty where there are none. */
  packages: Record<string, string>;
  /** Atari: the ROM's file name and SHA-256. */
  rom?: { name: string; sha256: string };
  /** Gymnasium with `screen`: how many steps make a second. */
  framesPerSecond?: number;
}

export interface FinishedEpisode {
  /** Index of the environment it ran in. */
  env: number;
  /** The seed that the episode was reset with. */
  seed: number;
  /**
   * How many episodes this environment had started before; unless given, `seed` is `episodeSeed(run seed, env, index)`.
   */
  index: number;
  /** Sum of unclipped rewards (the game score). */
  return: number;
  /** Agent steps. */
  lengthSteps: number;
  /** Emulator frames, no-op start included (Atari); agent steps elsewhere. */
  lengthFrames: number;
  terminated: boolean;
  truncated: boolean;
  /** The observation that the last action led to: a view of one observation. */
  finalObservation: ObservationArray;
}

export interface ResetResult {
  /** [numEnvs, ...observationSpace.shape] */
  observations: ObservationArray;
  /**
   * Lives left, [numEnvs]; all 0 where lives are not counted. An environment written in TypeScript tells them with its
   * steps: 0 where it was just reset.
   */
  lives: Int32Array;
  /** The seed of the episode that each environment is now in, [numEnvs]. */
  seeds: number[];
}

export interface StepResult {
  /** [numEnvs, ...observationSpace.shape]. Where an episode ended: the first observation of the next one. */
  observations: ObservationArray;
  /** Unclipped, [numEnvs]. */
  rewards: Float64Array;
  /** 1 where the episode ended by the rules of the game, [numEnvs]. */
  terminated: Uint8Array;
  /** 1 where the episode was cut off by a time limit: a learner bootstraps here. [numEnvs] */
  truncated: Uint8Array;
  /**
   * Lives left, before any reset (so a drop against the last step is a lost life), [numEnvs]; all 0 where lives are not
   * counted.
   */
  lives: Int32Array;
  /** The episodes that ended with this step, by environment. */
  finished: FinishedEpisode[];
}

/** Where each environment's stream of episodes stands: with settings, seed and actions it is the whole state. */
export interface VectorEnvState {
  /** How many episodes each environment has started. */
  episodesStarted: number[];
}

export interface VectorEnv {
  readonly numEnvs: number;
  readonly observationSpace: BoxSpace;
  readonly actionSpace: DiscreteSpace;
  readonly settings: EnvSettings;
  readonly info: SidecarInfo;
  /**
   * Starts a new episode in every environment, or in those where `mask` is true. The seeds are
   * `episodeSeed(seed, env, episode)` unless given. Observations and seeds of all environments come back, also of those
   * that were not reset.
   */
  reset(options?: { mask?: boolean[]; seeds?: number[] }): Promise<ResetResult>;
  /** One action in each environment; where an episode ends, the next one starts at once from its own seed. */
  step(actions: ArrayLike<number>, options?: { nextSeeds?: number[] }): Promise<StepResult>;
  /**
   * The first half of `step`. With a sidecar it returns at once and the sidecar emulates meanwhile; environments in
   * TypeScript have stepped when it returns. One step may be under way. Throws for impossible arguments and where no
   * step is possible now; all other trouble is for `receive`.
   */
  send(actions: ArrayLike<number>, options?: { nextSeeds?: number[] }): void;
  /** The second half of `step`. */
  receive(): Promise<StepResult>;
  getState(): VectorEnvState;
  setState(state: VectorEnvState): void;
  /** Ends the environments, and the sidecar where there is one; safe to call twice. Later requests reject. */
  close(): Promise<void>;
}
