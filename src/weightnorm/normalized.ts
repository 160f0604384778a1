// What makes a layer of tf.layers a normalised one.
import * as tf from '@tensorflow/tfjs';
import { initializeDataFree } from './data-free-init.ts';
import {
  effectiveTensor,
  isPenaltyOfGain,
  makeKernel,
  type NormalizedKernel,
  penaltyOfEffective,
  type Regularizer,
} from './kernels.ts';
import { scaleOutput } from './normalize.ts';
import { type Normalization, type NormalizationArgs, type NormalizationSettings, resolveSettings } from './options.ts';
import {
  batchNormalize,
  checkGroups,
  groupNormalize,
  layerNormalize,
  meanOnlyBatchNormalize,
} from './output-normalizations.ts';
import {
  checkOptions,
  type Initializer,
  type Kwargs,
  type PlainLayer,
  repairedConfig,
  type Serializable,
  type Shape,
  seeded,
} from './plain-layers.ts';

/**
 * A layer that is normalised, or could be: dense, convolutions, embedding. The last axis of its output counts units.
 */
export interface NormalizedLayer extends tf.layers.Layer {
  readonly normalization: Normalization;
  readonly settings: Readonly<NormalizationSettings>;
  /** True once `dataDependentInit` has set this layer; survives save and load. */
  dataInitialized: boolean;
  /** Empty before the layer is built. */
  readonly kernels: readonly NormalizedKernel[];
  /** v of the (last) kernel; null before the layer is built, as the next ones. */
  kernel: tf.LayerVariable | null;
  /** b, `[units]`; null with `useBias: false`. */
  bias: tf.LayerVariable | null;
  /** g, `[units]`, of the (last) kernel; null where it has none that is learned. */
  gain: tf.LayerVariable | null;
  /** Factor of a normalised pre-activation, `[units]`, 1 at first; null without `batch`, `layer` or `group`. */
  scale: tf.LayerVariable | null;
  /** Running mean of the pre-activation, `[units]`, not trainable; null without `batch` or `mean-only-batch`. */
  movingMean: tf.LayerVariable | null;
  /** Running variance, likewise; null without `batch`. */
  movingVariance: tf.LayerVariable | null;
  /** Whether `dataDependentInit` may set this layer. */
  readonly takesDataInit: boolean;
  /**
   * The layer without output normalization, bias and activation; `gain` (one number) takes the place of g in the last
   * kernel.
   */
  linear(x: tf.Tensor, gain?: number): tf.Tensor;
  /**
   * The output normalization as in training, without scale; `onMoments` hears the statistics of `batch` and
   * `mean-only-batch`.
   */
  normalizeOutput(t: tf.Tensor, onMoments?: (mean: tf.Tensor, variance?: tf.Tensor) => void): tf.Tensor;
}

/** One kernel of a class of layers. */
export interface KernelSpec {
  /** The layer's property that holds the variable, and how the variable is named. */
  property: string;
  name: string;
  /** Name of its gain. */
  gain: string;
  /** Start of the names of its initializer and regularizer, such as "kernel". */
  prefix: string;
  /** Axes that count units; negative ones count from the end. */
  unitAxes: readonly number[];
}

export interface ClassSpec<L> {
  kernels: readonly KernelSpec[];
  /** The layer without normalization, bias and activation: plain differentiable ops, one tensor for each kernel. */
  linear(layer: L, x: tf.Tensor, kernels: tf.Tensor[]): tf.Tensor;
  /** Layer normalization runs over all positions of an example, as in convolutions, and not over each by itself. */
  overPositions?: boolean;
  /** What this class cannot do. @throws */
  check?(args: object, settings: NormalizationSettings): void;
  takesDataInit?: boolean;
  /** Whether the inputs are indices. */
  integerInput?: boolean;
}

/** Share of the old running averages that one call keeps: `apply(x, {training: true, momentum})`. */
type Momentum = number | tf.Scalar;

export interface PlainClass<A, L extends PlainLayer> extends Serializable {
  new (args: A): L;
}
export interface NormalizedClass<A> extends Serializable {
  new (args: A & NormalizationArgs): NormalizedLayer;
}

