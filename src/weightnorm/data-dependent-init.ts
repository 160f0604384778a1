// Data-dependent initialisation, Salimans & Kingma 2016, section 3.
import * as tf from '@tensorflow/tfjs';
import { inBroadcastShape } from './kernels.ts';
import { isNormalizedLayer } from './layers.ts';
import type { NormalizedLayer } from './normalized.ts';
import { allButLast } from './units.ts';

/** How the initialisation from data is done. */
export interface DataDependentInitOptions {
  /** Standard deviation of each unit's pre-activation after the initialisation. Default 1. */
  initScale?: number;
  /** Initialise again a model that was initialised from data before. Default false: refuse. */
  force?: boolean;
}

// A type and not an interface, so that tf.tidy may return it.
/** What was initialised, and what could not be. */
export type DataDependentInitReport = {
  /** The layers initialised, in the order the data reached them. */
  layers: {
    name: string;
    units: number;
    /** Units whose pre-activation did not vary over the batch. */
    zeroVarianceUnits: number[];
  }[];
  /** One line for each layer with such units. */
  warnings: string[];
};

/**
 * A unit counts as constant when its std is below this share of the root mean square of its layer: float32 sums of
 * the same numbers in another order differ by up to about this much.
 */
const CONSTANT_UNIT_TOLERANCE = 1e-5;

/** Statistics of one layer, gathered while the batch passes. */
interface Visit {
  layer: NormalizedLayer;
  /** Has a 1 for every constant unit, `[units]`. */
  constant: tf.Tensor;
}

/**
 * Sets g and b of every normalised layer so that, over this batch (and all positions), each unit's pre-activation has
 * mean 0 and population standard deviation `initScale`: with t = v.x/||v||, g = initScale/std[t] and
 * b = -mean[t] initScale/std[t] (equation 9).
 *
 * The batch passes through the model once, in inference mode; each layer is set before its output goes on, so the
 * normalised and activated output feeds the next. Ordinary layers are applied as they are, shared layers are set at
 * their first use, nested models are entered. What a layer lacks, another weight takes on: with batch, layer or group
 * normalization `scale` takes the place of g (and batch normalization's running averages are set), without a gain the
 * kernel is rescaled; with mean-only batch normalization the running mean takes the mean, and b = 0; without a bias or
 * a running mean, the mean stays; where the kernel's length is fixed (weight standardization alone, fixedGain), the std
 * stays. Left alone are layers with `normalization: 'none'` or `initialization: 'data-free'`, embeddings and recurrent
 * layers, which start at g = ||v||.
 *
 * A unit that does not vary over the batch gets the scale of std 1 (g = initScale) and mean 0, and is reported.
 *
 * Layers inside wrappers such as timeDistributed are not found. Reads values synchronously, so not for WebGPU.
 *
 * @param batch One tensor for each model input, of the model's input shape, in any numeric dtype the model takes.
 * @throws If the model was initialised from data before (a loaded model remembers) and `force` is not set, if the batch
 *   is empty or not finite, or if initScale is not positive. Weights are unchanged then.
 */
export function dataDependentInit(
  model: tf.LayersModel,
  batch: tf.Tensor | tf.Tensor[],
  options: DataDependentInitOptions = {},
): DataDependentInitReport {
  const { initScale = 1, force = false } = options;
  if (!(initScale > 0 && Number.isFinite(initScale)))
    throw new Error(`initScale is ${initScale}: give a positive number`);
  const layers = normalizedLayers(model);
  const done = layers.find((layer) => layer.dataInitialized);
  if (done && !force) {
    throw new Error(
      `dataDependentInit: layer "${done.name}" was already initialised from data, perhaps before the model was ` +
        'saved; pass {force: true} to overwrite its weights',
    );
  }
  checkBatch(batch);

  const visits: Visit[] = [];
  // Where no unit of a layer varies, what the next one sees is the rounding of values of this size, less their mean.
  let roundedSize = 0;
  try {
    for (const layer of layers) {
      layer.setCallHook((inputs) => {
        layer.clearCallHook();
        const x = Array.isArray(inputs) ? inputs[0]! : inputs;
        const { constant, size } = initializeLayer(layer, x, initScale, roundedSize);
        visits.push({ layer, constant: tf.keep(constant) });
        roundedSize = constant.dataSync().every(Boolean) ? initScale * Math.max(size, roundedSize) : 0;
      });
    }
    tf.dispose(model.apply(batch) as tf.Tensor | tf.Tensor[]);
    return report(visits);
  } finally {
    for (const layer of layers) layer.clearCallHook();
    for (const { constant } of visits) constant.dispose();
  }
}

