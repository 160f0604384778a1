import type { CompileOptions } from '../../src/runtime/compile/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { updateFlops } from './flops.ts';
import { compileMatrixProduct, MATRIX_PRODUCT_FLOPS, MATRIX_SIZE } from './matrix-product.ts';
import { batchCycle, createLearner, LEARNING_RATE, type Learner, NUM_ACTIONS } from './networks.ts';
import { Peer } from './peer.ts';
import { peerPython, projectPython } from './peer-environment.ts';
import type { Benchmark, Plan, PrepareOptions, Ratio, Variant } from './plan.ts';
import { timeCalls } from './rounds.ts';

const BATCH_SIZE = 32;

/**
 * Programs that make the same update: each row with weight norm and without, and how many of our times it is to take.
 */
const PEERS: readonly {
  title: string;
  script: string;
  /** Its Python; that of the peers unless given. */
  python?: string;
  rows: readonly [name: string, title: string, atLeast: number][];
}[] = [
  {
    title: 'PyTorch',
    script: 'learner_torch.py',
    rows: [
      ['torch', 'PyTorch eager', 1.1],
      ['torchCompile', 'torch.compile', 1],
    ],
  },
  { title: 'JAX', script: 'learner_jax.py', rows: [['jax', 'JAX, jit', 1]] },
  {
    title: "Python's TensorFlow",
    script: 'learner_tensorflow.py',
    python: projectPython(),
    rows: [['tensorflow', 'tf.function', 1]],
  },
];

export const learner: Benchmark = {
  about: 'one update of the Nature network: eager, compiled, with and without weight norm, against the matrix peak',
  rounds: 20,
  turnSeconds: 0.15,
  seconds: 25,
  prepare,
};

async function prepare({ peers, note, defer }: PrepareOptions): Promise<Plan> {
  const { usesGpu, bfloat16: support } = loadTensorFlow();
  const make = (normalization: 'weight' | 'none', options: CompileOptions = {}) => {
    const made = createLearner({ normalization, actingBatch: 1, learningBatch: BATCH_SIZE, compile: options });
    defer(made.dispose);
    return made;
  };
  const nextBatch = batchCycle(BATCH_SIZE);
  const variant = (name: string, title: string, { learn }: Learner): Variant => ({
    name,
    title,
    turn: (turnMs) => timeCalls(() => learn(nextBatch()), turnMs),
  });

  note('compiling');
  const compiled = make('weight');
  const eager = make('weight', { eager: true });
  checkSameLoss(eager, compiled, nextBatch());
  const variants = [
    variant('eager', 'tfjs eager, weight norm', eager),
    variant('compiled', 'compiled, weight norm', compiled),
    variant('plain', 'compiled, plain', make('none')),
  ];
  const ratios: Ratio[] = [
    {
      name: 'eagerOverCompiled',
      title: 'eager / compiled, weight norm',
      above: 'eager',
      below: 'compiled',
      target: { atLeast: 2 },
    },
    {
      name: 'weightNormOverPlain',
      title: 'weight norm / plain, compiled',
      above: 'compiled',
      below: 'plain',
      target: { atMost: 1.1 },
    },
  ];

  if (support === 'native') {
    const bfloat16 = make('weight', { precision: 'bfloat16' });
    variants.push(variant('bfloat16', 'compiled, weight norm, bfloat16', bfloat16));
    ratios.push({
      name: 'float32OverBfloat16',
      title: 'float32 / bfloat16',
      above: 'compiled',
      below: 'bfloat16',
      target: { atLeast: 1.2 },
    });
  }

  const flops = updateFlops(compiled.networks.online, BATCH_SIZE);
  variants.push(floor(flops, defer));
  // 75 % of the floor's speed or more.
  const target = { atMost: 1 / 0.75 };
  ratios.push(
    { name: 'compiledOverFloor', title: 'compiled, weight norm / floor', above: 'compiled', below: 'floor', target },
    { name: 'plainOverFloor', title: 'compiled, plain / floor', above: 'plain', below: 'floor', target },
  );

  const about: Record<string, string> = {};
  if (peers) {
    const peersPython = await peerPython(note);
    for (const { title, script, python = peersPython, rows } of PEERS) {
      note(`starting ${title}`);
      const peer = await Peer.start(python, script, {
        device: usesGpu ? 'cuda' : 'cpu',
        batchSize: BATCH_SIZE,
        numActions: NUM_ACTIONS,
        learningRate: LEARNING_RATE,
      });
      defer(() => peer.close());
      Object.assign(about, peer.about);
      for (const [name, what, atLeast] of rows) {
        const plain = `${name}Plain`;
        variants.push(peer.variant(name, `${what}, weight norm`), peer.variant(plain, `${what}, plain`));
        ratios.push(
          {
            name: `${name}OverCompiled`,
            title: `${what} / compiled, weight norm`,
            above: name,
            below: 'compiled',
            target: { atLeast },
          },
          { name: `${plain}OverPlain`, title: `${what} / compiled, plain`, above: plain, below: 'plain' },
        );
      }
    }
  }
  return {
    work:
      `one update: Nature network, ${NUM_ACTIONS} actions, batch ${BATCH_SIZE}, Adam, target network, Huber loss, ` +
      'uint8 frames',
    unit: 'ms',
    settings: { batchSize: BATCH_SIZE, numActions: NUM_ACTIONS, updateFlops: flops, matrixSize: MATRIX_SIZE, ...about },
    variants,
    ratios,
    figures: (medianMs) => ({ matrixPeakGflopPerSecond: flops / medianMs.floor / 1e6 }),
  };
}

/** The time that an update's floating-point operations take at the rate of a large matrix product. */
function floor(flops: number, defer: PrepareOptions['defer']): Variant {
  const multiply = compileMatrixProduct(defer);
  return {
    name: 'floor',
    title: 'floor: its FLOPs at the matrix peak',
    turn: (turnMs) => timeCalls(multiply, turnMs) * (flops / MATRIX_PRODUCT_FLOPS),
  };
}

/** What is compared must be the same work: the first update from the same weights has the same loss. */
function checkSameLoss(one: Learner, other: Learner, batch: Parameters<Learner['learn']>[0]): void {
  const [a, b] = [one.learn(batch), other.learn(batch)];
  if (Math.abs(a - b) <= 1e-3 * Math.abs(a)) return;
  throw new Error(`eager and compiled updates differ (losses ${a} and ${b}): their times cannot be compared`);
}
