// Normalisations of kernels that centre them: relatives of weight normalization.
import * as tf from '@tensorflow/tfjs';
import { isDifferentiatedAgain, type WeightNormalizeOptions, weightNormalize } from './normalize.ts';
import { checkEpsilon, checkFanIn, checkFloat, checkUnitShape, shaped, type UnitAxis, unitAxes } from './units.ts';

/** Added to a unit's standard deviation by `standardizeWeights`: that of Qiao et al. */
export const STANDARDIZE_EPSILON = 1e-5;
/** Least variance times fan-in in `scaledStandardizeWeights`: that of Brock et al. */
export const SCALED_STANDARDIZE_EPSILON = 1e-4;

/**
 * Centred weight normalization (Huang et al. 2017, "Centered Weight Normalization in Accelerating Training of Deep
 * Neural Networks"):
 *
 *   u = v - mean(v),  w = s u / ||u||,  ||u|| = sqrt(sum(u^2) + epsilon), per output unit.
 *
 * For s = 1, dL/dv = (1/||u||) [dL/dw - (w . dL/dw) w - mean(dL/dw)].
 *
 * @param v Direction, float32, any shape.
 * @param s Scale: learned, in a shape that `weightNormalize` takes for g, or one number for all units (the authors'
 *   fixed one is sqrt(2), for ReLU).
 * @returns w, in the shape of v; the mean of each unit is 0. Equal elements give w = 0 if float32 has their mean, else
 *   its rounding over sqrt(epsilon): from 10 on that is noise of full length.
 * @throws As `weightNormalize`, and where a unit has one element.
 */
export function centeredWeightNormalize(
  v: tf.Tensor,
  s: tf.Tensor | number,
  options: WeightNormalizeOptions = {},
): tf.Tensor {
  const { unitAxis = -1 } = options;
  checkFloat('centeredWeightNormalize', 'v', v);
  checkFanIn('centeredWeightNormalize', v, unitAxis);
  return tf.tidy(() => {
    const { unitShape } = unitAxes(v.shape, unitAxis);
    return weightNormalize(centered(v, unitAxis), typeof s === 'number' ? tf.fill(unitShape, s) : s, options);
  });
}

/** How `standardizeWeights` goes about it. */
export interface StandardizeWeightsOptions {
  /** As for `weightNormalize`. Default -1. */
  unitAxis?: UnitAxis;
  /** Added to the standard deviation. Default {@link STANDARDIZE_EPSILON}. */
  epsilon?: number;
}

/**
 * Weight standardization (Qiao et al. 2019, arXiv 1903.10520):
 *
 *   w = (v - mean(v)) / (std(v) + epsilon), per output unit; std is the population's.
 *
 * It has no gain: it is meant to be followed by group normalization. A unit of equal elements gives a finite gradient,
 * and w = 0 if float32 has their mean; else w is the mean's rounding over (itself + epsilon): 0.003 for 0.3, noise of
 * size 1 for 1000.1. From std(v) sqrt(fan-in) = 1.8e19 on w and the gradient are 0, as in `weightNormalize`.
 *
 * @returns w, in the shape of v.
 * @throws If the unit axes or epsilon are impossible, or a unit has one element.
 */
