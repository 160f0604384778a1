// A layer's kernels with their gains: what every normalised layer, whatever its kind, is made of.
import * as tf from '@tensorflow/tfjs';
import { centeredWeightNormalize, scaledStandardizeWeights, standardizeWeights } from './kernel-normalizations.ts';
import { unitNorms, weightNormalize } from './normalize.ts';
import type { KernelNormalization, NormalizationSettings } from './options.ts';
import { unitAxes } from './units.ts';

/**
 * One kernel of a layer and how it is normalised. Dense and convolution layers have one, separable and recurrent ones
 * two.
 */
export interface NormalizedKernel {
  /** Name of the variable in its layer: `kernel`, `depthwise_kernel`, `recurrent_kernel`, ... */
  readonly name: string;
  /** v, or w itself without a normalization. */
  readonly variable: tf.LayerVariable;
  /** The axes of v that count units, from the front. */
  readonly unitAxes: readonly number[];
  /** Undefined: v is used as it is. */
  readonly normalization: KernelNormalization | undefined;
  /**
   * g: a variable, `[units]` (flattened where there are several unit axes), a constant for all units, or undefined
   * where the normalization has none.
   */
  readonly gain: tf.LayerVariable | number | undefined;
  readonly epsilon: number;
  /** The gain of scaled weight standardization for the activation that follows. */
  readonly activationGain: number;
}

/**
 * A layer's kernel with the gain that the settings ask for, which starts at w = v. `addGain` makes the variable,
 * `[units]`, where g is learned.
 * @throws If the kernel cannot be normalised so, before a gain is made.
 */
export function makeKernel(
  { name, variable, unitAxes: axes }: Pick<NormalizedKernel, 'name' | 'variable' | 'unitAxes'>,
  { kernelNormalization: normalization, epsilon, activationGain, fixedGain }: NormalizationSettings,
  addGain: (units: number) => tf.LayerVariable,
): NormalizedKernel {
  const rank = variable.shape.length;
  const fromFront = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  const bare = { name, variable, unitAxes: fromFront, normalization, gain: undefined, epsilon, activationGain };
  if (normalization === undefined) return bare;
  effectiveTensor(bare, 1).dispose(); // refuses what it cannot normalise
  if (normalization === 'weight-standardization') return bare;
  if (fixedGain !== undefined) return { ...bare, gain: fixedGain };
  const gain = addGain(unitsOf(bare));
  const start = normPreservingGain(bare);
  gain.write(start);
  start.dispose();
  return { ...bare, gain };
}

export type Regularizer = Parameters<tf.layers.Layer['addWeight']>[4];

/**
 * Whether a penalty on w is the same one on g: L2 where the length of w is g, as sum(w^2) = g^2. Not of scaled weight
 * standardization, whose length has a factor and a limit.
 */
export function isPenaltyOfGain(regularizer: Regularizer, normalization: KernelNormalization | undefined): boolean {
  if (normalization !== 'weight' && normalization !== 'centered-weight') return false;
  return regularizer?.getClassName() === 'L1L2' && regularizer.getConfig().l1 === 0;
}

/** The penalty on w, as a loss of the layer. */
export function penaltyOfEffective(kernel: NormalizedKernel, regularizer: NonNullable<Regularizer>): () => tf.Scalar {
  return () => tf.tidy(() => regularizer.apply(effectiveTensor(kernel)));
}

/** How many units a kernel has. */
export function unitsOf({ variable, unitAxes: axes }: Pick<NormalizedKernel, 'variable' | 'unitAxes'>): number {
  return axes.reduce((product, axis) => product * (variable.shape as number[])[axis]!, 1);
}

/** Per-unit values, `[units]`, in the shape of a kernel's unit axes. */
export function inUnitShape(kernel: NormalizedKernel, values: tf.Tensor): tf.Tensor {
  const { unitShape } = unitAxes(kernel.variable.shape as number[], kernel.unitAxes);
  return unitShape.length === 1 ? values : tf.reshape(values, unitShape);
}

/** Per-unit values, `[units]`, in a shape that broadcasts against the kernel. */
export function inBroadcastShape(kernel: NormalizedKernel, values: tf.Tensor): tf.Tensor {
  return tf.reshape(values, unitAxes(kernel.variable.shape as number[], kernel.unitAxes).keptShape);
}

/**
 * w, the kernel that the layer applies, in the shape of v; differentiable with respect to v and g. A new tensor. With
 * `gain`, `[units]` or one number, that takes the place of g.
 */
export function effectiveTensor(
  kernel: NormalizedKernel,
  gain: tf.Tensor | number | undefined = gainOf(kernel),
): tf.Tensor {
  const { unitAxes: unitAxis, epsilon, activationGain } = kernel;
  const v = kernel.variable.read();
  if (kernel.normalization === undefined) return v.clone();
  if (kernel.normalization === 'weight-standardization') return standardizeWeights(v, { unitAxis, epsilon });
  return tf.tidy(() => {
    const g = inUnitShape(kernel, typeof gain === 'number' ? tf.fill([unitsOf(kernel)], gain) : gain!);
    switch (kernel.normalization) {
      case 'centered-weight':
        return centeredWeightNormalize(v, g, { unitAxis, epsilon });
      case 'scaled-weight-standardization':
        return scaledStandardizeWeights(v, g, { unitAxis, epsilon, activationGain });
      default:
        return weightNormalize(v, g, { unitAxis, epsilon });
    }
  });
}

function gainOf({ gain }: NormalizedKernel): tf.Tensor | number | undefined {
  return typeof gain === 'object' ? gain.read() : gain;
}

/**
 * The g with which w is as long as v (less its mean, where v is centred), `[units]`; 1 with scaled weight
 * standardization.
 */
export function normPreservingGain(kernel: NormalizedKernel): tf.Tensor {
  const { unitAxes: unitAxis, epsilon, normalization } = kernel;
  const v = kernel.variable.read();
  return tf.tidy(() => {
    if (normalization === 'scaled-weight-standardization') return tf.ones([unitsOf(kernel)]);
    const { reduced } = unitAxes(v.shape, unitAxis);
    const direction = normalization === 'centered-weight' ? tf.sub(v, tf.mean(v, reduced, true)) : v;
    return tf.reshape(unitNorms(direction, epsilon, unitAxis), [-1]);
  });
}
