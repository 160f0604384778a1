"""The Python side of gymnasium-js-bridge: runs Atari and Gymnasium environments for a TypeScript client over ZeroMQ."""
