// What weight normalization does while a model trains: lengths, directions and gradients of its units.
import * as tf from '@tensorflow/tfjs';
import { effectiveTensor, type NormalizedKernel, unitsOf } from './kernels.ts';
import { modelKernels } from './model-kernels.ts';
import { shaped, unitAxes } from './units.ts';

/** What is measured of each unit, in the order of the table. */
const QUANTITIES = ['norm', 'gain', 'effectiveLearningRate', 'angle', 'gradientAlong', 'gradientAcross'] as const;

// A type and not an interface, so that tf.tidy may return it.
/** One kernel of a model at one moment: tensors of `[units]`, units in the order of the kernel's unit axes. */
export type DiagnosticsRow = {
  /** Name of the layer: "conv1", or "encoder/conv1" in a nested model. */
  layer: string;
  /** Name of the variable: "kernel", "depthwise_kernel", ... */
  kernel: string;
  /** ||v||; of v less its mean, where the normalization centres it. */
  norm: tf.Tensor1D;
  /** g; without weight normalization ||w||. */
  gain: tf.Tensor1D;
  /**
   * learningRate g^2 / ||v||^2: the rate at which w follows -dL/dw across itself (Salimans & Kingma 2016, section 2.1).
   * Without normalization the rate itself.
   */
  effectiveLearningRate: tf.Tensor1D;
  /**
   * Angle that v/||v|| has turned since the last measurement, radians; 0 where it has or had none (v = 0). Absent in
   * the first measurement.
   */
  angle?: tf.Tensor1D;
  /** |dL/dv . v/||v|||: 0 but for rounding under weight normalization. Absent without a gradient. */
  gradientAlong?: tf.Tensor1D;
  /** Norm of what is left of dL/dv. Absent without a gradient. */
  gradientAcross?: tf.Tensor1D;
};

/** What a measurement takes from the update. */
export interface MeasureOptions {
  /**
   * Learning rate of the optimizer at this update. For Adam and its like the effective rate leaves out their own
   * scaling.
   */
  learningRate: number;
  /**
   * dL/dv by name of variable, as `tf.variableGrads` returns them; kernels without one (frozen layers) have no gradient
   * columns.
   */
  gradients?: Readonly<Record<string, tf.Tensor>>;
}

/** Measures the kernels of a model, update after update. */
export interface Diagnostics {
  /**
   * Measures every kernel. The rows' tensors are the caller's to dispose, with `tf.dispose(rows)` or `tf.tidy`; no
   * value is read.
   * @throws If the learning rate is not a number >= 0, no gradient belongs to a kernel of the model, or one has another
   *   shape; nothing is remembered then.
   */
  measure(options: MeasureOptions): DiagnosticsRow[];
  /** Frees the remembered directions; the model stays. */
  dispose(): void;
}

/**
 * Watches the kernels of a model: those of normalised layers, and of `tf.layers`' dense and convolution layers.
 * Remembers the direction of each unit between measurements, a copy of all kernels. Layers inside wrappers such as
 * timeDistributed are not found.
 *
 * A compiled program keeps variables to itself: call its `pull()` before `measure`.
 *
 * @throws If the model has no such kernel, or is not built.
 */
export function createDiagnostics(model: tf.LayersModel): Diagnostics {
  const watched: Watched[] = modelKernels(model).map(({ layer, kernel }) => ({ layer, kernel, direction: undefined }));
  if (watched.length === 0) {
    throw new Error(
      `createDiagnostics: model "${model.name}" has no kernel to measure: give it dense or convolution layers, ` +
        'and an input shape so that they are built',
    );
  }
  return {
    measure({ learningRate, gradients }) {
      if (!(learningRate >= 0 && Number.isFinite(learningRate)))
        throw new Error(`measure: learningRate is ${learningRate}: give a number >= 0`);
      if (gradients) checkGradients(watched, gradients);
      return watched.map((one) => measureKernel(one, learningRate, gradients?.[variableOf(one.kernel).name]));
    },
    dispose() {
      for (const one of watched) {
        one.direction?.dispose();
        one.direction = undefined;
      }
    },
  };
}

/**
 * Means over the units by "layer/kernel/quantity", such as "conv1/kernel/norm": for TensorBoard. Reads values
 * synchronously, so not for WebGPU.
 */
export function diagnosticScalars(rows: readonly DiagnosticsRow[]): Record<string, number> {
  const entries = rows.flatMap((row) =>
    QUANTITIES.flatMap((quantity) => {
      const values = row[quantity];
      return values ? [[`${row.layer}/${row.kernel}/${quantity}`, mean(values)] as const] : [];
    }),
  );
  return Object.fromEntries(entries);
}

