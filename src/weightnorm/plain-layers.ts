// The classes behind tf.layers' factories, which tfjs does not export, and what they have at run time and hide in their
// types.
import * as tf from '@tensorflow/tfjs';

export type Shape = (number | null)[];
export type Kwargs = Record<string, unknown>;
export type Initializer = ReturnType<typeof tf.initializers.zeros>;
export type Serializable = Pick<typeof tf.serialization.Serializable, 'fromConfig'>;

export interface PlainLayer extends tf.layers.Layer {
  kernel: tf.LayerVariable | null;
  bias: tf.LayerVariable | null;
  activation: { apply(x: tf.Tensor): tf.Tensor } | null;
}

/** The same initializer with a seed, where it takes one and has none. */
export function seeded(initializer: Initializer, seed: number): Initializer {
  const config = initializer.getConfig();
  if (!('seed' in config) || (config.seed ?? null) !== null) return initializer;
  return new (initializer.constructor as new (config: object) => Initializer)({ ...config, seed });
}

/** The class of the layers that a factory of tf.layers makes. */
export function classOf<A, L>(factory: (args: A) => tf.layers.Layer, example: A): (new (args: A) => L) & Serializable {
  return factory(example).constructor as unknown as (new (args: A) => L) & Serializable;
}

/**
 * tfjs 4.22 starts a separable convolution's pointwise kernel with the initializer of the depthwise one, whatever it is
 * told.
 */
export function withPointwiseInitializer<A extends object, L extends tf.layers.Layer>(
  Plain: (new (args: A) => L) & Serializable,
): (new (args: A) => L) & Serializable {
  const Base = Plain as unknown as (new (args: object) => tf.layers.Layer) & Serializable;
  class Repaired extends Base {
    declare pointwiseInitializer: Initializer;

    constructor(args: { pointwiseInitializer?: Parameters<typeof initializerOf>[0] | null }) {
      super(args);
      if (args.pointwiseInitializer != null) this.pointwiseInitializer = initializerOf(args.pointwiseInitializer);
    }
  }
  return Repaired as unknown as (new (args: A) => L) & Serializable;
}

/** The initializer that a name or a config stands for. */
function initializerOf(
  kernelInitializer: NonNullable<Parameters<typeof tf.layers.dense>[0]['kernelInitializer']>,
): Initializer {
  return (tf.layers.dense({ units: 1, kernelInitializer }) as unknown as { kernelInitializer: Initializer })
    .kernelInitializer;
}

/**
 * What tfjs 4.22 gets wrong in a layer's config: separable convolutions leave their depth multiplier out, and depthwise
 * ones give their regularizer as their constraint.
 */
export function repairedConfig(layer: tf.layers.Layer): Kwargs {
  const { depthMultiplier, depthwiseConstraint } = layer as {
    depthMultiplier?: number;
    depthwiseConstraint?: Configured | null;
  };
  if (depthMultiplier === undefined) return {};
  const constraint = depthwiseConstraint && {
    className: depthwiseConstraint.getClassName(),
    config: depthwiseConstraint.getConfig(),
  };
  return { depthMultiplier, depthwiseConstraint: constraint ?? null };
}

type Configured = Pick<tf.serialization.Serializable, 'getClassName' | 'getConfig'>;

interface Parts {
  forwardLayer?: tf.layers.Layer;
  backwardLayer?: tf.layers.Layer;
  layer?: tf.layers.Layer;
  cell?: tf.layers.Layer;
  cells?: tf.layers.Layer[];
}

/** The layers that hold the weights of a model, a wrapper, a recurrent layer or stacked cells. */
export function partsOf(layer: tf.layers.Layer): readonly tf.layers.Layer[] | undefined {
  if (layer instanceof tf.LayersModel) return layer.layers;
  // What tf.layers has at run time. A bidirectional layer's `layer` is only the pattern of its two.
  const { forwardLayer, backwardLayer, layer: wrapped, cell, cells } = layer as tf.layers.Layer & Parts;
  if (forwardLayer && backwardLayer) return [forwardLayer, backwardLayer];
  const part = wrapped ?? cell;
  return part ? [part] : cells;
}
