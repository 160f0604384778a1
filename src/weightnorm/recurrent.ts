// The normalised recurrent layers and their cells. Importing this module registers their classes.
import * as tf from '@tensorflow/tfjs';
import {
  effectiveTensor,
  isPenaltyOfGain,
  makeKernel,
  type NormalizedKernel,
  penaltyOfEffective,
  type Regularizer,
} from './kernels.ts';
import {
  KERNEL_NORMALIZATIONS,
  type Normalization,
  type NormalizationArgs,
  type NormalizationSettings,
  resolveSettings,
} from './options.ts';
import {
  checkOptions,
  classOf,
  type Initializer,
  type Kwargs,
  type Serializable,
  type Shape,
  seeded,
} from './plain-layers.ts';

type Args<F extends (args: never) => tf.layers.Layer> = Parameters<F>[0] & NormalizationArgs;
/** The arguments of `tf.layers.simpleRNN`, and those of the normalization. */
export type SimpleRNNArgs = Args<typeof tf.layers.simpleRNN>;
/** The arguments of `tf.layers.lstm`, and those of the normalization. */
export type LSTMArgs = Args<typeof tf.layers.lstm>;
/** The arguments of `tf.layers.gru`, and those of the normalization. */
export type GRUArgs = Args<typeof tf.layers.gru>;
/** The arguments of `tf.layers.simpleRNNCell`, and those of the normalization. */
export type SimpleRNNCellArgs = Args<typeof tf.layers.simpleRNNCell>;
/** The arguments of `tf.layers.lstmCell`, and those of the normalization. */
export type LSTMCellArgs = Args<typeof tf.layers.lstmCell>;
/** The arguments of `tf.layers.gruCell`, and those of the normalization. */
export type GRUCellArgs = Args<typeof tf.layers.gruCell>;

/** What normalised recurrent layers and their cells have beside what those of tf.layers have. */
export interface RecurrentNormalization {
  readonly normalization: Normalization;
  readonly settings: Readonly<NormalizationSettings>;
  /** `kernel`, `[in, gates x units]`, and `recurrent_kernel`, `[units, gates x units]`; empty before the build. */
  readonly kernels: readonly NormalizedKernel[];
  /** b, `[gates x units]`; null before the layer is built, as the next ones, and with `useBias: false`. */
  readonly bias: tf.LayerVariable | null;
  /** g of the kernel, `[gates x units]`; null where it has none that is learned. */
  readonly gain: tf.LayerVariable | null;
  /** g of the recurrent kernel, likewise. */
  readonly recurrentGain: tf.LayerVariable | null;
}
/** A recurrent layer of `tf.layers` whose two kernels are normalised. */
export type NormalizedRecurrentLayer = tf.layers.Layer & RecurrentNormalization;
export interface NormalizedCell extends tf.layers.RNNCell, RecurrentNormalization {
  stateSize: number | number[];
  /** Works out both kernels once, for all steps that `run` takes. */
  withEffectiveKernels<T extends tf.Tensor | tf.Tensor[]>(run: () => T): T;
}
export interface NormalizedRNN extends tf.layers.RNN, RecurrentNormalization {
  readonly cell: NormalizedCell;
}

/** A cell of tf.layers: all that its steps ask of a kernel is its value. */
interface PlainCell extends tf.layers.RNNCell {
  kernel: Pick<tf.LayerVariable, 'read'>;
  recurrentKernel: Pick<tf.LayerVariable, 'read'>;
  bias: tf.LayerVariable | null;
  kernelInitializer: Initializer;
  recurrentInitializer: Initializer;
  kernelRegularizer: Regularizer | null;
  recurrentRegularizer: Regularizer | null;
}

interface Class<A, L> extends Serializable {
  new (args: A): L;
}

