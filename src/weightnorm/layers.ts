// Dense and convolution layers of tf.layers with a choice of normalization. They serialise with the model: importing
// this module registers their classes, which tf.loadLayersModel needs.
import * as tf from '@tensorflow/tfjs';
import { allButLast, checkEpsilon, DEFAULT_EPSILON, scaleOutput, unitNorms, weightNormalize } from './normalize.ts';

export const NORMALIZATIONS = ['none', 'weight', 'mean-only-batch', 'weight+mean-only-batch'] as const;

/**
 * - `none`: the layer of tf.layers, unchanged.
 * - `weight`: w = g v / ||v|| (Salimans & Kingma 2016, section 2).
 * - `mean-only-batch`: t - mean[t] + b over the batch (section 2.3), with a running mean at inference.
 * - `weight+mean-only-batch`: both.
 */
export type Normalization = (typeof NORMALIZATIONS)[number];

export interface NormalizationArgs {
  /** Default `weight`. */
  normalization?: Normalization;
  /** Added to sum(v^2) before the root, see `weightNormalize`. Default 1e-12. */
  epsilon?: number;
  /** Share of the old running mean kept at each training call, 0 to 1; mean-only batch normalization only. Default 0.9. */
  momentum?: number;
  /** Seeds the kernel initializer, unless that has a seed of its own: the same seed gives the same values. */
  seed?: number;
  /** Set by `dataDependentInit`; kept in the config, so that a loaded model is not initialised a second time. */
  dataInitialized?: boolean;
}

export type DenseArgs = Parameters<typeof tf.layers.dense>[0] & NormalizationArgs;
export type Conv2DArgs = Parameters<typeof tf.layers.conv2d>[0] & NormalizationArgs;

/** A layer whose kernel's last axis counts its output units. */
export interface NormalizedLayer extends tf.layers.Layer {
  readonly normalization: Normalization;
  readonly epsilon: number;
  /** True once `dataDependentInit` has set this layer; survives save and load. */
  dataInitialized: boolean;
  /** v (or w itself, without weight normalization), `[..., units]`. Null before the layer is built, as the next three. */
  kernel: tf.LayerVariable | null;
  /** b, `[units]`; null with `useBias: false`. */
  bias: tf.LayerVariable | null;
  /** g, `[units]`; null without weight normalization. */
  gain: tf.LayerVariable | null;
  /** Running mean of t, `[units]`, not trainable; null without mean-only batch normalization. */
  movingMean: tf.LayerVariable | null;
  /** x * kernel: the layer without gain, mean, bias and activation. */
  linear(x: tf.Tensor): tf.Tensor;
}

/** What the layers of tf.layers have at run time and hide in their types. */
interface PlainLayer extends tf.layers.Layer {
  kernel: tf.LayerVariable | null;
  bias: tf.LayerVariable | null;
  kernelInitializer: Initializer;
  kernelRegularizer: Parameters<tf.layers.Layer['addWeight']>[4] | null;
  activation: { apply(x: tf.Tensor): tf.Tensor };
}

interface PlainConv2D extends PlainLayer {
  strides: [number, number];
  dilationRate: [number, number];
  padding: 'valid' | 'same';
}

interface PlainClass<A, L extends PlainLayer> extends Serializable {
  new (args: A): L;
}
interface NormalizedClass<A> extends Serializable {
  new (args: A & NormalizationArgs): NormalizedLayer;
}

type Serializable = Pick<typeof tf.serialization.Serializable, 'fromConfig'>;
type Shape = (number | null)[];
type Kwargs = Record<string, unknown>;
type Initializer = ReturnType<typeof tf.initializers.zeros>;

/**
 * The class of tf.layers extended with a normalization of its units.
 *
 * @param linear x * kernel, with plain differentiable ops.
 */
