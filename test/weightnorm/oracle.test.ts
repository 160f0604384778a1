// Every layer and function against float64 definitions by numpy, which share no code with them.
import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  batchNormalize,
  centeredWeightNormalize,
  groupNormalize,
  layerNormalize,
  meanOnlyBatchNormalize,
  NORMALIZATIONS,
  type NormalizationArgs,
  scaledStandardizeWeights,
  standardizeWeights,
  weightNormalize,
} from '../../src/weightnorm/index.ts';
import { askPython } from '../python-oracle.ts';
import {
  expectAgreement,
  inputOf,
  LAYERS,
  type LayerCase,
  type Nested,
  nameOf,
  normal,
  ours,
  outputAndGradients,
  randomizeWeights,
  titleOf,
} from './support.ts';

/** Relative to the largest value of a tensor. */
const TOLERANCE = 1e-5;

// ---- What is compared -------------------------------------------------------------------------------------------

interface Run {
  layer: LayerCase;
  args: NormalizationArgs & Record<string, unknown>;
  /** tfjs has no gradients of dilated convolutions. */
  outputsAlone?: boolean;
}

/** Other geometries than those of LAYERS. */
const GEOMETRIES: LayerCase[] = [
  { kind: 'dense', args: { units: 3 }, inputShape: [3] },
  { kind: 'conv1d', args: { filters: 4, kernelSize: 2 }, inputShape: [5, 3] },
  { kind: 'conv1d', args: { filters: 4, kernelSize: 4, strides: 3 }, inputShape: [9, 1] },
  { kind: 'conv2d', args: { filters: 4, kernelSize: 1 }, inputShape: [3, 2, 5] },
  // One position: scales its output.
  { kind: 'conv2d', args: { filters: 4, kernelSize: [3, 4] }, inputShape: [3, 4, 2] },
  { kind: 'conv2d', args: { filters: 4, kernelSize: [4, 3], strides: [1, 3], padding: 'same' }, inputShape: [3, 7, 2] },
  { kind: 'conv3d', args: { filters: 4, kernelSize: 2, strides: 2, padding: 'same' }, inputShape: [3, 2, 4, 2] },
  { kind: 'conv2dTranspose', args: { filters: 4, kernelSize: 3, strides: 2 }, inputShape: [2, 3, 2] },
  { kind: 'conv2dTranspose', args: { filters: 4, kernelSize: 2, strides: 3 }, inputShape: [2, 2, 3] },
  { kind: 'conv2dTranspose', args: { filters: 4, kernelSize: [2, 4], padding: 'same' }, inputShape: [3, 3, 1] },
  { kind: 'depthwiseConv2d', args: { kernelSize: 3 }, inputShape: [4, 5, 4] },
  { kind: 'depthwiseConv2d', args: { kernelSize: 2, depthMultiplier: 4 }, inputShape: [3, 3, 1] },
  { kind: 'separableConv2d', args: { filters: 4, kernelSize: 2, strides: 2, padding: 'same' }, inputShape: [5, 4, 3] },
  { kind: 'embedding', args: { inputDim: 5, outputDim: 4 }, inputShape: [2, 3] },
];

// TensorFlow's CPU kernels have no dilated conv3d or separableConv2d.
const DILATED: LayerCase[] = [
  { kind: 'conv1d', args: { filters: 4, kernelSize: 2, dilationRate: 3 }, inputShape: [9, 2] },
  { kind: 'conv2d', args: { filters: 4, kernelSize: [3, 2], dilationRate: [1, 2] }, inputShape: [4, 6, 2] },
  { kind: 'conv2d', args: { filters: 4, kernelSize: 3, dilationRate: 2, padding: 'same' }, inputShape: [4, 6, 2] },
];

/**
 * Large where the gradient would vanish without it, and its rounding be compared: the length of w before batch
 * normalization, two units in a group at one position.
 */
const varianceEpsilon = 0.5;

