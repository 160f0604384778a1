import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serialiseSavedModel } from '../runtime/compile/graph-def.ts';
import type { Graph } from './graph.ts';

/**
 * Writes a graph as a SavedModel with the signature `serving_default`; its weights are constants.
 * @param folder An empty folder, or one to be made.
 */
export async function writeSavedModel(folder: string, graph: Graph): Promise<void> {
  const { inputs, outputs } = graph;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'saved_model.pb'), serialiseSavedModel(new Set(graph.live()), { inputs, outputs }));
}
