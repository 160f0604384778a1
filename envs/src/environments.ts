/**
 * Environments written in TypeScript, without a sidecar: nothing here needs Node, so it runs in a browser too.
 * @module gymnasium-js-bridge/environments
 */
export { atariGame, isAtariId } from './atari-names.ts';
export { CartPole } from './cart-pole.ts';
export { episodeSeed } from './episode-seed.ts';
export { BridgeError, EnvClosedError, EnvOptionsError, EnvValueError, NotReproducibleError } from './errors.ts';
export { type PlayAgainListener, type PlayedEpisode, playAgain } from './play-again.ts';
export type * from './types.ts';
export { type Env, type EnvStep, type VectorizeOptions, vectorize } from './vectorize.ts';