/** The settings of every normalization. */
const PLAIN: Run['args'][] = NORMALIZATIONS.map((normalization) => ({
  normalization,
  ...(normalization.endsWith('+batch') && { varianceEpsilon }),
}));

/** Five that between them use every part. */
const PARTS: Run['args'][] = [
  { normalization: 'none' },
  { normalization: 'weight' },
  { normalization: 'weight+batch', varianceEpsilon },
  { normalization: 'centered-weight+group', varianceEpsilon },
  { normalization: 'weight-standardization+layer' },
];

/** Every argument that changes what a layer computes. Large epsilons: small ones could be left out unnoticed. */
const SETTINGS: Run['args'][] = [
  { normalization: 'weight', epsilon: 0.5, useBias: false },
  { normalization: 'weight', fixedGain: Math.SQRT2, epsilon: 0.5 },
  { normalization: 'centered-weight', epsilon: 0.5 },
  { normalization: 'centered-weight', fixedGain: Math.SQRT2 },
  { normalization: 'weight-standardization', epsilon: 0.5 },
  { normalization: 'scaled-weight-standardization', activationGain: 1.7 },
  { normalization: 'scaled-weight-standardization', fixedGain: 2, activationGain: 1.7 },
  { normalization: 'scaled-weight-standardization', epsilon: 5 }, // between the variances: some units are floored
  { normalization: 'weight+mean-only-batch', momentum: 0.5, useBias: false },
  { normalization: 'batch', momentum: 0.5, varianceEpsilon },
  { normalization: 'layer', varianceEpsilon, useBias: false },
  { normalization: 'weight+group', groups: 1 },
  { normalization: 'group', groups: 3, varianceEpsilon },
];

const runs: Run[] = [
  ...LAYERS.flatMap((layer) => [...PLAIN, ...SETTINGS].map((args) => ({ layer, args }))),
  ...GEOMETRIES.flatMap((layer) => PARTS.map((args) => ({ layer, args }))),
  ...DILATED.flatMap((layer) => PARTS.map((args) => ({ layer, args, outputsAlone: true }))),
];

interface FunctionRun {
  title: string;
  normalization: string;
  /** Counted from the front, in order; what `run` is given may be another way to say the same. */
  unitAxes?: number[];
  settings: object;
  inputs: () => tf.Tensor[];
  run: (...inputs: tf.Tensor[]) => tf.Tensor;
}

type UnitAxis = number | number[] | null;

/** Shape of v, the unit axis as it is given, the same counted from the front, and shapes of g. */
const KERNELS: [number[], UnitAxis | undefined, number[], number[][]][] = [
  [[5, 4], undefined, [1], [[4], [1, 4]]],
  [[4, 5], 0, [0], [[4], [4, 1]]],
  [[3, 2, 4, 5], -2, [2], [[4], [1, 1, 4, 1]]],
  [
    [3, 2, 2, 3],
    [2, 3],
    [2, 3],
    [
      [2, 3],
      [1, 1, 2, 3],
    ],
  ],
  [
    [2, 4, 3],
    [-1, 0],
    [0, 2],
    [
      [2, 3],
      [2, 1, 3],
    ],
  ],
  [[3, 4], null, [], [[], [1, 1]]],
  [[6], [], [], [[], [1]]],
];

/** Units 1 and 2 of four do not vary, unit 2 is zero; halves, so that float32 takes their mean exactly. */
const withConstantUnits = () => tf.tidy(() => normal([4, 4], 1).mul([1, 0, 0, 1]).add([0, 0.5, 0, 0])) as tf.Tensor;

