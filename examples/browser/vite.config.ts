// Static pages in examples/browser/dist, which work from any server and any folder of it.
import { fileURLToPath } from 'node:url';
import type { UserConfig } from 'vite';

const place = (file: string) => fileURLToPath(new URL(file, import.meta.url));

export default {
  root: place('.'),
  base: './',
  resolve: {
    alias: [{ find: /^gymnasium-js-bridge\/environments$/, replacement: place('../../envs/src/environments.ts') }],
  },
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 2000, // tfjs
    reportCompressedSize: false,
    rollupOptions: { input: { cartpole: place('./cartpole.html'), atari: place('./atari.html') } },
  },
} satisfies UserConfig;
