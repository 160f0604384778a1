// The state of what is trained, as a checkpoint keeps it.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Float16Array } from '@petamoriken/float16';
import { z } from 'zod';
import { DamagedFileError } from '../files/errors.ts';
import { readJson } from '../files/json.ts';
import {
  readSafetensors,
  type SafetensorsTensor,
  type WritableTensor,
  writeSafetensors,
} from '../files/safetensors.ts';
import { RunFolderError } from './errors.ts';
import { checkFinite } from './finite.ts';
import type { State, StoredTensors } from './trainable.ts';

const VALUES_FILE = 'state.json';
const TENSORS_FILE = 'state.safetensors';
const LOOP_FILE = 'run.json';
/** In place of the others, in a checkpoint that holds the network alone. */
const NETWORK_FILE = 'network.safetensors';

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
  /** Whether the checkpoint came of a stop or a fault, and makes way for the next one. */
  interim: z.literal(true).optional(),
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

/**
 * The state of what is trained in a checkpoint.
 * @throws DamagedFileError for a file that is not whole; RunFolderError for a checkpoint of a network alone.
 */
export async function readState(folder: string): Promise<State<StoredTensors>> {
  refuseNetworkAlone(folder);
  const old = OLD_FILES.find(({ tensors }) => existsSync(join(folder, tensors)));
  const { values: valuesFile, tensors: tensorsFile } = old ?? { values: VALUES_FILE, tensors: TENSORS_FILE };
  const values = await readJson(join(folder, valuesFile), z.record(z.string(), z.unknown()));
  const { tensors } = await readSafetensors(join(folder, tensorsFile));
  return { values, tensors };
}

/**
 * Writes a checkpoint that plays and is not trained further into an existing folder.
 * @param tensors The network's, under the names that a whole state has for them; float16 where half of the size will
 *   do.
 */
export async function writeNetworkAlone(folder: string, tensors: Record<string, WritableTensor>): Promise<void> {
  await writeSafetensors(join(folder, NETWORK_FILE), tensors);
}

/** The tensors of a checkpoint, whole or of a network alone, as float32. @throws What `readState` throws. */
export async function readNetworkTensors(folder: string): Promise<StoredTensors> {
  const path = join(folder, NETWORK_FILE);
  if (!existsSync(path)) return (await readState(folder)).tensors;
  const { tensors } = await readSafetensors(path);
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, asFloat32(tensor)]));
}

function asFloat32(tensor: SafetensorsTensor): SafetensorsTensor {
  if (tensor.dtype !== 'F16') return tensor;
  return { dtype: 'F32', shape: tensor.shape, data: Float32Array.from(new Float16Array(tensor.data.buffer)) };
}

function refuseNetworkAlone(folder: string): void {
  if (!existsSync(join(folder, NETWORK_FILE))) return;
  throw new RunFolderError(`${folder} holds the network alone: its agent plays, and cannot be trained further`);
}

/** @throws What `readState` throws. */
export async function readLoopState(folder: string): Promise<LoopState> {
  refuseNetworkAlone(folder);
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