/**
 * Sets one layer from its input.
 * @param roundedSize What varies by less than the rounding of values of this size does not vary.
 * @returns Which units are constant, `[units]`, and the size of the pre-activations at scale 1, as their root mean
 *   square.
 */
function initializeLayer(
  layer: NormalizedLayer,
  x: tf.Tensor,
  initScale: number,
  roundedSize: number,
): { constant: tf.Tensor; size: number } {
  const { bias, scale, gain, movingMean, movingVariance, kernels } = layer;
  const last = kernels.at(-1)!;
  return tf.tidy(() => {
    // What the layer computes at scale 1: v.x/||v|| with weight normalization.
    const t = layer.linear(x, gain && !scale ? 1 : undefined);
    const n = layer.normalizeOutput(t, (mean, variance) => {
      if (variance) {
        movingMean!.write(mean.clone());
        movingVariance!.write(variance.clone());
      }
    });
    // Mean-only batch normalization: its mean is the running one's, and n has none left.
    const measured = movingMean && !movingVariance ? t : n;
    const { mean, std } = momentsOfUnits(measured);
    // Batch normalization blows up what is left of a constant unit, dividing it by sqrt(epsilon): ask before it does.
    const judged = movingVariance ? t : measured;
    const size = tf.sqrt(tf.mean(tf.square(judged))).dataSync()[0]; // of the whole layer
    const tolerance = CONSTANT_UNIT_TOLERANCE * Math.max(size, roundedSize);
    const constant = tf.lessEqual(movingVariance ? momentsOfUnits(t).std : std, tolerance);
    let factor = tf.div(initScale, tf.where(constant, tf.onesLike(std), std)); // [units]
    if (scale) scale.write(factor);
    else if (gain) gain.write(factor);
    else if (last.normalization === undefined)
      last.variable.write(tf.mul(last.variable.read(), inBroadcastShape(last, factor)));
    else factor = tf.onesLike(factor); // a kernel of fixed length
    const scaledMean = tf.mul(mean, factor);
    if (movingMean && !movingVariance) {
      movingMean.write(scaledMean);
      bias?.write(tf.zerosLike(scaledMean));
    } else {
      bias?.write(tf.neg(scaledMean));
    }
    layer.dataInitialized = true;
    return { constant, size };
  });
}

/** Mean and population std of each unit, `[units]`. */
function momentsOfUnits(t: tf.Tensor): { mean: tf.Tensor; std: tf.Tensor } {
  const { mean, variance } = tf.moments(t, allButLast(t));
  return { mean, std: tf.sqrt(variance) };
}

function report(visits: Visit[]): DataDependentInitReport {
  const layers = visits.map(({ layer, constant }) => {
    const flags = constant.dataSync();
    const zeroVarianceUnits = Array.from(flags.keys()).filter((unit) => flags[unit]);
    return { name: layer.name, units: flags.length, zeroVarianceUnits };
  });
  const warnings = layers
    .filter(({ zeroVarianceUnits }) => zeroVarianceUnits.length > 0)
    .map(({ name, units, zeroVarianceUnits }) => {
      const shown = zeroVarianceUnits.slice(0, 10).join(', ') + (zeroVarianceUnits.length > 10 ? ', ...' : '');
      return (
        `layer "${name}": ${zeroVarianceUnits.length} of ${units} units do not vary over the batch (${shown}); they ` +
        'start as if their std were 1'
      );
    });
  return { layers, warnings };
}

/** All layers with a normalization that takes its scale from data, nested models included, each once. */
function normalizedLayers(model: tf.LayersModel): NormalizedLayer[] {
  const found = model.layers.flatMap((layer) => {
    if (layer instanceof tf.LayersModel) return normalizedLayers(layer);
    return isNormalizedLayer(layer) && layer.takesDataInit ? [layer] : [];
  });
  return [...new Set(found)];
}

function checkBatch(batch: tf.Tensor | tf.Tensor[]): void {
  for (const tensor of Array.isArray(batch) ? batch : [batch]) {
    if (tensor.size === 0) throw new Error(`dataDependentInit: the batch is empty (shape [${tensor.shape}])`);
    const finite = tf.tidy(() => tf.all(tf.isFinite(tf.cast(tensor, 'float32'))).dataSync()[0]);
    if (!finite) throw new Error('dataDependentInit: the batch has values that are not finite');
  }
}