function functionRuns(): FunctionRun[] {
  const functions = {
    weight: weightNormalize,
    'centered-weight': centeredWeightNormalize,
    'scaled-weight-standardization': scaledStandardizeWeights,
  };
  const result: FunctionRun[] = [];
  for (const [shape, unitAxis, unitAxes, gShapes] of KERNELS) {
    const options = unitAxis === undefined ? {} : { unitAxis };
    const said = unitAxis === undefined ? 'without unitAxis' : `with unitAxis ${JSON.stringify(unitAxis)}`;
    for (const [normalization, run] of Object.entries(functions)) {
      for (const gShape of gShapes) {
        result.push({
          title: `${run.name} ${said} on [${shape}], g of shape [${gShape}]`,
          normalization,
          unitAxes,
          settings: {},
          inputs: () => [normal(shape, 1), normal(gShape, 2)],
          run: (v, g) => run(v, g, options),
        });
      }
    }
    result.push({
      title: `standardizeWeights ${said} on [${shape}]`,
      normalization: 'weight-standardization',
      unitAxes,
      settings: {},
      inputs: () => [normal(shape, 1)],
      run: (v) => standardizeWeights(v, options),
    });
  }
  const epsilon = 0.01; // of the size of the units that vary, or their gradients would be lost beside the others'
  for (const [normalization, run] of Object.entries(functions)) {
    result.push({
      title: `${run.name} with units that are zero or constant`,
      normalization,
      unitAxes: [1],
      settings: { epsilon },
      inputs: () => [withConstantUnits(), normal([4], 2)],
      run: (v, g) => run(v, g, { epsilon }),
    });
  }
  result.push({
    title: 'standardizeWeights with units that are zero or constant',
    normalization: 'weight-standardization',
    unitAxes: [1],
    settings: { epsilon },
    inputs: () => [withConstantUnits()],
    run: (v) => standardizeWeights(v, { epsilon }),
  });
  for (const shape of [
    [5, 6],
    [3, 4, 6],
    [2, 3, 2, 6],
    [2, 2, 2, 2, 6],
  ]) {
    const output = (normalization: string, settings: object, run: FunctionRun['run'], title: string) =>
      result.push({ title: `${title} on [${shape}]`, normalization, settings, inputs: () => [normal(shape, 1)], run });
    const all = shape.map((_, axis) => axis).slice(1);
    output('mean-only-batch', {}, (t) => meanOnlyBatchNormalize(t), 'meanOnlyBatchNormalize');
    output('batch', {}, (t) => batchNormalize(t), 'batchNormalize');
    output('batch', { varianceEpsilon }, (t) => batchNormalize(t, { epsilon: 0.5 }), 'batchNormalize, epsilon 0.5,');
    output('layer', {}, (t) => layerNormalize(t), 'layerNormalize of the last axis');
    output('layer', { overPositions: true }, (t) => layerNormalize(t, { axes: all }), 'layerNormalize of all axes');
    for (const groups of [1, 3])
      output('group', { groups }, (t) => groupNormalize(t, { groups }), `groupNormalize, ${groups} groups,`);
  }
  return result;
}

const functions = functionRuns();

// ---- Both sides -------------------------------------------------------------------------------------------------

interface LayerAnswer<T> {
  training: T;
  inference: T;
  averages: Record<string, T>;
  gradients: Record<string, T>;
}
interface FunctionAnswer<T> {
  value: T;
  gradients: T[];
}

/** What numpy is told, what it should find, and how many tensors were left over. */
interface Done<T> {
  question: object;
  answer: T;
  leaked: number;
}

function runLayer({ layer: layerCase, args, outputsAlone = false }: Run): Done<LayerAnswer<tf.Tensor>> {
  const before = tf.memory().numTensors;
  const layer = ours(layerCase, args);
  const x = inputOf(layerCase, 4, 1);
  const shape = tf.tidy(() => (layer.apply(x) as tf.Tensor).shape);
  randomizeWeights(layer, 2);
  const tensors = Object.fromEntries(layer.weights.map((weight) => [nameOf(weight), weight.read().arraySync()]));
  const dy = normal(shape, 20);
  const question = {
    kind: layerCase.kind,
    normalization: args.normalization,
    args: { ...layerCase.args, ...args },
    tensors: { x: x.arraySync(), ...tensors },
    dy: dy.arraySync(),
  };
  const inference = layer.apply(x) as tf.Tensor;
  const { y: training, gradients } = outputsAlone
    ? { y: layer.apply(x, { training: true }) as tf.Tensor, gradients: {} }
    : outputAndGradients(layer, x, dy, true);
  const averages = Object.fromEntries(
    layer.nonTrainableWeights.map((weight) => [nameOf(weight), weight.read().clone()]),
  );
  layer.dispose();
  tf.dispose([x, dy]);
  const answer = { training, inference, averages, gradients };
  const kept = 2 + Object.keys(averages).length + Object.keys(gradients).length;
  return { question, answer, leaked: tf.memory().numTensors - before - kept };
}