/** A cell's class extended with a normalization of the units of both kernels. */
function normalizedCell<A extends object>(Plain: Class<A, PlainCell>): Class<A & NormalizationArgs, NormalizedCell> {
  abstract class Normalized extends Plain {
    gain: tf.LayerVariable | null = null;
    recurrentGain: tf.LayerVariable | null = null;
    kernels: readonly NormalizedKernel[] = [];
    readonly normalization: Normalization;
    readonly settings: NormalizationSettings;

    constructor(args: A & NormalizationArgs) {
      const settings = resolveRecurrentSettings(args);
      checkOptions(args);
      super(args);
      this.settings = settings;
      this.normalization = settings.normalization;
      if (args.seed == null) return;
      this.kernelInitializer = seeded(this.kernelInitializer, args.seed);
      this.recurrentInitializer = seeded(this.recurrentInitializer, args.seed + 1);
    }

    protected override addWeight(...args: Parameters<tf.layers.Layer['addWeight']>): tf.LayerVariable {
      const isKernel = args[0] === 'kernel' || args[0] === 'recurrent_kernel';
      if (isKernel && this.settings.regularize === 'gain') args[4] = undefined;
      return super.addWeight(...args);
    }

    override build(inputShape: Shape | Shape[]): void {
      super.build(inputShape);
      const [kernel, recurrentKernel] = [this.kernel, this.recurrentKernel] as tf.LayerVariable[];
      const first = this.normalizedKernel('kernel', kernel!, 'gain', this.kernelRegularizer);
      const second = this.normalizedKernel(
        'recurrent_kernel',
        recurrentKernel!,
        'recurrentGain',
        this.recurrentRegularizer,
      );
      this.kernels = [first, second];
    }

    private normalizedKernel(
      name: string,
      variable: tf.LayerVariable,
      gainName: 'gain' | 'recurrentGain',
      regularizer: Regularizer | null,
    ): NormalizedKernel {
      const { regularize, kernelNormalization } = this.settings;
      const given = regularize === 'gain' ? (regularizer ?? undefined) : undefined;
      const ofGain = isPenaltyOfGain(given, kernelNormalization) ? given : undefined;
      const kernel = makeKernel({ name, variable, unitAxes: [1] }, this.settings, (units) => {
        const gain = this.addWeight(gainName, [units], 'float32', tf.initializers.ones(), ofGain, true);
        this[gainName] = gain;
        return gain;
      });
      if (given && !ofGain) this.addLoss(penaltyOfEffective(kernel, given));
      return kernel;
    }

    withEffectiveKernels<T extends tf.Tensor | tf.Tensor[]>(run: () => T): T {
      const { kernel, recurrentKernel } = this;
      const [first, second] = this.kernels as [NormalizedKernel, NormalizedKernel];
      // Nothing to do for a plain cell, or within a call of its layer.
      if (first.normalization === undefined || kernel !== first.variable) return run();
      return tf.tidy(() => {
        const [w, recurrentW] = [effectiveTensor(first), effectiveTensor(second)];
        this.kernel = { read: () => w };
        this.recurrentKernel = { read: () => recurrentW };
        try {
          return run();
        } finally {
          this.kernel = kernel;
          this.recurrentKernel = recurrentKernel;
        }
      });
    }

    override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs): tf.Tensor | tf.Tensor[] {
      return this.withEffectiveKernels(() => super.call(inputs, kwargs));
    }

    override getConfig(): tf.serialization.ConfigDict {
      const { normalization, epsilon, activationGain, fixedGain, regularize } = this.settings;
      const config = { ...super.getConfig(), normalization, epsilon, activationGain, regularize };
      return fixedGain === undefined ? config : { ...config, fixedGain };
    }
  }
  return Normalized as unknown as Class<A & NormalizationArgs, NormalizedCell>;
}