/** The class of tf.layers extended with a normalization of its units. */
export function normalized<A extends object, L extends PlainLayer>(
  Plain: PlainClass<A, L>,
  spec: ClassSpec<L>,
): NormalizedClass<A> {
  // One concrete base for the type checker; L only matters to `linear`.
  const Base = Plain as unknown as PlainClass<A, PlainLayer>;
  abstract class Normalized extends Base {
    gain: tf.LayerVariable | null = null;
    scale: tf.LayerVariable | null = null;
    movingMean: tf.LayerVariable | null = null;
    movingVariance: tf.LayerVariable | null = null;
    kernels: NormalizedKernel[] = [];
    dataInitialized: boolean;
    readonly normalization: Normalization;
    readonly settings: NormalizationSettings;

    constructor(args: A & NormalizationArgs) {
      const settings = resolveSettings(args);
      const isNormalized = settings.normalization !== 'none';
      if (isNormalized) checkChannelsLast((args as { dataFormat?: unknown }).dataFormat);
      checkOptions(args);
      spec.check?.(args, settings);
      // v ~ N(0, 0.05): the initializer's own standard deviation.
      const initializers = spec.kernels.map(({ prefix }) => [`${prefix}Initializer`, 'randomNormal']);
      super(settings.kernelNormalization ? { ...Object.fromEntries(initializers), ...args } : args);
      this.settings = settings;
      this.normalization = settings.normalization;
      this.dataInitialized = settings.dataInitialized;
      if (args.seed != null) this.seedInitializers(args.seed);
    }

    private seedInitializers(seed: number): void {
      const layer = this as unknown as Record<string, Initializer>;
      spec.kernels.forEach(({ prefix }, i) => {
        layer[`${prefix}Initializer`] = seeded(layer[`${prefix}Initializer`]!, seed + i);
      });
    }

    protected override addWeight(...args: Parameters<tf.layers.Layer['addWeight']>): tf.LayerVariable {
      const isKernel = spec.kernels.some(({ name }) => name === args[0]);
      if (isKernel && this.settings.regularize === 'gain') args[4] = undefined;
      return super.addWeight(...args);
    }

    override build(inputShape: Shape | Shape[]): void {
      const { outputNormalization, groups } = this.settings;
      const units = (this.computeOutputShape(inputShape) as number[]).at(-1)!;
      // Refuses before any variable is made.
      if (outputNormalization === 'group') {
        this.settings.groups = groups ?? defaultGroups(units);
        checkGroups(this.settings.groups, units);
      }
      this.checkStatistics(inputShape, units);
      super.build(inputShape);
      this.kernels = spec.kernels.map((kernelSpec) => this.buildKernel(kernelSpec));
      // A model that is being loaded has zeros in place of initial values.
      const isLoading = (this as unknown as { fastWeightInitDuringBuild: boolean }).fastWeightInitDuringBuild;
      if (this.settings.initialization === 'data-free' && !isLoading) {
        // The activation that the factor makes up for follows the last kernel.
        const { dataFreeFactor } = this.settings;
        for (const kernel of this.kernels)
          initializeDataFree(kernel, kernel === this.kernels.at(-1) ? dataFreeFactor : 1);
      }
      if (outputNormalization === undefined) return;
      const add = (name: string, initializer: Initializer, trainable: boolean) =>
        this.addWeight(name, [units], 'float32', initializer, undefined, trainable);
      if (outputNormalization !== 'mean-only-batch') this.scale = add('scale', tf.initializers.ones(), true);
      if (outputNormalization === 'batch' || outputNormalization === 'mean-only-batch')
        this.movingMean = add('movingMean', tf.initializers.zeros(), false);
      if (outputNormalization === 'batch') this.movingVariance = add('movingVariance', tf.initializers.ones(), false);
    }

    /** One number less its own mean is 0, whatever it was: nothing would be left to learn from. */
    private checkStatistics(inputShape: Shape | Shape[], units: number): void {
      const { outputNormalization, groups } = this.settings;
      if (outputNormalization !== 'layer' && outputNormalization !== 'group') return;
      const together = outputNormalization === 'group' ? units / groups! : units;
      const positions = (this.computeOutputShape(inputShape) as Shape).slice(1, -1);
      const overPositions = outputNormalization === 'group' || spec.overPositions;
      if (together > 1 || (overPositions && positions.some((size) => size !== 1))) return;
      throw new Error(
        `layer "${this.name}": '${outputNormalization}' normalization would take single numbers (${units} ` +
          `units${groups === undefined ? '' : ` in ${groups} groups`}), and each less its own mean is 0: give it ` +
          'more units a group, or another normalization',
      );
    }

    private buildKernel({ property, name, gain: gainName, prefix, unitAxes }: KernelSpec): NormalizedKernel {
      const layer = this as unknown as Record<string, unknown>;
      const variable = layer[property] as tf.LayerVariable;
      const given = this.settings.regularize === 'gain' ? layer[`${prefix}Regularizer`] : undefined;
      const regularizer = (given ?? undefined) as Regularizer | undefined;
      const ofGain = isPenaltyOfGain(regularizer, this.settings.kernelNormalization) ? regularizer : undefined;
      const kernel = makeKernel({ name, variable, unitAxes }, this.settings, (units) => {
        const gain = this.addWeight(gainName, [units], 'float32', tf.initializers.ones(), ofGain, true);
        if (gainName === 'gain') this.gain = gain;
        return gain;
      });
      if (regularizer && !ofGain) this.addLoss(penaltyOfEffective(kernel, regularizer));
      return kernel;
    }

    override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs): tf.Tensor | tf.Tensor[] {
      const { normalization, initialization } = this.settings;
      if (normalization === 'none') return super.call(inputs, kwargs);
      const training = kwargs.training === true;
      if (training && initialization === 'data-dependent' && !this.dataInitialized && this.takesDataInit) {
        throw new Error(
          `layer "${this.name}" has initialization 'data-dependent' and is trained before it was initialised: ` +
            'call dataDependentInit(model, batch) first',
        );
      }
      // As in Keras 2 since TensorFlow 2: a frozen layer is one at inference, and keeps its averages.
      const usesBatch = training && this.trainableWeights.length > 0;
      return tf.tidy(() => {
        this.invokeCallHook(inputs, kwargs);
        let t = this.linear(Array.isArray(inputs) ? inputs[0]! : inputs); // [batch, ..., units]
        t = usesBatch
          ? this.normalizeOutput(t, (...moments) => this.moveAverages(moments, kwargs.momentum as Momentum | undefined))
          : this.normalizeAtInference(t);
        if (this.scale) t = tf.mul(t, this.scale.read());
        if (this.bias) t = tf.add(t, this.bias.read());
        return this.activation ? this.activation.apply(t) : t;
      });
    }

    linear(x: tf.Tensor, gain?: number): tf.Tensor {
      const input = spec.integerInput || x.dtype === 'float32' ? x : tf.cast(x, 'float32');
      const layer = this as unknown as L;
      const last = this.kernels.at(-1)!;
      if (gain === undefined && this.scalesOutput(input)) {
        const xv = spec.linear(layer, input, [last.variable.read()]);
        return scaleOutput(xv, last.variable.read(), this.gain!.read(), last.epsilon);
      }
      const tensors = this.kernels.map((kernel) => effectiveTensor(kernel, kernel === last ? gain : undefined));
      return spec.linear(layer, input, tensors);
    }

    /**
     * x * (g v/||v||) = (x * v) g/||v||: cheaper where the output has fewer elements than v, as in large dense layers.
     */
    private scalesOutput(x: tf.Tensor): boolean {
      if (this.kernels.length > 1 || this.settings.kernelNormalization !== 'weight' || !this.gain || spec.integerInput)
        return false;
      const [{ variable, unitAxes }] = this.kernels as [NormalizedKernel];
      const shape = variable.shape as number[];
      if (unitAxes.length > 1 || unitAxes[0] !== shape.length - 1) return false;
      return tf.util.sizeFromShape(this.computeOutputShape(x.shape) as number[]) <= tf.util.sizeFromShape(shape);
    }

    normalizeOutput(t: tf.Tensor, onMoments?: (mean: tf.Tensor, variance?: tf.Tensor) => void): tf.Tensor {
      const { outputNormalization, varianceEpsilon: epsilon, groups } = this.settings;
      switch (outputNormalization) {
        case 'mean-only-batch':
          return meanOnlyBatchNormalize(t, onMoments);
        case 'batch':
          return batchNormalize(t, { epsilon }, onMoments);
        case 'layer':
          return layerNormalize(t, {
            epsilon,
            ...(spec.overPositions && { axes: t.shape.map((_, axis) => axis).slice(1) }),
          });
        case 'group':
          return groupNormalize(t, { epsilon, groups: groups! });
        default:
          return t;
      }
    }

    private normalizeAtInference(t: tf.Tensor): tf.Tensor {
      if (!this.movingMean) return this.normalizeOutput(t);
      const centered = tf.sub(t, this.movingMean.read());
      if (!this.movingVariance) return centered;
      return tf.mul(centered, tf.rsqrt(tf.add(this.movingVariance.read(), this.settings.varianceEpsilon)));
    }

    private moveAverages(
      [mean, variance]: (tf.Tensor | undefined)[],
      momentum: Momentum = this.settings.momentum,
    ): void {
      const share = typeof momentum === 'number' ? 1 - momentum : tf.sub(1, momentum);
      const move = (average: tf.LayerVariable, value: tf.Tensor) =>
        average.write(tf.tidy(() => tf.add(tf.mul(average.read(), momentum), tf.mul(value, share))));
      move(this.movingMean!, mean!);
      if (variance) move(this.movingVariance!, variance);
    }

    get takesDataInit(): boolean {
      const { normalization, initialization } = this.settings;
      return normalization !== 'none' && initialization !== 'data-free' && spec.takesDataInit !== false;
    }

    override getConfig(): tf.serialization.ConfigDict {
      const { kernelNormalization, outputNormalization, groups, fixedGain, ...settings } = this.settings;
      const config = {
        ...super.getConfig(),
        ...repairedConfig(this),
        ...settings,
        dataInitialized: this.dataInitialized,
      };
      return {
        ...config,
        ...(groups !== undefined && { groups }),
        ...(fixedGain !== undefined && { fixedGain }),
      } as unknown as tf.serialization.ConfigDict;
    }
  }
  return Normalized as unknown as NormalizedClass<A>;
}

/**
 * The largest power of two up to 32 (Wu & He's number of groups) that divides the units and leaves at least two a
 * group.
 */
function defaultGroups(units: number): number {
  let groups = 32;
  while (groups > 1 && (units % groups !== 0 || units / groups < 2)) groups /= 2;
  return groups;
}

function checkChannelsLast(dataFormat: unknown): void {
  if (dataFormat !== 'channelsFirst') return;
  throw new Error(`dataFormat is 'channelsFirst': normalised layers take 'channelsLast' only; transpose the input`);
}
