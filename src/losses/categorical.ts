import type * as tf from '@tensorflow/tfjs';
import { logSoftmax, relu, scalar, softmax, tensor1d } from '@tensorflow/tfjs';

/**
 * The atoms of a categorical distribution over returns: `atoms` values, equally spaced from `vMin` to `vMax`, both
 * included (Bellemare et al. 2017, section 4.1). Values are discounted returns, in the unit of the rewards.
 */
export interface CategoricalSupport {
  /** The smallest return that the distribution can represent. */
  readonly vMin: number;
  /** The largest return, greater than `vMin`. */
  readonly vMax: number;
  /** How many atoms there are, at least 2; 51 in C51. */
  readonly atoms: number;
}

/** The distance between neighbouring atoms, Delta z. */
function spacing({ vMin, vMax, atoms }: CategoricalSupport): number {
  return (vMax - vMin) / (atoms - 1);
}

/** The values of the atoms, z_i = vMin + i Delta z (Bellemare et al. 2017, section 4.1): [atoms]. */
export function supportAtoms(support: CategoricalSupport): tf.Tensor1D {
  const dz = spacing(support);
  return tensor1d(Array.from({ length: support.atoms }, (_, i) => support.vMin + i * dz));
}

/**
 * Computes action values as expectations of categorical distributions: Q(s, a) = sum_i z_i p_i(s, a), where p is the
 * softmax of the logits (Bellemare et al. 2017, algorithm 1).
 * @param logits What the network gives for each action and atom, [batch, actions, atoms].
 * @returns [batch, actions]
 */
export function expectedValues(logits: tf.Tensor3D, support: CategoricalSupport): tf.Tensor2D {
  return softmax(logits).mul(supportAtoms(support)).sum<tf.Tensor2D>(2);
}

/**
 * Projects the distribution of R + discount z back onto the atoms z (Bellemare et al. 2017, equation 7): each shifted
 * atom shares its probability between the two atoms around it, in proportion to how near they are, and what lies
 * outside of [vMin, vMax] goes to the nearest end.
 *
 * The weights are the triangular kernel of equation 7, which also holds where a shifted atom falls exactly on an atom;
 * algorithm 1 of the paper, taken literally, loses the probability there. Positions are counted in atoms from vMin
 * rather than in returns, so that float32 keeps them precise also where vMin and vMax are large and near each other,
 * and the projection keeps the total probability. It takes memory for batch x atoms x atoms numbers.
 * @param probabilities p_j(s_{t+n}, a*) of the next state's chosen action, [batch, atoms].
 * @param returns R_t = r_t + gamma r_{t+1} + ..., [batch].
 * @param discounts gamma^n, or 0 after a terminal step, [batch].
 * @returns Probabilities of the atoms, [batch, atoms].
 */
export function projectDistribution(
  probabilities: tf.Tensor2D,
  returns: tf.Tensor1D,
  discounts: tf.Tensor1D,
  support: CategoricalSupport,
): tf.Tensor2D {
  const { vMin, atoms } = support;
  const indices = tensor1d(Array.from({ length: atoms }, (_, i) => i));
  // b_j = (R + gamma z_j - vMin) / Delta z = (R + (gamma - 1) vMin) / Delta z + gamma j, without the large terms.
  const shifts = returns.add(discounts.sub(1).mul(vMin)).div(spacing(support)); // [batch]
  const positions = shifts.expandDims(1).add(discounts.expandDims(1).mul(indices)); // b, [batch, from]
  const distances = positions
    .clipByValue(0, atoms - 1)
    .expandDims(1)
    .sub(indices.expandDims(1))
    .abs(); // |b_j - i|, [batch, to, from]
  // No matrix product, which a program may compute in bfloat16.
  return relu(scalar(1).sub(distances)).mul(probabilities.expandDims(1)).sum<tf.Tensor2D>(2);
}

/**
 * Computes the entropy of each distribution, -sum_i m_i log m_i with 0 log 0 = 0: what the cross-entropy to a
 * prediction has beside the Kullback-Leibler divergence. It has no gradient where m has none.
 * @param probabilities m, [batch, atoms].
 * @returns In nats, from 0 to log(atoms), [batch].
 */
export function categoricalEntropy(probabilities: tf.Tensor2D): tf.Tensor1D {
  // Below 1e-30 m log m is 0 to float32's eyes.
  return probabilities.mul(probabilities.maximum(1e-30).log()).sum<tf.Tensor1D>(1).neg();
}

/**
 * Computes the cross-entropy of each example, -sum_i m_i log p_i, where p is the softmax of the logits (Bellemare et
 * al. 2017, algorithm 1). It differs from the Kullback-Leibler divergence by the entropy of the targets, which has no
 * gradient. Logits of any finite size give finite results.
 * @param logits Those of the action that was taken, [batch, atoms].
 * @param targets Probabilities m, which `projectDistribution` gives, [batch, atoms].
 * @returns The loss of each example in nats, [batch].
 */
export function categoricalCrossEntropy(logits: tf.Tensor2D, targets: tf.Tensor2D): tf.Tensor1D {
  return logSoftmax(logits).mul(targets).sum<tf.Tensor1D>(1).neg();
}