/** A recurrent layer's class, with a normalised cell in place of its own. */
function normalizedLayer<A extends object>(
  Plain: Class<A, tf.layers.RNN>,
  Cell: Class<A & NormalizationArgs, NormalizedCell>,
): Class<A & NormalizationArgs, NormalizedRNN> {
  const Base = Plain as Class<A, tf.layers.RNN & { cell: NormalizedCell }>;
  abstract class Normalized extends Base {
    constructor(args: A & NormalizationArgs) {
      const cell = new Cell(args);
      super({ ...args }); // it writes its own cell into the arguments
      this.cell = cell;
    }

    get normalization(): Normalization {
      return this.cell.normalization;
    }
    get settings(): NormalizationSettings {
      return this.cell.settings;
    }
    get kernels(): readonly NormalizedKernel[] {
      return this.cell.kernels;
    }
    get bias(): tf.LayerVariable | null {
      return this.cell.bias;
    }
    get gain(): tf.LayerVariable | null {
      return this.cell.gain;
    }
    get recurrentGain(): tf.LayerVariable | null {
      return this.cell.recurrentGain;
    }

    // tf.layers does not ask the cell: its recurrent layers drop their regularizers.
    override get losses(): tf.layers.Layer['losses'] {
      return this.cell.losses;
    }

    override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs): tf.Tensor | tf.Tensor[] {
      return this.cell.withEffectiveKernels(() => super.call(inputs, kwargs));
    }
  }
  return Normalized as unknown as Class<A & NormalizationArgs, NormalizedRNN>;
}

/** @throws As `resolveSettings`, and for what recurrent layers cannot do. */
function resolveRecurrentSettings(args: NormalizationArgs): NormalizationSettings {
  const settings = resolveSettings(args);
  const { normalization, initialization, outputNormalization } = settings;
  if (outputNormalization !== undefined) {
    throw new Error(
      `normalization is '${normalization}', and in recurrent layers the statistics of '${outputNormalization}' ` +
        "differ at every time step (Salimans & Kingma normalise their kernels only): use 'none', " +
        `${KERNEL_NORMALIZATIONS.map((name) => `'${name}'`).join(', ')}`,
    );
  }
  if (initialization !== 'norm-preserving') {
    throw new Error(
      `initialization is '${initialization}', and recurrent layers start with g = ||v|| (Salimans & Kingma, ` +
        "section 3): use 'norm-preserving'",
    );
  }
  return settings;
}

/** {@link simpleRNNCell} */
export class NormalizedSimpleRNNCell extends normalizedCell(
  classOf<Parameters<typeof tf.layers.simpleRNNCell>[0], PlainCell>(tf.layers.simpleRNNCell, {
    units: 1,
    name: 'simple_rnn_cell',
  }),
) {
  static readonly className = 'NormalizedSimpleRNNCell';
}

/** {@link lstmCell} */
export class NormalizedLSTMCell extends normalizedCell(
  classOf<Parameters<typeof tf.layers.lstmCell>[0], PlainCell>(tf.layers.lstmCell, { units: 1, name: 'lstm_cell' }),
) {
  static readonly className = 'NormalizedLSTMCell';
}

/** {@link gruCell} */
export class NormalizedGRUCell extends normalizedCell(
  classOf<Parameters<typeof tf.layers.gruCell>[0], PlainCell>(tf.layers.gruCell, { units: 1, name: 'gru_cell' }),
) {
  static readonly className = 'NormalizedGRUCell';
}

/** {@link simpleRNN} */
export class NormalizedSimpleRNN extends normalizedLayer(
  classOf<Parameters<typeof tf.layers.simpleRNN>[0], tf.layers.RNN>(tf.layers.simpleRNN, {
    units: 1,
    name: 'simple_rnn',
  }),
  NormalizedSimpleRNNCell,
) {
  static readonly className = 'NormalizedSimpleRNN';
}

/** {@link lstm} */
export class NormalizedLSTM extends normalizedLayer(
  classOf<Parameters<typeof tf.layers.lstm>[0], tf.layers.RNN>(tf.layers.lstm, { units: 1, name: 'lstm' }),
  NormalizedLSTMCell,
) {
  static readonly className = 'NormalizedLSTM';
}