function normalized<A extends object, L extends PlainLayer>(
  Plain: PlainClass<A, L>,
  linear: (layer: L, x: tf.Tensor, kernel: tf.Tensor) => tf.Tensor,
): NormalizedClass<A> {
  // One concrete base for the type checker; L only matters to `linear`.
  const Base = Plain as unknown as PlainClass<A, PlainLayer>;
  return class extends Base {
    readonly normalization: Normalization;
    readonly epsilon: number;
    readonly momentum: number;
    dataInitialized: boolean;
    gain: tf.LayerVariable | null = null;
    movingMean: tf.LayerVariable | null = null;

    constructor(args: A & NormalizationArgs) {
      const {
        normalization = 'weight',
        epsilon = DEFAULT_EPSILON,
        momentum = 0.9,
        seed,
        dataInitialized = false,
      } = args;
      checkArgs({ normalization, epsilon, momentum, dataFormat: (args as { dataFormat?: unknown }).dataFormat });
      // v ~ N(0, 0.05): the initializer's own standard deviation.
      const { kernelInitializer = 'randomNormal' } = args as { kernelInitializer?: unknown };
      super(normalization === 'none' ? args : { ...args, kernelInitializer });
      this.normalization = normalization;
      this.epsilon = epsilon;
      this.momentum = momentum;
      this.dataInitialized = dataInitialized;
      if (seed != null) this.kernelInitializer = seeded(this.kernelInitializer, seed);
    }

    /** The kernel's regularizer moves to g: for L2 that is the penalty on w, since sum(w^2) = g^2; on v it would only change the effective learning rate. */
    protected override addWeight(...args: Parameters<tf.layers.Layer['addWeight']>): tf.LayerVariable {
      if (args[0] === 'kernel' && this.normalizesWeight) args[4] = undefined;
      return super.addWeight(...args);
    }

    override build(inputShape: Shape | Shape[]): void {
      super.build(inputShape);
      const kernel = this.kernel!.read();
      const units = kernel.shape.at(-1)!;
      if (this.normalizesWeight) {
        const regularizer = this.kernelRegularizer ?? undefined;
        this.gain = this.addWeight('gain', [units], 'float32', tf.initializers.ones(), regularizer, true);
        // g = ||v||: w = v, so the layer starts as the plain one with this kernel.
        const norms = unitNorms(kernel, this.epsilon);
        this.gain.write(norms);
        norms.dispose();
      }
      if (this.normalizesMean) {
        this.movingMean = this.addWeight('movingMean', [units], 'float32', tf.initializers.zeros(), undefined, false);
      }
    }

    override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs): tf.Tensor | tf.Tensor[] {
      if (this.normalization === 'none') return super.call(inputs, kwargs);
      return tf.tidy(() => {
        this.invokeCallHook(inputs, kwargs);
        let t = this.scaledLinear(Array.isArray(inputs) ? inputs[0]! : inputs); // [batch, ..., units]
        if (this.movingMean) {
          t = kwargs.training === true ? this.subtractBatchMean(t) : tf.sub(t, this.movingMean.read());
        }
        if (this.bias) t = tf.add(t, this.bias.read());
        return this.activation.apply(t);
      });
    }

    linear(x: tf.Tensor, kernel = this.kernel!.read()): tf.Tensor {
      return linear(this as unknown as L, x.dtype === 'float32' ? x : tf.cast(x, 'float32'), kernel);
    }

    /** x * w. Scales v or, which is the same, the output, whichever has fewer elements: convolutions have small kernels, dense layers large ones. */
    private scaledLinear(x: tf.Tensor): tf.Tensor {
      const { kernel, gain, epsilon } = this;
      if (!gain) return this.linear(x);
      const v = kernel!.read();
      const outputSize = tf.util.sizeFromShape(this.computeOutputShape(x.shape) as number[]);
      if (v.size < outputSize) return this.linear(x, weightNormalize(v, gain.read(), { epsilon }));
      return scaleOutput(this.linear(x), v, gain.read(), epsilon);
    }

    override getConfig(): tf.serialization.ConfigDict {
      const { normalization, epsilon, momentum, dataInitialized } = this;
      return { ...super.getConfig(), normalization, epsilon, momentum, dataInitialized };
    }

    /** t - mean[t] per unit, whose gradient is dt = dy - mean(dy); moves the running mean. */
    private subtractBatchMean(t: tf.Tensor): tf.Tensor {
      const axes = allButLast(t);
      const center = tf.customGrad((...inputs) => {
        const input = inputs[0] as tf.Tensor;
        const mean = tf.mean(input, axes); // [units]
        this.movingMean!.write(tf.add(tf.mul(this.movingMean!.read(), this.momentum), tf.mul(mean, 1 - this.momentum)));
        return { value: tf.sub(input, mean), gradFunc: (dy: tf.Tensor) => tf.sub(dy, tf.mean(dy, axes)) };
      });
      return center(t);
    }

    private get normalizesWeight(): boolean {
      return this.normalization === 'weight' || this.normalization === 'weight+mean-only-batch';
    }

    private get normalizesMean(): boolean {
      return this.normalization === 'mean-only-batch' || this.normalization === 'weight+mean-only-batch';
    }
  };
}

// tf.layers exports its classes only through its factories.
const PlainDense = tf.layers.dense({ units: 1, name: 'dense' }).constructor as unknown as PlainClass<
  Parameters<typeof tf.layers.dense>[0],
  PlainLayer
