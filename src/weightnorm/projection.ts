// Kernels put back to their first length after an update.
import * as tf from '@tensorflow/tfjs';
import { inBroadcastShape } from './kernels.ts';
import { type ModelKernel, modelKernels } from './model-kernels.ts';
import { unitAxes } from './units.ts';

/** How kernels can be projected: see {@link createWeightProjection}. */
export const WEIGHT_PROJECTIONS = ['direction', 'gain'] as const;
/** The name of a projection. */
export type WeightProjectionKind = (typeof WEIGHT_PROJECTIONS)[number];

/** What is projected. */
export interface WeightProjectionOptions {
  readonly kind: WeightProjectionKind;
  /** Whether the kernels that give the model's output are left alone. Default true. */
  readonly excludeOutput?: boolean;
}

/** When a projection takes place, and who hears of it. */
export interface ProjectOptions {
  /** A boolean; where it is false nothing changes. True unless given. */
  readonly isDue?: tf.Scalar | undefined;
  /**
   * Hears of each v that was divided by `factor`, of a shape that broadcasts against it: gradients with respect to it
   * are `factor` times as large from here on. Not of plain kernels, whose function changes with their length.
   */
  readonly onRescaled?: (variable: tf.Variable, factor: tf.Tensor) => void;
}

/** The first lengths of a model's kernels, and the way back to them. */
export interface WeightProjection {
  /** The first lengths by name, such as `conv1/kernel/firstNorm`: for checkpoints. */
  readonly slots: Readonly<Record<string, tf.Variable>>;
  /** Puts each unit of the kernels back to its first length. Reads no value: it may be part of a compiled step. */
  project(options?: ProjectOptions): void;
  /** Takes the present lengths for the first ones, after weights were loaded or initialised from data. */
  restart(): void;
  /** Frees the slots; the model stays. */
  dispose(): void;
}

/**
 * Puts the kernels of a model back to their first lengths, unit by unit, with rho the length at first:
 *
 * - `direction`: v <- rho v/||v|| of kernels with weight normalization. w = g v/||v|| stays as it is, and so does every
 *   output; what changes is the effective learning rate, proportional to 1/||v||^2, which the growth of ||v|| lowers.
 * - `gain`: besides, w keeps its length: g <- its first value, and w <- rho w/||w|| of plain kernels
 *   (normalize-and-project, Lyle et al. 2024, arXiv:2407.01800; CrossQ + WN, arXiv:2502.07523, where rho is 1).
 *
 * A unit whose v is 0 is left alone.
 * @throws If the model has no kernel to project, or one whose normalization is not weight normalization; with
 *   `direction` also for plain kernels.
 */
export function createWeightProjection(
  model: tf.LayersModel,
  { kind, excludeOutput = true }: WeightProjectionOptions,
): WeightProjection {
  const projected = modelKernels(model).filter(({ isOutput }) => !(excludeOutput && isOutput));
  if (projected.length === 0) {
    const but = excludeOutput ? ' but those that give its output' : '';
    throw new Error(`createWeightProjection: model "${model.name}" has no dense or convolution kernels${but}`);
  }
  for (const { layer, kernel } of projected) checkKernel(layer, kernel, kind);
  const slots: Record<string, tf.Variable> = {};
  const parts = projected.map(({ layer, kernel }) => {
    const firstNorm = tf.tidy(() => tf.variable(normsOf(kernel), false));
    slots[`${layer}/${kernel.name}/firstNorm`] = firstNorm;
    const gain = kind === 'gain' && typeof kernel.gain === 'object' ? kernel.gain : undefined;
    const firstGain = gain && tf.tidy(() => tf.variable(gain.read(), false));
    if (firstGain) slots[`${layer}/${kernel.name}/firstGain`] = firstGain;
    return { kernel, firstNorm, gain, firstGain };
  });
  return {
    slots,
    project({ isDue, onRescaled } = {}) {
      const whereDue = (due: tf.Tensor, present: tf.Tensor) => (isDue ? tf.where(isDue, due, present) : due);
      // A tidy for each kernel: only one kernel's intermediates live at a time.
      for (const { kernel, firstNorm, gain, firstGain } of parts) {
        tf.tidy(() => {
          const variable = kernel.variable.read() as tf.Variable;
          const norms = normsOf(kernel);
          const ones = tf.onesLike(norms);
          const isLong = tf.logicalAnd(tf.greater(norms, 0), tf.greater(firstNorm, 0));
          const factors = whereDue(tf.where(isLong, tf.div(norms, tf.where(isLong, firstNorm, ones)), ones), ones);
          const factor = inBroadcastShape(kernel, factors);
          kernel.variable.write(tf.div(variable, factor));
          if (kernel.normalization !== undefined) onRescaled?.(variable, factor);
          if (firstGain) gain!.write(whereDue(firstGain, gain!.read()));
        });
      }
    },
    restart() {
      for (const { kernel, firstNorm, gain, firstGain } of parts) {
        tf.tidy(() => {
          firstNorm.assign(normsOf(kernel));
          firstGain?.assign(gain!.read() as tf.Tensor<tf.Rank>);
        });
      }
    },
    dispose() {
      tf.dispose(slots);
    },
  };
}

/** ||v|| of each unit, [units]. */
function normsOf({ variable, unitAxes: axes }: ModelKernel['kernel']): tf.Tensor1D {
  const v = variable.read();
  const { reduced } = unitAxes(v.shape, axes);
  return tf.reshape(tf.sqrt(tf.sum(tf.square(v), reduced)), [-1]);
}

function checkKernel(layer: string, { normalization }: ModelKernel['kernel'], kind: WeightProjectionKind): void {
  if (normalization === 'weight' || (normalization === undefined && kind === 'gain')) return;
  const has = normalization === undefined ? 'no weight normalization' : `the normalization '${normalization}'`;
  const mend = normalization === undefined ? "give it 'weight', or project with 'gain'" : "give it 'weight'";
  throw new Error(`createWeightProjection: layer "${layer}" has ${has}, so '${kind}' cannot project it: ${mend}`);
}
