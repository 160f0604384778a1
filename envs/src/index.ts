/**
 * Vector environments: Atari and Gymnasium behind a Python sidecar, and environments that are written in
 * TypeScript.
 * @module gymnasium-js-bridge
 */
export { atariGame, isAtariId } from './atari-names.ts';
export { CartPole } from './cart-pole.ts';
export { episodeSeed } from './episode-seed.ts';
export {
  BridgeError,
  EnvClosedError,
  EnvOptionsError,
  EnvValueError,
  NotReproducibleError,
  NoWorkerError,
  ProtocolMismatchError,
  SidecarDiedError,
  SidecarError,
  SidecarReplyError,
  SidecarStartError,
  SidecarTimeoutError,
  UnknownEnvError,
  UnsupportedEnvError,
  WorkerLostError,
} from './errors.ts';
export { type EnvFault, isListenAddress, optionsFrom, type RemoteWorkers, type VectorEnvOptions } from './options.ts';
export { type PlayAgainListener, type PlayedEpisode, playAgain } from './play-again.ts';
export { PROTOCOL_VERSION } from './protocol.ts';
export { findPython } from './python.ts';
export { restartOptions } from './restart-options.ts';
export type * from './types.ts';
export { makeVectorEnv } from './vector-env.ts';
export { type Env, type EnvStep, type VectorizeOptions, vectorize } from './vectorize.ts';
