import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import { createOptimizer, type NamedVariable, type OptimizerConfig } from '../../../src/optimizers/index.ts';
import { deriveSeed, Generator } from '../../../src/random/index.ts';
import { mean } from '../../../src/report/statistics.ts';
import { compile, type StepDefinitions } from '../../../src/runtime/compile/index.ts';
import { assignEffectiveWeights, dataDependentInit, dense, unitNorms } from '../../../src/weightnorm/index.ts';

/** The task and the network; what changes between runs is in `RunPlan`. */
export const TASK = {
  features: 32,
  classes: 10,
  examples: 2048,
  /** Share of the labels that are drawn anew: they keep the gradients noisy to the end. */
  labelNoise: 0.1,
  hiddenUnits: [64, 64],
} as const;

export type OptimizerName = 'sgd' | 'adam';
export type Parameterisation = 'plain' | 'weight norm';

/** One training run. */
export interface RunPlan {
  parameterisation: Parameterisation;
  learningRate: number;
  /** Examples in a minibatch. */
  batchSize: number;
  seed: number;
}

/** A run at one step. */
export interface Measurement extends RunPlan {
  /** Updates made so far. */
  step: number;
  /** Mean cross-entropy over all training examples, nats. */
  loss: number;
  /** Mean over all units of ||v|| (||w|| for plain units) divided by what it was at step 0. */
  relativeNorm: number;
  /** Mean over all units of learningRate g^2/||v||^2; the learning rate itself for plain units. */
  effectiveLearningRate: number;
  /** Whether loss or norms are no longer finite; the run ends there. */
  diverged: boolean;
}

export interface Experiment {
  /**
   * Trains from the start and returns the measurements, from step 0 on. Lets the event loop turn, so that signals are
   * heard.
   */
  run(plan: RunPlan): Promise<Measurement[]>;
  dispose(): void;
}

export interface ExperimentOptions {
  optimizer: OptimizerName;
  /** Updates of each run. */
  steps: number;
  /** Times measured at most, step 0 not counted. */
  measurements: number;
  batchSizes: readonly number[];
}

/**
 * Both parameterisations of one network, each with its training step compiled once: a run only sets weights and data.
 * For one seed, all runs have the same data and start as the same function, and those with one batch size see the same
 * minibatches.
 */
export function createExperiment(options: ExperimentOptions): Experiment {
  const learners = { plain: createLearner('none', options), 'weight norm': createLearner('weight', options) };
  return {
    async run(plan) {
      const { seed, parameterisation } = plan;
      const data = syntheticTask(seed);
      try {
        initialise(learners, data, seed);
        return await train(learners[parameterisation], data, plan, options);
      } finally {
        tf.dispose([data.x, data.labels]);
      }
    },
    dispose() {
      for (const learner of Object.values(learners)) learner.dispose();
    },
  };
}

/**
 * The updates after which a run is measured, 0 and the last among them: closer together at the start, where ||v|| grows
 * fastest.
 */
export function measuredSteps({ steps, measurements }: Pick<ExperimentOptions, 'steps' | 'measurements'>): number[] {
  const all = Array.from({ length: measurements + 1 }, (_, i) => Math.round(steps * (i / measurements) ** 2));
  return [...new Set(all)];
}

async function train(learner: Learner, data: Task, plan: RunPlan, options: ExperimentOptions): Promise<Measurement[]> {
  const { learningRate, batchSize, seed } = plan;
  const minibatches = new Generator(seed, `minibatches of ${batchSize}`);
  const x = new Float32Array(batchSize * TASK.features);
  const labels = new Int32Array(batchSize);
  const [allX, allLabels] = [data.x.dataSync<'float32'>(), data.labels.dataSync<'int32'>()];
  const measured = new Set(measuredSteps(options));
  const rows: Measurement[] = [];
  const startNorms = learner.measure(data).norms;
  for (let step = 0; ; step++) {
    if (measured.has(step)) {
      const { loss, norms, ratios } = learner.measure(data);
      const relativeNorm = mean(norms.map((norm, unit) => norm / startNorms[unit]));
      const effectiveLearningRate = learningRate * mean(ratios);
      const diverged = ![loss, relativeNorm, effectiveLearningRate].every(Number.isFinite);
      rows.push({ ...plan, step, loss, relativeNorm, effectiveLearningRate, diverged });
      if (diverged || step === options.steps) return rows;
    }
    if (step % 100 === 0) await setImmediate();
    for (let i = 0; i < batchSize; i++) {
      const example = minibatches.integer(TASK.examples);
      x.set(allX.subarray(example * TASK.features, (example + 1) * TASK.features), i * TASK.features);
      labels[i] = allLabels[example];
    }
    learner.learn(x, labels, learningRate);
  }
}

interface Task {
  /** [examples, features] */
  x: tf.Tensor2D;
  /** int32 [examples] */
  labels: tf.Tensor1D;
}

