// A run's description as rows of text, for tables.
import type { RunDescription } from '../runs/description.ts';

export type TextRows = readonly (readonly [name: string, value: string])[];

/** Every setting as text, in the order of the description. */
export function settingRows({ settings }: RunDescription): TextRows {
  return Object.entries(settings).map(([key, value]) => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
}

/** Where it ran. */
export function machineRows({ machine }: RunDescription): TextRows {
  if (machine === null) return [];
  const { cpu, cores, cpuFeatures, memoryBytes, device } = machine;
  return [
    ['processor', cpu],
    ['cores', String(cores)],
    ['instructions', cpuFeatures.join(', ') || '-'],
    ['memory', `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`],
    ['TensorFlow computes on', device],
  ];
}

/** With what it was made: versions, the emulator and its game. */
export function packageRows({ packages, environment }: RunDescription): TextRows {
  const { rom } = environment ?? {};
  return [
    ...Object.entries(packages),
    ...Object.entries(environment?.packages ?? {}),
    ...(rom === undefined ? [] : [[`ROM ${rom.name}`, `SHA-256 ${rom.sha256}`] as const]),
  ];
}
