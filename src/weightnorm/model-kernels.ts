// The kernels of a whole model, of normalised layers and of those of tf.layers.
import * as tf from '@tensorflow/tfjs';
import type { NormalizedKernel } from './kernels.ts';

/** A kernel of a model. */
export interface ModelKernel {
  /** Name of its layer: "conv1", or "encoder/conv1" in a nested model. */
  readonly layer: string;
  readonly kernel: NormalizedKernel;
  /** Whether no layer with a kernel follows: its layer gives the model's output, perhaps through others. */
  readonly isOutput: boolean;
}

/** Where the layers of tf.layers have their kernel, and which of its axes count units. */
const PLAIN_KERNELS: Readonly<Record<string, { property: string; name: string; unitAxes: readonly number[] }>> = {
  Dense: { property: 'kernel', name: 'kernel', unitAxes: [-1] },
  Conv1D: { property: 'kernel', name: 'kernel', unitAxes: [-1] },
  Conv2D: { property: 'kernel', name: 'kernel', unitAxes: [-1] },
  Conv3D: { property: 'kernel', name: 'kernel', unitAxes: [-1] },
  Conv2DTranspose: { property: 'kernel', name: 'kernel', unitAxes: [-2] },
  DepthwiseConv2D: { property: 'depthwiseKernel', name: 'depthwise_kernel', unitAxes: [-2, -1] },
};

/**
 * All kernels of a model in the order of its layers, nested models included; those of a layer used twice once. Layers
 * inside wrappers such as timeDistributed are not found.
 */
export function modelKernels(model: tf.LayersModel): ModelKernel[] {
  const seen = new Set<tf.LayerVariable>();
  return kernelsIn(model, '', true).filter(({ kernel: { variable } }) => !seen.has(variable) && seen.add(variable));
}

function kernelsIn(model: tf.LayersModel, prefix: string, isLast: boolean): ModelKernel[] {
  return [...new Set(model.layers)].flatMap((layer) => {
    const isOutput = isLast && !isBeforeKernel(layer);
    if (layer instanceof tf.LayersModel) return kernelsIn(layer, `${prefix}${layer.name}/`, isOutput);
    return kernelsOf(layer).map((kernel) => ({ layer: prefix + layer.name, kernel, isOutput }));
  });
}

/** Whether a layer with a kernel takes what this one gives, at once or through others. */
function isBeforeKernel({ outboundNodes }: tf.layers.Layer): boolean {
  return outboundNodes.some(({ outboundLayer }) => hasKernel(outboundLayer) || isBeforeKernel(outboundLayer));
}

function hasKernel(layer: tf.layers.Layer): boolean {
  return layer instanceof tf.LayersModel ? modelKernels(layer).length > 0 : kernelsOf(layer).length > 0;
}

function kernelsOf(layer: tf.layers.Layer): readonly NormalizedKernel[] {
  const { kernels } = layer as { kernels?: readonly NormalizedKernel[] };
  return kernels ?? plainKernels(layer);
}

function plainKernels(layer: tf.layers.Layer): NormalizedKernel[] {
  const known = PLAIN_KERNELS[layer.getClassName()];
  const variable = known && (layer as unknown as Record<string, tf.LayerVariable | null>)[known.property];
  if (!known || !variable) return [];
  const { name, unitAxes } = known;
  return [{ name, variable, unitAxes, normalization: undefined, gain: undefined, epsilon: 0, activationGain: 1 }];
}
