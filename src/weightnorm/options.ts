// What a layer can be asked for: the names of the normalizations, the other arguments, and their checks.
import { SCALED_STANDARDIZE_EPSILON, STANDARDIZE_EPSILON } from './kernel-normalizations.ts';
import { DEFAULT_EPSILON } from './normalize.ts';
import { VARIANCE_EPSILON } from './output-normalizations.ts';
import { checkEpsilon } from './units.ts';

/** The names of the normalizations of kernels, see {@link KernelNormalization}. */
export const KERNEL_NORMALIZATIONS = [
  'weight',
  'centered-weight',
  'weight-standardization',
  'scaled-weight-standardization',
] as const;
/** The names of the normalizations of pre-activations, see {@link OutputNormalization}. */
export const OUTPUT_NORMALIZATIONS = ['mean-only-batch', 'batch', 'layer', 'group'] as const;

/**
 * What a layer's kernel goes through before it is used.
 * - `weight`: w = g v / ||v|| (Salimans & Kingma 2016, section 2).
 * - `centered-weight`: v less its mean first (Huang et al. 2017).
 * - `weight-standardization`: (v - mean) / (std + epsilon), without a gain (Qiao et al. 2019).
 * - `scaled-weight-standardization`: the same with unit length and a gain (Brock et al. 2021).
 */
export type KernelNormalization = (typeof KERNEL_NORMALIZATIONS)[number];

/**
 * What a layer's pre-activations go through before bias and activation.
 * - `mean-only-batch`: t - mean[t] over the batch (Salimans & Kingma 2016, section 4), with a running mean at
 *   inference.
 * - `batch`: (t - mean[t]) / std[t] over the batch (Ioffe & Szegedy 2015), with running averages at inference.
 * - `layer`: the same for each example (Ba et al. 2016).
 * - `group`: the same for each group of units of an example (Wu & He 2018).
 */
export type OutputNormalization = (typeof OUTPUT_NORMALIZATIONS)[number];

/** One of each kind, joined by `+`, either, or `none`: the layer of tf.layers, unchanged. */
export type Normalization =
  | 'none'
  | KernelNormalization
  | OutputNormalization
  | `${KernelNormalization}+${OutputNormalization}`;

/** Every normalization. */
export const NORMALIZATIONS: readonly Normalization[] = [
  'none',
  ...KERNEL_NORMALIZATIONS,
  ...OUTPUT_NORMALIZATIONS,
  ...KERNEL_NORMALIZATIONS.flatMap((kernel) => OUTPUT_NORMALIZATIONS.map((output) => `${kernel}+${output}` as const)),
];

/**
 * How g starts.
 * - `norm-preserving`: g = ||v||, so w = v: the layer starts as the plain one (with scaled standardization g = 1).
 * - `data-dependent`: as that, and the layer refuses to be trained before `dataDependentInit` has set it (Salimans &
 *   Kingma 2016, section 3).
 * - `data-free`: v orthogonal, b = 0, g = sqrt(dataFreeFactor fanIn / fanOut) (Arpit et al. 2019); `dataDependentInit`
 *   leaves the layer alone.
 */
export const INITIALIZATIONS = ['norm-preserving', 'data-dependent', 'data-free'] as const;
/** The name of a way to start. */
export type Initialization = (typeof INITIALIZATIONS)[number];

/** What every normalised layer can be asked for beside the arguments of `tf.layers`. */
export interface NormalizationArgs {
  /** How the layer is normalised. Default `weight`. */
  normalization?: Normalization;
  /** How the layer starts. Default `norm-preserving`. */
  initialization?: Initialization;
  /**
   * Epsilon of the kernel's normalization: added to sum(v^2) with `weight` and `centered-weight` (default 1e-12), to
   * the standard deviation with `weight-standardization` (1e-5), the least variance times fan-in with
   * `scaled-weight-standardization` (1e-4).
   */
  epsilon?: number;
  /** Added to the variance by `batch`, `layer` and `group`. Default 1e-5. */
  varianceEpsilon?: number;
  /**
   * Share of the old running averages kept at each training call, 0 to 1; `mean-only-batch` and `batch`. Default 0.9.
   * One call may have another, a number or a scalar: `apply(x, {training: true, momentum})`.
   */
  momentum?: number;
  /**
   * Groups of units with `group`. Default: the largest power of two up to 32 that divides the units and leaves at least
   * two a group.
   */
  groups?: number;
  /**
   * One constant g for all units in place of a learned one: sqrt(2) is the scale of Huang et al. for ReLU. Default:
   * learned.
   */
  fixedGain?: number;
  /** Gain of `scaled-weight-standardization`: one of `ACTIVATION_GAINS`. Default 1. */
  activationGain?: number;
  /**
   * Factor of the last kernel with `data-free`: 2 where a ReLU follows, 1 / B for the last layer of each of B residual
   * blocks, 1 for a shortcut or an output. Default 2.
   */
  dataFreeFactor?: number;
  /**
   * What the kernel's regularizer acts on. `gain`: on the kernel w that g gives; where that is the same, with L2 and
   * `weight` or `centered-weight`, it is worked out from g alone, as sum(w^2) = g^2. `kernel`: on v, which only changes
   * the effective learning rate. Default `gain` where there is a learned one, else `kernel`.
   */
  regularize?: 'gain' | 'kernel';
  /** Seeds the kernel initializers, unless they have seeds of their own: the same seed gives the same values. */
  seed?: number;
  /** Set by `dataDependentInit`; kept in the config, so that a loaded model is not initialised a second time. */
  dataInitialized?: boolean;
}

