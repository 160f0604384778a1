import { Float16Array } from '@petamoriken/float16';
import { type WritableTensor, writeSafetensors } from '../files/safetensors.ts';
import type { Graph, Weight } from './graph.ts';
import { ExportError } from './layers.ts';

/** The largest number of float16. */
const LARGEST_HALF = 65_504;

/**
 * Writes the weights of a graph as one safetensors file: dense kernels [inputs, units], those of convolutions [height,
 * width, channels, filters].
 * @param half As float16, each rounded to the nearest.
 * @throws ExportError for a weight that float16 cannot hold, by name.
 */
export async function writeWeights(
  path: string,
  { weights }: Graph,
  { half = false, metadata = {} }: { half?: boolean | undefined; metadata?: Record<string, string> } = {},
): Promise<void> {
  const tensors = weights.map((weight) => [weight.name, half ? halfTensor(weight) : floatTensor(weight)] as const);
  await writeSafetensors(path, Object.fromEntries(tensors), metadata);
}

function floatTensor({ shape, data }: Weight): WritableTensor {
  return { dtype: 'F32', shape, data };
}

/** A weight as float16. @throws ExportError where float16 cannot hold it, by name. */
export function halfTensor({ name, shape, data }: Weight): WritableTensor {
  const tooLarge = data.find((value) => !(Math.abs(value) <= LARGEST_HALF));
  if (tooLarge !== undefined) {
    throw new ExportError(`weight "${name}" holds ${tooLarge}, and float16 ends at ${LARGEST_HALF}: leave --half out`);
  }
  return { dtype: 'F16', shape, data: new Uint16Array(new Float16Array(data).buffer) };
}
