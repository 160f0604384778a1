import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    // Tests run the bridge's sources, not its last build.
    alias: { 'gymnasium-js-bridge': fileURLToPath(new URL('./envs/src/index.ts', import.meta.url)) },
  },
  test: {
    include: ['test/**/*.test.ts'],
    // The TensorFlow addon and zeromq are native: one process a file, and never worker threads (tfjs#8388).
    pool: 'forks',
    maxWorkers: 2,
    // Against a test that hangs, not a measure of time: on one busy core a test takes ten times as long as alone.
    testTimeout: 900_000,
    hookTimeout: 900_000,
  },
});
