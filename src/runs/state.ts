// The state of what is trained, as a checkpoint keeps it.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DamagedFileError } from '../files/errors.ts';
import { readJson } from '../files/json.ts';
import { readSafetensors, writeSafetensors } from '../files/safetensors.ts';
import { checkFinite } from './finite.ts';
import type { State, StoredTensors } from './trainable.ts';

const VALUES_FILE = 'state.json';
const TENSORS_FILE = 'state.safetensors';
const LOOP_FILE = 'run.json';

/** What version 0.1.0 called these files: of agents, and of supervised tasks. */
const OLD_FILES = [
  { values: 'agent.json', tensors: 'agent.safetensors' },
  { values: 'trainer.json', tensors: 'variables.safetensors' },
];

const numbers = z.record(z.string(), z.number());
const sums = z.record(z.string(), z.strictObject({ sum: z.number(), count: z.number() }));

/** What the loop itself remembers in a checkpoint. */
const loopSchema = z.strictObject({
  formatVersion: z.literal(2),
  wallSeconds: z.number().min(0),
  /** Where the last line of means was written, in the run's unit. */
  reportedAt: z.int().min(0),
  /** The settings of config.json, which a resumed run must still have. */
  settings: z.record(z.string(), z.unknown()).optional(),
  /** What was gathered since the last line of means. */
  sums,
  /** The numbers of the newest event of each kind. */
  latest: z.partialRecord(z.enum(['progress', 'epoch', 'evaluation', 'diagnostics']), numbers),
  /** The state of trackers, by their names. */
  trackers: z.record(z.string(), z.unknown()),
});
/** What the loop itself remembers in a checkpoint. */
export type LoopState = z.infer<typeof loopSchema>;

/** Writes a state into an existing folder. @throws DivergedError where a number of it is not finite. */
export async function writeState(folder: string, { values, tensors }: State, loop: LoopState): Promise<void> {
  checkFinite(tensors);
  await writeSafetensors(join(folder, TENSORS_FILE), tensors);
  await writeFile(join(folder, VALUES_FILE), `${JSON.stringify(values, null, 2)}\n`, { flush: true });
  await writeFile(join(folder, LOOP_FILE), `${JSON.stringify(loop, null, 2)}\n`, { flush: true });
}

/** The state of what is trained in a checkpoint. @throws DamagedFileError for a file that is not whole. */
export async function readState(folder: string): Promise<State<StoredTensors>> {
  const old = OLD_FILES.find(({ tensors }) => existsSync(join(folder, tensors)));
  const { values: valuesFile, tensors: tensorsFile } = old ?? { values: VALUES_FILE, tensors: TENSORS_FILE };
  const values = await readJson(join(folder, valuesFile), z.record(z.string(), z.unknown()));
  const { tensors } = await readSafetensors(join(folder, tensorsFile));
  return { values, tensors };
}

/** @throws DamagedFileError for a file that is not whole. */
export async function readLoopState(folder: string): Promise<LoopState> {
  const path = join(folder, LOOP_FILE);
  if (existsSync(path)) return readJson(path, loopSchema);
  const oldPath = join(folder, 'trainer.json');
  if (!existsSync(oldPath)) throw new DamagedFileError(path, 'it is missing');
  return loopStateOfVersion010(await readJson(oldPath, z.union([oldAgentSchema, oldSupervisedSchema])));
}

const common = { metricsBytes: z.int().min(0), wallSeconds: z.number().min(0) };
const oldAgentSchema = z.object({
  ...common,
  episodes: z.int().min(0),
  recentReturns: z.array(z.number()),
  sums: z.object({ loss: z.number(), meanQ: z.number(), updates: z.int() }),
  sidecarRestarts: z.int().optional(),
});
const oldSupervisedSchema = z.object({ ...common, recentSums: sums, metrics: numbers });

function loopStateOfVersion010(old: z.infer<typeof oldAgentSchema> | z.infer<typeof oldSupervisedSchema>): LoopState {
  const { metricsBytes, wallSeconds } = old;
  const state = { formatVersion: 2, wallSeconds, reportedAt: 0 } as const;
  const metrics = { bytes: metricsBytes };
  if ('recentSums' in old) {
    const test = Object.entries(old.metrics).filter(([name]) => name.startsWith('test'));
    const train = Object.entries(old.metrics).filter(([name]) => !name.startsWith('test'));
    const latest = { epoch: Object.fromEntries(train), evaluation: Object.fromEntries(test) };
    return { ...state, sums: old.recentSums, latest, trackers: { metrics } };
  }
  const { loss, meanQ, updates } = old.sums;
  const count = updates;
  return {
    ...state,
    sums: count === 0 ? {} : { loss: { sum: loss, count }, meanQ: { sum: meanQ, count } },
    latest: {},
    trackers: {
      metrics,
      scores: { episodes: old.episodes, recentReturns: old.recentReturns },
      recovery: { restarts: old.sidecarRestarts ?? 0 },
    },
  };
}
