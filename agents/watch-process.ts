// The process that `view-runs` starts where an agent is watched: it answers its parent's questions one after the other,
// and ends with it.
import { SidecarError } from 'gymnasium-js-bridge';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';
import { describeProblem, SettingError } from '../src/settings/index.ts';
import type { WatchAnswer, WatchRequest } from '../src/viewer/watch-api.ts';
import { WatchRoom } from '../src/watch/index.ts';
import { findAgent } from './registry.ts';

const room = new WatchRoom({ find: findAgent, trustModules: process.argv.includes('--trust-modules') });
let work: Promise<void> = Promise.resolve();

process.on('disconnect', () => process.exit());
process.on('message', ({ id, request }: { id: number; request: WatchRequest }) => {
  work = work.then(async () => {
    const answer = await answerTo(request);
    if (process.connected) process.send?.({ id, answer });
  });
});

async function answerTo(request: WatchRequest): Promise<WatchAnswer> {
  try {
    loadTensorFlow();
    return await room.answer(request);
  } catch (error) {
    return { problem: lineOf(error).replaceAll(/\s*\n\s*/g, ' ') };
  }
}

function lineOf(error: unknown): string {
  if (error instanceof SidecarError) return error.describe();
  if (error instanceof SettingError) {
    const { key, value, reason, mend, meant } = error;
    const spell = (name: string) => (name === 'trustModules' ? 'view-runs --trust-modules' : name);
    return describeProblem({ key, value, reason, mend, meant }, spell);
  }
  return error instanceof Error ? error.message : String(error);
}
