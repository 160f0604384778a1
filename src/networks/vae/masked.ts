// Weights of autoregressive layers: a mask zeroes those from inputs that an output may not see (MADE, Germain et al.
// 2015, arXiv:1502.03509).
import * as tf from '@tensorflow/tfjs';
import type { NamedVariable } from '../../optimizers/index.ts';
import { deriveSeed } from '../../random/index.ts';
import { unitNorms, weightNormalize } from '../../weightnorm/index.ts';

export interface MaskedOptions {
  normalization: 'none' | 'weight';
  /** Standard deviation of the initial v. */
  kernelStd: number;
  seed: number;
}

export interface MaskedLayers {
  /**
   * A new layer's weights.
   *
   * @param mask 0 or 1, `[..., in, out]`; freed by `dispose`.
   */
  add(name: string, mask: tf.Tensor): { kernel(): tf.Tensor; bias: tf.Variable };
  /** `NAME/kernel` (v), `NAME/gain` (g), `NAME/bias` of each layer; without normalization there is no gain. */
  readonly variables: readonly NamedVariable[];
  dispose(): void;
}

/**
 * v starts as N(0, kernelStd), g as ||mask v||, biases as 0.
 *
 * With weight normalization v is masked first, w = g (mask v)/||mask v||: the norm runs over the weights in use alone,
 * so that g is the length of what a unit applies; the masked elements of v have no effect and no gradient.
 */
export function createMaskedLayers({ normalization, kernelStd, seed }: MaskedOptions): MaskedLayers {
  const variables: NamedVariable[] = [];
  const masks: tf.Tensor[] = [];
  const addVariable = (name: string, start: () => tf.Tensor): tf.Variable => {
    const variable = tf.tidy(() => tf.variable(start()));
    variables.push({ name, variable });
    return variable;
  };
  return {
    add(name, mask) {
      masks.push(mask);
      const { shape } = mask;
      const v = addVariable(`${name}/kernel`, () =>
        tf.randomNormal(shape, 0, kernelStd, 'float32', deriveSeed(seed, name)),
      );
      const g = normalization === 'none' ? undefined : addVariable(`${name}/gain`, () => unitNorms(tf.mul(v, mask)));
      const bias = addVariable(`${name}/bias`, () => tf.zeros([shape.at(-1)!]));
      const kernel = () => {
        const masked = tf.mul(v, mask);
        return g ? weightNormalize(masked, g) : masked;
      };
      return { kernel, bias };
    },
    variables,
    dispose: () => tf.dispose([masks, variables.map(({ variable }) => variable)]),
  };
}
