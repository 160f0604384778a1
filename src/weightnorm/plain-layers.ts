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

/**
 * Refuses what layers of tf.layers take and do not do: constraints act where a weight is written and after no update of
 * an optimizer, and activity regularizers nowhere.
 * @throws Naming the option, its value and the mend.
 */
export function checkOptions(args: object): void {
  const { name, ...options } = args as Record<string, unknown>;
  for (const [option, value] of Object.entries(options)) {
    if (value == null) continue;
    const isConstraint = option.endsWith('Constraint');
    if (!isConstraint && option !== 'activityRegularizer') continue;
    const where = name == null ? '' : ` of layer "${name}"`;
    const reason = isConstraint ? 'applies it after no update' : 'does not apply it';
    const mend =
      isConstraint && option !== 'biasConstraint'
        ? 'leave it out; kernels of one length have {fixedGain}, and others can be projected after each update'
        : isConstraint
          ? 'leave it out, and project the bias after each update'
          : 'leave it out, and add the penalty to the loss';
    throw new Error(`${option}${where} is ${nameOf(value)}, and tf.layers ${reason}: ${mend}`);
  }
}

/** What a constraint or a regularizer is called: a name, an object or its config. */
function nameOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { className, getClassName } = value as { className?: unknown; getClassName?: () => string };
  return getClassName ? getClassName.call(value) : String(className ?? JSON.stringify(value));
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