export function standardizeWeights(v: tf.Tensor, options: StandardizeWeightsOptions = {}): tf.Tensor {
  const { unitAxis = -1, epsilon = STANDARDIZE_EPSILON } = options;
  checkEpsilon(epsilon);
  checkFloat('standardizeWeights', 'v', v);
  checkFanIn('standardizeWeights', v, unitAxis);
  const { reduced } = unitAxes(v.shape, unitAxis);
  const mean = (t: tf.Tensor) => tf.mean(t, reduced, true);
  // With c = v - mean(v), d = std + epsilon: dL/dc = dy/d - c mean(dy c) / (std d^2); the second part is 0 where std is
  // 0.
  const deviation = (c: tf.Tensor) => {
    const std = tf.sqrt(mean(tf.square(c)));
    return [std, tf.add(std, epsilon)] as const;
  };
  const scale = tf.customGrad((...inputs) => {
    const [c, save] = inputs as unknown as [tf.Tensor, tf.GradSaveFunc];
    const [std, denominator] = deviation(c);
    save([c, std, denominator]);
    return {
      value: tf.div(c, denominator),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [c, ...known] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const isAgain = isDifferentiatedAgain();
        const [std, denominator] = isAgain ? deviation(c) : known;
        // tf.divNoNan has no second derivative; that of a std of 0 does not exist.
        const along = (isAgain ? tf.div : tf.divNoNan)(mean(tf.mul(dy, c)), tf.mul(std, denominator));
        return tf.div(tf.sub(dy, tf.mul(c, along)), denominator);
      },
    };
  });
  return tf.tidy(() => scale(centered(v, unitAxis)));
}

/** How `scaledStandardizeWeights` goes about it. */
export interface ScaledStandardizeWeightsOptions extends StandardizeWeightsOptions {
  /** Least value of var(v) x fan-in. Default {@link SCALED_STANDARDIZE_EPSILON}. */
  epsilon?: number;
  /** Gain of the activation that made this layer's input, see {@link ACTIVATION_GAINS}. Default 1. */
  activationGain?: number;
}

/**
 * Scaled weight standardization (Brock et al. 2021, arXiv 2101.08692, of the NF-Nets):
 *
 *   w = activationGain gain (v - mean(v)) / sqrt(max(var(v) fanIn, epsilon)), per output unit.
 *
 * Then ||w|| = activationGain gain, so inputs of variance 1 give outputs of variance (activationGain gain)^2.
 *
 * From ||v - mean(v)|| = 7e12 on dL/dv lacks its part along v (the gradient of the root overflows); from 1.8e19 on w
 * and the gradients are 0.
 *
 * @param gain Learned, one a unit, in a shape that `weightNormalize` takes for g.
 * @returns w, in the shape of v.
 * @throws As `standardizeWeights`, and if gain has another shape.
 */
export function scaledStandardizeWeights(
  v: tf.Tensor,
  gain: tf.Tensor,
  options: ScaledStandardizeWeightsOptions = {},
): tf.Tensor {
  const { unitAxis = -1, epsilon = SCALED_STANDARDIZE_EPSILON, activationGain = 1 } = options;
  checkEpsilon(epsilon);
  checkFloat('scaledStandardizeWeights', 'v', v);
  checkFloat('scaledStandardizeWeights', 'gain', gain);
  checkUnitShape('scaledStandardizeWeights', 'gain', gain, v, unitAxis);
  checkFanIn('scaledStandardizeWeights', v, unitAxis);
  const { reduced, keptShape } = unitAxes(v.shape, unitAxis);
  return tf.tidy(() => {
    const c = centered(v, unitAxis);
    // var(v) fanIn = sum(c^2)
    const inverse = tf.rsqrt(tf.maximum(tf.sum(tf.square(c), reduced, true), epsilon));
    return tf.mul(c, tf.mul(inverse, tf.mul(shaped(gain, keptShape), activationGain)));
  });
}

/**
 * 1 / std of an activation of normally distributed numbers of variance 1, as in the NF-Nets' code (Brock et al. 2021):
 * with them variances stay 1 through the network.
 */
export const ACTIVATION_GAINS = {
  linear: 1,
  elu: 1.2716004848480225,
  gelu: 1.7015043497085571,
  relu: 1.7139588594436646,
  selu: 1.0008515119552612,
  sigmoid: 4.803835391998291,
  silu: 1.7881293296813965,
  softplus: 1.9203323125839233,
  tanh: 1.5939117670059204,
} as const;

/** v - mean(v) per unit. */
function centered(v: tf.Tensor, unitAxis: UnitAxis): tf.Tensor {
  return tf.sub(v, tf.mean(v, unitAxes(v.shape, unitAxis).reduced, true));
}
