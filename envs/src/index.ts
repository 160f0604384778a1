export { episodeSeed } from './episode-seed.ts';
export {
  BridgeError,
  EnvClosedError,
  EnvOptionsError,
  ProtocolMismatchError,
  SidecarDiedError,
  SidecarError,
  SidecarStartError,
  SidecarTimeoutError,
  UnknownEnvError,
  UnsupportedEnvError,
} from './errors.ts';
export { optionsFrom, type VectorEnvOptions } from './options.ts';
export { PROTOCOL_VERSION } from './protocol.ts';
export { findPython } from './python.ts';
export type * from './types.ts';
export { makeVectorEnv } from './vector-env.ts';
