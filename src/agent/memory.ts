import { totalmem } from 'node:os';
import type { VectorEnv } from 'gymnasium-js-bridge';
import { type ReplayOptions, replayBytes } from '../replay/index.ts';
import { SettingError } from '../settings/index.ts';
import type { AgentSettings } from './settings.ts';
import { stateOptions } from './states.ts';

/** Beside the replay: TensorFlow, networks, batches, the emulators. */
const OTHER_BYTES = 1.5e9;

/**
 * Refuses a replay that the machine cannot hold, before the hours after which it would fill up.
 * @throws SettingError with the capacity that fits.
 */
export function checkMemory(
  settings: AgentSettings & { replayCapacity?: number; replayCompression?: ReplayOptions['replayCompression'] },
  env: VectorEnv,
  machineBytes = memoryOfMachine(),
): void {
  const { replayCapacity: capacity, replayCompression = 'none' } = settings;
  if (capacity === undefined) return;
  const bytes = replayBytes({ capacity, replayCompression, ...stateOptions(settings, env) });
  if (bytes + OTHER_BYTES <= machineBytes) return;
  const fits = Math.floor((machineBytes - OTHER_BYTES) / (bytes / capacity) / 1000) * 1000;
  throw new SettingError({
    key: 'replayCapacity',
    value: capacity,
    reason:
      `needs ${gigabytes(bytes)} beside ${gigabytes(OTHER_BYTES)} for the rest, and this machine has ` +
      gigabytes(machineBytes),
    mend: `give at most ${Math.max(0, fits)}`,
  });
}

function memoryOfMachine(): number {
  // A container's limit; 0 or absurdly large where there is none.
  const constrained = process.constrainedMemory?.() ?? 0;
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