/** The arguments with every default filled in. */
export interface NormalizationSettings extends Required<Omit<NormalizationArgs, 'seed' | 'groups' | 'fixedGain'>> {
  groups: number | undefined;
  fixedGain: number | undefined;
  kernelNormalization: KernelNormalization | undefined;
  outputNormalization: OutputNormalization | undefined;
}

const DEFAULT_EPSILONS: Record<KernelNormalization, number> = {
  weight: DEFAULT_EPSILON,
  'centered-weight': DEFAULT_EPSILON,
  'weight-standardization': STANDARDIZE_EPSILON,
  'scaled-weight-standardization': SCALED_STANDARDIZE_EPSILON,
};

/** @throws Naming the argument, its value and what it may be. */
export function resolveSettings(args: NormalizationArgs): NormalizationSettings {
  const { normalization = 'weight' } = args;
  if (!NORMALIZATIONS.includes(normalization)) {
    throw new Error(
      `normalization is '${normalization}': use 'none', one of ${quoted(KERNEL_NORMALIZATIONS)}, one of ` +
        `${quoted(OUTPUT_NORMALIZATIONS)}, or one of each, such as 'weight+mean-only-batch'`,
    );
  }
  const parts = normalization.split('+');
  const kernelNormalization = KERNEL_NORMALIZATIONS.find((name) => parts.includes(name));
  const outputNormalization = OUTPUT_NORMALIZATIONS.find((name) => parts.includes(name));
  const hasGain = kernelNormalization !== undefined && kernelNormalization !== 'weight-standardization';
  const learnsGain = hasGain && args.fixedGain === undefined;
  const {
    initialization = 'norm-preserving',
    epsilon = kernelNormalization ? DEFAULT_EPSILONS[kernelNormalization] : DEFAULT_EPSILON,
    varianceEpsilon = VARIANCE_EPSILON,
    momentum = 0.9,
    fixedGain,
    activationGain = 1,
    dataFreeFactor = 2,
    regularize = learnsGain ? 'gain' : 'kernel',
    dataInitialized = false,
    groups,
  } = args;
  checkChoice('initialization', initialization, INITIALIZATIONS);
  checkChoice('regularize', regularize, ['gain', 'kernel']);
  checkEpsilon(epsilon);
  checkEpsilon(varianceEpsilon, 'varianceEpsilon');
  if (!(momentum >= 0 && momentum <= 1)) throw new Error(`momentum is ${momentum}: give a number from 0 to 1`);
  if (fixedGain !== undefined) checkPositive('fixedGain', fixedGain);
  checkPositive('activationGain', activationGain);
  checkPositive('dataFreeFactor', dataFreeFactor);
  const unused = (name: string, value: unknown, owner: string) =>
    new Error(
      `${name} is ${value}, and normalization '${normalization}' has no use for it: leave it out, or use ${owner}`,
    );
  if (fixedGain !== undefined && !hasGain)
    throw unused('fixedGain', fixedGain, "'weight', 'centered-weight' or 'scaled-weight-standardization'");
  if (activationGain !== 1 && kernelNormalization !== 'scaled-weight-standardization')
    throw unused('activationGain', activationGain, "'scaled-weight-standardization'");
  if (initialization === 'data-free' && !learnsGain) {
    throw new Error(
      "initialization is 'data-free', which sets g, and this layer learns none: use normalization 'weight', " +
        "'centered-weight' or 'scaled-weight-standardization' without fixedGain",
    );
  }
  if (regularize === 'gain' && !learnsGain) {
    throw new Error(`regularize is 'gain', and this layer has no learned gain: use 'kernel'`);
  }
  return {
    normalization,
    kernelNormalization,
    outputNormalization,
    initialization,
    epsilon,
    varianceEpsilon,
    momentum,
    fixedGain,
    activationGain,
    dataFreeFactor,
    regularize,
    dataInitialized,
    groups,
  };
}

function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) throw new Error(`${name} is '${value}': use one of ${quoted(choices)}`);
}

function checkPositive(name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) throw new Error(`${name} is ${value}: give a positive number`);
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}