/** {@link gru} */
export class NormalizedGRU extends normalizedLayer(
  classOf<Parameters<typeof tf.layers.gru>[0], tf.layers.RNN>(tf.layers.gru, { units: 1, name: 'gru' }),
  NormalizedGRUCell,
) {
  static readonly className = 'NormalizedGRU';
}

for (const layerClass of [
  NormalizedSimpleRNNCell,
  NormalizedLSTMCell,
  NormalizedGRUCell,
  NormalizedSimpleRNN,
  NormalizedLSTM,
  NormalizedGRU,
]) {
  tf.serialization.registerClass(layerClass);
}

/**
 * `tf.layers.simpleRNN` with normalised kernels: `[batch, steps, in]` to `[batch, units]`, or `[batch, steps, units]`
 * with `returnSequences`. Takes all of its arguments and those of {@link NormalizationArgs}, as all layers and cells
 * here do. Both kernels, `[in, gates x units]` and `[units, gates x units]`, are normalised for each column, so that
 * each unit of each gate has its length g; w is worked out once a call, not once a step.
 *
 * Weights, in this order and as the normalization needs them: `kernel` (v), `recurrent_kernel` (v), `bias`, `gain` and
 * `recurrentGain` (g). The kernels start as those of tf.layers (Glorot's normal distribution, orthogonal) and not as
 * N(0, 0.05), and g as ||v||: with 'weight' the layer starts as the plain one. `dataDependentInit`, which is not for
 * recurrent layers, leaves it so (Salimans & Kingma 2016, section 3).
 *
 * `kernelRegularizer` acts on w, by way of `gain` where that is the same, and `recurrentRegularizer` likewise (see
 * `regularize`). tf.layers drops the
 * regularizers of cells in its own `rnn` and of layers in `bidirectional`. `seed` seeds the kernel, seed + 1 the
 * recurrent kernel; both directions of `bidirectional` then start with the same values.
 *
 * @throws For a normalization of outputs, whose statistics differ at every step, and for an `initialization` other than
 *   'norm-preserving'.
 */
export function simpleRNN(args: SimpleRNNArgs): NormalizedSimpleRNN {
  return new NormalizedSimpleRNN(args);
}

/** `tf.layers.lstm` with normalised kernels, as {@link simpleRNN}. Order of the gates: input, forget, cell, output. */
export function lstm(args: LSTMArgs): NormalizedLSTM {
  return new NormalizedLSTM(args);
}

/** `tf.layers.gru` with normalised kernels, as {@link simpleRNN}. Order of the gates: update, reset, candidate. */
export function gru(args: GRUArgs): NormalizedGRU {
  return new NormalizedGRU(args);
}

/**
 * The cell of {@link simpleRNN}, one step, for `tf.layers.rnn` and `tf.layers.stackedRNNCells`, where w is worked out
 * at each step. Takes `[x, ...states]`, `[batch, in]` and `[batch, units]`, and gives `[output, ...states]`.
 */
export function simpleRNNCell(args: SimpleRNNCellArgs): NormalizedSimpleRNNCell {
  return new NormalizedSimpleRNNCell(args);
}

/** The cell of {@link lstm}, as {@link simpleRNNCell}. */
export function lstmCell(args: LSTMCellArgs): NormalizedLSTMCell {
  return new NormalizedLSTMCell(args);
}

/** The cell of {@link gru}, as {@link simpleRNNCell}. */
export function gruCell(args: GRUCellArgs): NormalizedGRUCell {
  return new NormalizedGRUCell(args);
}

/** Whether a layer is one of the recurrent layers above, or one of their cells (with `normalization: 'none'` too). */
export function isNormalizedRecurrent(layer: tf.layers.Layer): layer is NormalizedRecurrentLayer {
  return 'kernels' in layer && 'recurrentGain' in layer;
}
