import { totalmem } from 'node:os';
import { SettingError } from '../settings/index.ts';

/** What TensorFlow, Python and this program take before anything is learned. */
const OTHER_BYTES = 1.5e9;

/** What a setting makes a run keep in memory. */
export interface MemoryNeed {
  readonly key: string;
  readonly value: unknown;
  readonly bytes: number;
}

/** What learning keeps of each weight: it, its gradient, two means of the optimizer, a target network or an average. */
export const COPIES_OF_WEIGHTS = 5;
/** What learning keeps of each activation: it, its gradient, and one that is being worked out. */
export const COPIES_OF_ACTIVATIONS = 3;
const FLOAT32_BYTES = 4;

/** The bytes that so many weights take while they learn. */
export const weightBytes = (weights: number): number => weights * COPIES_OF_WEIGHTS * FLOAT32_BYTES;
/** The bytes that the activations of a minibatch take. */
export const activationBytes = (activations: number): number => activations * COPIES_OF_ACTIVATIONS * FLOAT32_BYTES;

/**
 * Refuses what the machine cannot hold, before the work after which it would fill up. Needs are estimates from below.
 * @param needs By setting; the one with the largest is named.
 * @throws SettingError with a value that fits, where the need grows as the value.
 */
export function checkMachineMemory(needs: readonly MemoryNeed[], machineBytes = memoryOfMachine()): void {
  const total = needs.reduce((sum, { bytes }) => sum + bytes, OTHER_BYTES);
  if (total <= machineBytes) return;
  const { key, value, bytes } = needs.reduce((a, b) => (b.bytes > a.bytes ? b : a));
  const rest = total - bytes;
  const share = Math.max(0, machineBytes - rest) / bytes;
  const fits = typeof value === 'number' ? roundedDown(value * share) : undefined;
  throw new SettingError({
    key,
    value,
    reason:
      `needs ${gigabytes(bytes)} beside ${gigabytes(rest)} for the rest, ` +
      `and this machine has ${gigabytes(machineBytes)}`,
    mend: fits === undefined || fits < 1 ? 'give less' : `give at most ${fits}`,
  });
}

function memoryOfMachine(): number {
  // A container's limit; 0 or absurdly large where there is none.
  const constrained = process.constrainedMemory?.() ?? 0;
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** To two digits. */
function roundedDown(value: number): number {
  if (value < 10) return Math.floor(value);
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return Math.floor(value / unit) * unit;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
