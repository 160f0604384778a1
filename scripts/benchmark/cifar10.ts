import type * as tf from '@tensorflow/tfjs';
import { createOptimizer } from '../../src/optimizers/index.ts';
import { type CompileOptions, compile } from '../../src/runtime/compile/index.ts';
import type { NoiseSeed } from '../../src/runtime/seeded-noise.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { cifar10Presets, PLAIN_LEARNING_RATE } from '../../src/supervised/cifar10/config.ts';
import { trainClassifier } from '../../src/supervised/cifar10/functions.ts';
import { createClassifier } from '../../src/supervised/cifar10/network.ts';
import { countParameters } from '../../src/supervised/variables.ts';
import { inTurn } from './networks.ts';
import { Peer } from './peer.ts';
import { peerPython } from './peer-environment.ts';
import type { Benchmark, Plan, PrepareOptions, Ratio, Variant } from './plan.ts';
import { timeCalls } from './rounds.ts';

const { batchSize: BATCH_SIZE, learningRate: LEARNING_RATE } = cifar10Presets.paper.settings;
const CLASSES = 10;
const SHAPE = [32, 32, 3] as const;

type PaperNormalization = 'none' | 'weight' | 'mean-only-batch' | 'weight+mean-only-batch' | 'batch';

/** The arms of the paper's table 1. */
const ARMS: { name: string; normalization: PaperNormalization }[] = [
  { name: 'none', normalization: 'none' },
  { name: 'weight', normalization: 'weight' },
  { name: 'meanOnlyBatch', normalization: 'mean-only-batch' },
  { name: 'weightAndMeanOnlyBatch', normalization: 'weight+mean-only-batch' },
  { name: 'batch', normalization: 'batch' },
];

export interface Cifar10Options extends PrepareOptions {
  /** Factor of the convolutions' filters; the default 1 is the paper's network. */
  readonly widthMultiplier?: number | undefined;
}

export const cifar10: Benchmark = {
  about: "one update of the paper's CIFAR-10 network: its five normalizations compiled, and weight norm eager",
  rounds: 5,
  turnSeconds: 0.5,
  seconds: 120,
  prepare,
};

async function prepare({ peers, note, defer, widthMultiplier = 1 }: Cifar10Options): Promise<Plan> {
  const { usesGpu } = loadTensorFlow();
  note('compiling');
  const nextBatch = batchCycle();
  const make = (normalization: PaperNormalization, options: CompileOptions = {}) => {
    const made = createUpdate(normalization, widthMultiplier, options);
    defer(made.dispose);
    return made;
  };
  const arms = ARMS.map(({ name, normalization }) => ({ name, normalization, update: make(normalization) }));
  const eager = make('weight', { eager: true });
  const { none, weight } = Object.fromEntries(arms.map(({ name, update }) => [name, update]));
  checkSameLoss({ 'eager weight': eager, weight, none }, nextBatch());

  const variant = (name: string, title: string, { learn }: Update): Variant => ({
    name,
    title,
    turn: (turnMs) => timeCalls(() => learn(nextBatch()), turnMs),
  });
  const variants = [
    variant('eager', 'tfjs eager, weight', eager),
    ...arms.map(({ name, normalization, update }) => variant(name, `compiled, ${normalization}`, update)),
  ];
  const ratios: Ratio[] = [
    {
      name: 'eagerOverCompiled',
      title: 'eager / compiled, weight',
      above: 'eager',
      below: 'weight',
      target: { atLeast: 1 },
    },
    ...ARMS.slice(1).map(({ name, normalization }) => ({
      name: `${name}OverNone`,
      title: `${normalization} / none, compiled`,
      above: name,
      below: 'none',
      ...(normalization === 'weight' && { target: { atMost: 1.1 } }),
    })),
  ];

  let about = {};
  if (peers) {
    const python = await peerPython(note);
    note('starting PyTorch');
    const torch = await Peer.start(python, 'cifar10.py', {
      device: usesGpu ? 'cuda' : 'cpu',
      batchSize: BATCH_SIZE,
      widthMultiplier,
      learningRates: { torch: LEARNING_RATE, torchPlain: PLAIN_LEARNING_RATE },
    });
    defer(() => torch.close());
    about = torch.about;
    checkSameSize(weight, torch.about.torchParameters);
    checkSameSize(none, torch.about.torchPlainParameters);
    variants.push(torch.variant('torch', 'PyTorch eager, weight'), torch.variant('torchPlain', 'PyTorch eager, none'));
    ratios.push(
      { name: 'torchOverCompiled', title: 'PyTorch / compiled, weight', above: 'torch', below: 'weight' },
      { name: 'torchPlainOverNone', title: 'PyTorch / compiled, none', above: 'torchPlain', below: 'none' },
    );
  }
  return {
    work:
      `one update: ConvPool-CNN-C at ${widthMultiplier} times its width, batch ${BATCH_SIZE}, input noise, dropout, ` +
      'Adam',
    unit: 'ms',
    settings: { batchSize: BATCH_SIZE, widthMultiplier, weightParameters: weight.parameters, ...about },
    variants,
    ratios,
    figures: (medianMs) =>
      Object.fromEntries(
        Object.entries(medianMs).map(([name, ms]) => [`${name}ImagesPerSecond`, (BATCH_SIZE / ms) * 1000]),
      ),
  };
}

