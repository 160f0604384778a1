import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (file: string) => fileURLToPath(new URL(file, import.meta.url));

export default defineConfig({
  resolve: {
    // Tests run the bridge's sources, not its last build.
    alias: [
      { find: /^gymnasium-js-bridge$/, replacement: source('./envs/src/index.ts') },
      { find: /^gymnasium-js-bridge\/environments$/, replacement: source('./envs/src/environments.ts') },
    ],
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