>;
const PlainConv2D = tf.layers.conv2d({ filters: 1, kernelSize: 1, name: 'conv2d' })
  .constructor as unknown as PlainClass<Parameters<typeof tf.layers.conv2d>[0], PlainConv2D>;

/** {@link dense} */
export class NormalizedDense extends normalized(PlainDense, (_, x, kernel) => {
  if (x.rank === 2) return tf.matMul(x, kernel);
  const [inSize, units] = kernel.shape as [number, number];
  return tf.reshape(tf.matMul(tf.reshape(x, [-1, inSize]), kernel), [...x.shape.slice(0, -1), units]);
}) {
  static readonly className = 'NormalizedDense';
}
tf.serialization.registerClass(NormalizedDense);

/** {@link conv2d} */
export class NormalizedConv2D extends normalized(PlainConv2D, ({ strides, padding, dilationRate }, x, kernel) =>
  tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, strides, padding, 'NHWC', dilationRate),
) {
  static readonly className = 'NormalizedConv2D';
}
tf.serialization.registerClass(NormalizedConv2D);

/**
 * `tf.layers.dense` with a normalization: `[..., in]` to `[..., units]`. Takes all of its arguments and those of
 * {@link NormalizationArgs}. Weights: `kernel` (v, `[in, units]`), `bias` (b), `gain` (g) and `movingMean`, as the
 * normalization needs them, in this order. The kernel starts as N(0, 0.05), g as ||v||.
 */
export function dense(args: DenseArgs): NormalizedDense {
  return new NormalizedDense(args);
}

/**
 * `tf.layers.conv2d` with a normalization: `[batch, height, width, channels]` to `[batch, height', width', filters]`.
 * Takes all of its arguments (data format channels last) and those of {@link NormalizationArgs}. Weights as in
 * {@link dense}, the kernel `[height, width, in, filters]`.
 */
export function conv2d(args: Conv2DArgs): NormalizedConv2D {
  return new NormalizedConv2D(args);
}

/** Whether a layer is one of ours (with `normalization: 'none'` too). */
export function isNormalizedLayer(layer: tf.layers.Layer): layer is NormalizedLayer {
  const { normalization, linear } = layer as Partial<NormalizedLayer>;
  return typeof normalization === 'string' && typeof linear === 'function';
}

/**
 * The plain kernel w = g v / ||v|| that a layer applies, in the shape of its kernel: with it and {@link effectiveBias},
 * a layer of tf.layers computes the same at inference. A new tensor: dispose of it. Stale as soon as v or g changes.
 */
export function effectiveKernel(layer: NormalizedLayer): tf.Tensor {
  const kernel = built(layer).read();
  const { gain, epsilon } = layer;
  return gain ? tf.tidy(() => weightNormalize(kernel, gain.read(), { epsilon })) : kernel.clone();
}

/** The plain bias of a layer at inference, b - movingMean, `[units]`; zeros where it has neither. A new tensor: dispose of it. */
export function effectiveBias(layer: NormalizedLayer): tf.Tensor {
  const units = built(layer).shape.at(-1)!;
  const { bias, movingMean } = layer;
  return tf.tidy(() => {
    const b = bias ? bias.read() : tf.zeros([units]);
    return movingMean ? tf.sub(b, movingMean.read()) : b.clone();
  });
}

function built(layer: NormalizedLayer): tf.LayerVariable {
  if (!layer.kernel) throw new Error(`layer "${layer.name}" has no weights yet: build its model first`);
  return layer.kernel;
}

/** The same initializer with a seed, where it takes one and has none. */
function seeded(initializer: Initializer, seed: number): Initializer {
  const config = initializer.getConfig();
  if (!('seed' in config) || (config.seed ?? null) !== null) return initializer;
  return new (initializer.constructor as new (config: object) => Initializer)({ ...config, seed });
}

interface CheckedArgs {
  normalization: Normalization;
  epsilon: number;
  momentum: number;
  dataFormat: unknown;
}

function checkArgs({ normalization, epsilon, momentum, dataFormat }: CheckedArgs): void {
  if (!NORMALIZATIONS.includes(normalization)) {
    throw new Error(
      `normalization is '${normalization}': use one of ${NORMALIZATIONS.map((n) => `'${n}'`).join(', ')}`,
    );
  }
  checkEpsilon(epsilon);
  if (!(momentum >= 0 && momentum <= 1)) throw new Error(`momentum is ${momentum}: give a number from 0 to 1`);
  if (normalization !== 'none' && dataFormat === 'channelsFirst') {
    throw new Error(`dataFormat is 'channelsFirst': normalised layers take 'channelsLast' only; transpose the input`);
  }
}