/** A table of the means over the units, a line for each kernel. Reads values synchronously, so not for WebGPU. */
export function formatDiagnostics(rows: readonly DiagnosticsRow[]): string {
  const heading = ['kernel', 'units', '||v||', 'g', 'effective lr', 'angle (rad)', 'grad along v', 'grad across v'];
  const cells = rows.map((row) => [
    `${row.layer}/${row.kernel}`,
    String(row.norm.size),
    ...QUANTITIES.map((quantity) => {
      const values = row[quantity];
      return values ? mean(values).toPrecision(3) : '-';
    }),
  ]);
  const widths = heading.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]!.length)));
  return [heading, ...cells]
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n');
}

/** A kernel with what is remembered of it. */
interface Watched {
  layer: string;
  kernel: NormalizedKernel;
  /** u/||u|| at the last measurement, in the shape of v. */
  direction: tf.Tensor | undefined;
}

function measureKernel(watched: Watched, learningRate: number, gradient: tf.Tensor | undefined): DiagnosticsRow {
  const { layer, kernel, direction: previous } = watched;
  const { normalization } = kernel;
  // g is the length of w here; the standardizations have other factors beside it, or no g.
  const hasLength = normalization === 'weight' || normalization === 'centered-weight';
  let direction!: tf.Tensor;
  const measured = tf.tidy(() => {
    const v = kernel.variable.read();
    const { reduced, keptShape } = unitAxes(v.shape, kernel.unitAxes);
    const sumUnits = (t: tf.Tensor) => tf.reshape(tf.sum(t, reduced), [-1]) as tf.Tensor1D; // [units]
    const broadcast = (t: tf.Tensor) => shaped(t, keptShape);

    const isCentered = normalization !== undefined && normalization !== 'weight';
    const u = isCentered ? tf.sub(v, tf.mean(v, reduced, true)) : v;
    const squares = sumUnits(tf.square(u));
    const norm = tf.sqrt(hasLength ? tf.add(squares, kernel.epsilon) : squares) as tf.Tensor1D;
    direction = tf.keep(tf.mul(u, broadcast(tf.divNoNan(1, tf.sqrt(squares)))));

    const gain = hasLength ? gainOf(kernel) : tf.sqrt(sumUnits(tf.square(effectiveTensor(kernel))));
    const effectiveLearningRate =
      normalization === undefined
        ? tf.fill(norm.shape, learningRate)
        : tf.mul(tf.square(tf.divNoNan(gain, norm)), learningRate);
    const row = { norm, gain: gain.clone(), effectiveLearningRate };
    return {
      ...row,
      ...(previous && { angle: angleBetween(previous, direction, sumUnits) }),
      ...(gradient && gradientParts(gradient, direction, sumUnits, broadcast)),
    };
  });
  previous?.dispose();
  watched.direction = direction;
  return { layer, kernel: kernel.name, ...measured } as DiagnosticsRow;
}

/** 2 asin(|a - b|/2) of unit vectors: exact for small angles, where acos(a . b) rounds to 0 or to 3e-4. */
function angleBetween(a: tf.Tensor, b: tf.Tensor, sumUnits: (t: tf.Tensor) => tf.Tensor): tf.Tensor {
  const halfChord = tf.mul(tf.sqrt(sumUnits(tf.square(tf.sub(a, b)))), 0.5);
  const angle = tf.mul(tf.asin(tf.minimum(halfChord, 1)), 2);
  const bothExist = tf.greater(tf.minimum(sumUnits(tf.square(a)), sumUnits(tf.square(b))), 0.5);
  return tf.where(bothExist, angle, tf.zerosLike(angle));
}

function gradientParts(
  gradient: tf.Tensor,
  direction: tf.Tensor,
  sumUnits: (t: tf.Tensor) => tf.Tensor,
  broadcast: (t: tf.Tensor) => tf.Tensor,
) {
  const along = sumUnits(tf.mul(gradient, direction));
  const across = tf.sub(gradient, tf.mul(direction, broadcast(along)));
  return { gradientAlong: tf.abs(along), gradientAcross: tf.sqrt(sumUnits(tf.square(across))) };
}

function gainOf(kernel: NormalizedKernel): tf.Tensor {
  const { gain } = kernel;
  return typeof gain === 'object' ? gain.read() : tf.fill([unitsOf(kernel)], gain!);
}

function variableOf(kernel: NormalizedKernel): tf.Variable {
  return kernel.variable.read() as tf.Variable;
}

function checkGradients(watched: readonly Watched[], gradients: Readonly<Record<string, tf.Tensor>>): void {
  const variables = watched.map(({ kernel }) => variableOf(kernel));
  if (!variables.some(({ name }) => name in gradients)) {
    throw new Error(
      `measure: gradients has none of the model's kernels (${variables[0]!.name}, ...): give the grads of ` +
        'tf.variableGrads',
    );
  }
  for (const { name, shape } of variables) {
    const gradient = gradients[name];
    if (gradient && !tf.util.arraysEqual(gradient.shape, shape)) {
      throw new Error(
        `measure: the gradient of "${name}" has shape [${gradient.shape}] and the variable [${shape}]: give dL/dv ` +
          'by name of variable',
      );
    }
  }
}

function mean(values: tf.Tensor1D): number {
  const numbers = values.dataSync<'float32'>();
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}
