// An agent that plays, small enough to keep in a repository or to send by mail.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { networkTensors } from '../agent/stored-network.ts';
import { Checkpoints } from '../runs/checkpoints.ts';
import type { RunDescription } from '../runs/description.ts';
import { writeNetworkAlone } from '../runs/state.ts';
import { halfTensor } from './safetensors.ts';

/** What is kept of a run. */
export interface KeptAgent {
  readonly description: RunDescription;
  /** Agent step of the checkpoint. */
  readonly step: number;
  readonly network: tf.LayersModel;
  /** Weights as float16. */
  readonly half?: boolean | undefined;
}

/**
 * Writes a run folder with one checkpoint, of the network alone: what evaluates, watches and exports agents reads it.
 * Weight normalisation stays as it was learned, g and v.
 * @throws ExportError for a weight that float16 cannot hold, by name.
 */
export async function writeAgentFolder(folder: string, { description, step, network, half }: KeptAgent): Promise<void> {
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(description, null, 2)}\n`);
  const tensors = Object.entries(networkTensors(network)).map(([name, { shape, data }]) => [
    name,
    half ? halfTensor({ name, shape, data: data as Float32Array }) : { dtype: 'F32' as const, shape, data },
  ]);
  await new Checkpoints(folder).write(step, { keep: 1 }, (made) =>
    writeNetworkAlone(made, Object.fromEntries(tensors)),
  );
}