function runFunction({ inputs, run, normalization, unitAxes, settings }: FunctionRun): Done<FunctionAnswer<tf.Tensor>> {
  const before = tf.memory().numTensors;
  const given = inputs();
  const value = run(...given);
  const dy = normal(value.shape, 20);
  const gradients = tf.grads(run)(given, dy);
  const question = {
    normalization,
    unitAxes,
    settings,
    inputs: given.map((tensor) => tensor.arraySync()),
    dy: dy.arraySync(),
  };
  tf.dispose([...given, dy]);
  return {
    question,
    answer: { value, gradients },
    leaked: tf.memory().numTensors - before - 1 - gradients.length,
  };
}

function askNumpy(questions: { layers: object[]; functions: object[] }) {
  return askPython<{ layers: LayerAnswer<Nested>[]; functions: FunctionAnswer<Nested>[] }>(
    new URL('./layer_oracle.py', import.meta.url),
    questions,
  );
}

let layerRuns: Done<LayerAnswer<tf.Tensor>>[];
let functionResults: Done<FunctionAnswer<tf.Tensor>>[];
let expected: ReturnType<typeof askNumpy>;

beforeAll(() => {
  layerRuns = runs.map(runLayer);
  functionResults = functions.map(runFunction);
  const questions = (done: Done<unknown>[]) => done.map(({ question }) => question);
  expected = askNumpy({ layers: questions(layerRuns), functions: questions(functionResults) });
});

// ---- The comparison ---------------------------------------------------------------------------------------------

describe('outputs, running averages and gradients of layers agree with float64 definitions', () => {
  const layers = [...LAYERS, ...GEOMETRIES, ...DILATED].map((layer) => ({ title: titleOf(layer), layer }));
  describe.each(layers)('$title', ({ layer }) => {
    const indices = [...runs.keys()].filter((i) => runs[i].layer === layer);
    test.each(indices.map((i) => [JSON.stringify(runs[i].args), i] as const))('%s', (_, i) => {
      const { answer, leaked } = layerRuns[i];
      const numpy = expected.layers[i];
      expectAgreement(answer.inference, numpy.inference, 'inference', TOLERANCE);
      expectAgreement(answer.training, numpy.training, 'training', TOLERANCE);
      expect(Object.keys(answer.averages).sort()).toEqual(Object.keys(numpy.averages).sort());
      for (const [name, average] of Object.entries(answer.averages))
        expectAgreement(average, numpy.averages[name], name, TOLERANCE);
      if (!runs[i].outputsAlone) {
        const names = Object.keys(numpy.gradients).filter((name) => name !== 'x' || runs[i].layer.kind !== 'embedding');
        expect(Object.keys(answer.gradients).sort()).toEqual(names.sort());
        for (const name of names)
          expectAgreement(answer.gradients[name], numpy.gradients[name], `dL/d${name}`, TOLERANCE);
      }
      expect(leaked).toBe(0);
    });
  });
});

describe('values and gradients of functions agree with float64 definitions', () => {
  test.each(functions.map(({ title }, i) => [title, i] as const))('%s', (_, i) => {
    const { answer, leaked } = functionResults[i];
    const numpy = expected.functions[i];
    expectAgreement(answer.value, numpy.value, 'value', TOLERANCE);
    answer.gradients.forEach((gradient, j) => {
      expectAgreement(gradient, numpy.gradients[j], `gradient ${j}`, TOLERANCE);
    });
    expect(leaked).toBe(0);
  });
});