/** Gaussian inputs, labelled by a random network of one hidden layer and then with `labelNoise`. */
function syntheticTask(seed: number): Task {
  const { features, classes, examples, labelNoise } = TASK;
  const random = new Generator(seed, 'label noise');
  return tf.tidy(() => {
    const normal = (shape: [number, number], name: string) =>
      tf.randomNormal<tf.Rank.R2>(shape, 0, 1, 'float32', deriveSeed(seed, name));
    const x = normal([examples, features], 'inputs');
    const hidden = x.matMul(normal([features, features], 'teacher 1').div(Math.sqrt(features))).tanh();
    const taught = hidden
      .matMul(normal([features, classes], 'teacher 2'))
      .argMax(1)
      .dataSync<'int32'>();
    const labels = taught.map((label) => (random.uniform() < labelNoise ? random.integer(classes) : label));
    return { x, labels: tf.tensor1d(labels, 'int32') };
  });
}

type Learner = ReturnType<typeof createLearner>;

function createLearner(normalization: 'none' | 'weight', { optimizer: name, batchSizes }: ExperimentOptions) {
  const { features, classes, examples, hiddenUnits } = TASK;
  const model = tf.sequential({
    layers: [...hiddenUnits, classes].map((units, i) =>
      dense({
        name: `dense${i + 1}`,
        units,
        normalization,
        ...(i === 0 && { inputShape: [features] }),
        ...(i < hiddenUnits.length && { activation: 'relu' }),
      }),
    ),
  });
  const variables = trainable(model);
  const config: OptimizerConfig =
    name === 'sgd'
      ? { name, learningRate: 0, momentum: 0 }
      : { name, learningRate: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  const optimizer = createOptimizer(config, variables);
  const crossEntropy = (x: tf.Tensor, labels: tf.Tensor) =>
    tf.losses.softmaxCrossEntropy(tf.oneHot(labels, classes), model.apply(x) as tf.Tensor) as tf.Scalar;

  const inputs = (batch: number) =>
    ({ x: { shape: [batch, features], dtype: 'float32' }, labels: { shape: [batch], dtype: 'int32' } }) as const;
  const learn = (batch: number) => ({
    inputs: { ...inputs(batch), learningRate: { shape: [], dtype: 'float32' } } as const,
    fn: ({ x, labels, learningRate }: Record<string, tf.Tensor>) => {
      const { grads } = tf.variableGrads(
        () => crossEntropy(x, labels),
        variables.map(({ variable }) => variable),
      );
      optimizer.applyGradients(
        variables.map(({ variable }) => grads[variable.name]),
        learningRate as tf.Scalar,
      );
    },
  });
  const definitions: StepDefinitions = {
    ...Object.fromEntries(batchSizes.map((batch) => [`learn${batch}`, learn(batch)])),
    measure: {
      inputs: inputs(examples),
      fn: ({ x, labels }) => {
        const norms = weightsNamed(variables, 'kernel').map((kernel) => unitNorms(kernel));
        const gains = normalization === 'weight' ? weightsNamed(variables, 'gain') : norms;
        const ratios = gains.map((gain, i) => gain.div(norms[i]).square());
        return { loss: crossEntropy(x, labels), norms: tf.concat(norms), ratios: tf.concat(ratios) };
      },
    },
  };
  const program = compile(definitions);

  return {
    model,
    learn(x: Float32Array, labels: Int32Array, learningRate: number): void {
      program.steps[`learn${labels.length}`].run({ x, labels, learningRate });
    },
    measure({ x, labels }: Task) {
      const { loss, norms, ratios } = program.steps.measure.values({ x, labels });
      return { loss: loss[0], norms: Array.from(norms), ratios: Array.from(ratios) };
    },
    /** Starts training anew from the model's present weights. */
    restart(): void {
      for (const [slot, variable] of Object.entries(optimizer.slots)) {
        const base = { beta1Power: 0.9, beta2Power: 0.999 }[slot] ?? 0;
        tf.tidy(() => variable.assign(tf.fill(variable.shape, base)));
      }
      program.push();
    },
    dispose(): void {
      program.dispose();
      optimizer.dispose();
      model.dispose();
    },
  };
}

/**
 * v ~ N(0, 0.05), then g and b from the data (section 3); the plain network gets w = g v/||v||, and so starts as the
 * same function.
 */
function initialise(learners: Record<Parameterisation, Learner>, { x }: Task, seed: number): void {
  const { plain, 'weight norm': normalised } = learners;
  tf.tidy(() => {
    for (const { name, variable } of trainable(normalised.model)) {
      if (!name.endsWith('kernel')) continue;
      variable.assign(tf.randomNormal(variable.shape, 0, 0.05, 'float32', deriveSeed(seed, name)));
    }
    dataDependentInit(normalised.model, x, { force: true });
    assignEffectiveWeights(plain.model, normalised.model);
  });
  plain.restart();
  normalised.restart();
}

function trainable(model: tf.LayersModel): NamedVariable[] {
  return model.trainableWeights.map((weight) => ({
    name: weight.originalName,
    variable: weight.read() as tf.Variable,
  }));
}

function weightsNamed(variables: readonly NamedVariable[], name: string): tf.Variable[] {
  return variables.filter((named) => named.name.endsWith(`/${name}`)).map(({ variable }) => variable);
}
