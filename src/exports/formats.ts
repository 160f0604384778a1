import { join } from 'node:path';
import { nearest, SettingError } from '../settings/index.ts';
import type { Graph } from './graph.ts';
import { writeWeights } from './safetensors.ts';
import { writeSavedModel } from './saved-model.ts';
import { writeTfjsGraph } from './tfjs.ts';

/** How agents are exported. */
export const EXPORT_FORMATS = ['tfjs', 'saved-model', 'onnx', 'safetensors', 'agent'] as const;
/** The name of a format. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
/** Those that have the network with plain weights; `agent` has it as it is trained. */
export type GraphFormat = Exclude<ExportFormat, 'agent'>;
/** Those that may have float16. */
export const HALF_FORMATS: readonly ExportFormat[] = ['safetensors', 'agent'];

/** @throws SettingError for a name that is no format, with what was probably meant. */
export function checkFormat(format: string): ExportFormat {
  const known = EXPORT_FORMATS.find((name) => name === format);
  if (known !== undefined) return known;
  const meant = nearest(format, EXPORT_FORMATS);
  const mend = meant === undefined ? `use one of ${EXPORT_FORMATS.join(', ')}` : `did you mean ${meant}?`;
  throw new SettingError({ key: 'format', value: format, reason: 'is no format', mend });
}

export interface WriteOptions {
  /** float16 in place of float32; `safetensors` only. */
  half?: boolean | undefined;
  /** Kept in the file where the format has room for it. */
  metadata?: Record<string, string>;
}

/** Writes a graph into an empty folder: `model.json` and `weights.bin`, `saved_model.pb`, or `model.NAME`. */
export async function writeGraph(
  folder: string,
  format: GraphFormat,
  graph: Graph,
  { half, metadata = {} }: WriteOptions = {},
): Promise<void> {
  switch (format) {
    case 'tfjs':
      return writeTfjsGraph(folder, graph);
    case 'saved-model':
      return writeSavedModel(folder, graph);
    case 'onnx': {
      const { writeOnnx } = await import('./onnx.ts'); // its messages take a while to load
      return writeOnnx(join(folder, 'model.onnx'), graph, metadata);
    }
    case 'safetensors':
      return writeWeights(join(folder, 'model.safetensors'), graph, { half, metadata });
  }
}