/** The trainer's update, with its noise, on images that are whitened already. */
function createUpdate(normalization: PaperNormalization, widthMultiplier: number, compileOptions: CompileOptions) {
  const classifier = createClassifier({ network: 'convpool-cnn-c', normalization, widthMultiplier, seed: 1 });
  // The paper's rates: at weight norm's the plain network diverges, and what is not finite may take another time.
  const learningRate = normalization === 'none' ? PLAIN_LEARNING_RATE : LEARNING_RATE;
  const optimizer = createOptimizer(
    { name: 'adam', learningRate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    classifier.trainable,
  );
  const program = compile(
    {
      learn: {
        inputs: {
          images: { shape: [BATCH_SIZE, ...SHAPE], dtype: 'float32' },
          labels: { shape: [BATCH_SIZE], dtype: 'int32' },
          noiseSeed: { shape: [2], dtype: 'int32' },
          learningRate: { shape: [], dtype: 'float32' },
        },
        fn: (inputs) => {
          const batch = {
            images: inputs.images as tf.Tensor4D,
            labels: inputs.labels as tf.Tensor1D,
            noiseSeed: inputs.noiseSeed as NoiseSeed,
          };
          return trainClassifier(classifier, optimizer, batch, {
            learningRate: inputs.learningRate as tf.Scalar,
            smoothing: 0,
          });
        },
      },
    },
    compileOptions,
  );
  let updates = 0;
  return {
    parameters: countParameters(classifier.trainable),
    learn(batch: Batch): number {
      const noiseSeed = Int32Array.from([1, updates++]);
      return program.steps.learn.values({ ...batch, noiseSeed, learningRate }).loss[0];
    },
    dispose() {
      program.dispose();
      optimizer.dispose();
      classifier.dispose();
    },
  };
}

type Update = ReturnType<typeof createUpdate>;
type Batch = { images: Float32Array; labels: Int32Array };

/** Minibatches of noise with whitened pixels' mean 0 and variance 1. */
function batchCycle(): () => Batch {
  const length = BATCH_SIZE * SHAPE.reduce((product, extent) => product * extent, 1);
  return inTurn((random) => ({
    images: Float32Array.from({ length }, () => (random.uniform() - 0.5) * Math.sqrt(12)),
    labels: Int32Array.from({ length: BATCH_SIZE }, () => random.integer(CLASSES)),
  }));
}

/**
 * What is compared must be the same work: weight norm starts at g = ||v||, so the first update with the same noise has
 * the plain one's loss.
 */
function checkSameLoss(updates: Record<string, Update>, batch: Batch): void {
  const losses = Object.entries(updates).map(([name, { learn }]) => ({ name, loss: learn(batch) }));
  for (const { name, loss } of losses) {
    const [first] = losses;
    if (Math.abs(loss - first.loss) <= 1e-3 * Math.abs(first.loss)) continue;
    throw new Error(
      `updates differ (losses ${first.loss} of ${first.name} and ${loss} of ${name}): their times cannot be compared`,
    );
  }
}

function checkSameSize({ parameters }: Update, peerParameters: string): void {
  if (String(parameters) === peerParameters) return;
  throw new Error(
    `PyTorch's network has ${peerParameters} parameters, ours ${parameters}: their times cannot be compared`,
  );
}
