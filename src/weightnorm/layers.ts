// The normalised dense, convolution and embedding layers. Importing this module registers their classes.
import * as tf from '@tensorflow/tfjs';
import { type KernelSpec, type NormalizedLayer, normalized } from './normalized.ts';
import type { NormalizationArgs } from './options.ts';
import { classOf, type PlainLayer, withPointwiseInitializer } from './plain-layers.ts';

type Args<F extends (args: never) => tf.layers.Layer> = Parameters<F>[0] & NormalizationArgs;
/** The arguments of `tf.layers.dense`, and those of the normalization. */
export type DenseArgs = Args<typeof tf.layers.dense>;
/** The arguments of `tf.layers.conv1d`, and those of the normalization. */
export type Conv1DArgs = Args<typeof tf.layers.conv1d>;
/** The arguments of `tf.layers.conv2d`, and those of the normalization. */
export type Conv2DArgs = Args<typeof tf.layers.conv2d>;
/** The arguments of `tf.layers.conv3d`, and those of the normalization. */
export type Conv3DArgs = Args<typeof tf.layers.conv3d>;
/** The arguments of `tf.layers.conv2dTranspose`, and those of the normalization. */
export type Conv2DTransposeArgs = Args<typeof tf.layers.conv2dTranspose>;
/** The arguments of `tf.layers.depthwiseConv2d`, and those of the normalization. */
export type DepthwiseConv2DArgs = Args<typeof tf.layers.depthwiseConv2d>;
/** The arguments of `tf.layers.separableConv2d`, and those of the normalization. */
export type SeparableConv2DArgs = Args<typeof tf.layers.separableConv2d>;
/** The arguments of `tf.layers.embedding`, and those of the normalization. */
export type EmbeddingArgs = Args<typeof tf.layers.embedding>;

// Interfaces, and not types: TypeScript would write the paths of tfjs's own files, which do not resolve, into the
// declarations.
type FactoryArgs<F extends (args: never) => tf.layers.Layer> = Parameters<F>[0];
interface PlainDenseArgs extends FactoryArgs<typeof tf.layers.dense> {}
interface PlainConv1DArgs extends FactoryArgs<typeof tf.layers.conv1d> {}
interface PlainConv2DArgs extends FactoryArgs<typeof tf.layers.conv2d> {}
interface PlainConv3DArgs extends FactoryArgs<typeof tf.layers.conv3d> {}
interface PlainConv2DTransposeArgs extends FactoryArgs<typeof tf.layers.conv2dTranspose> {}
interface PlainDepthwiseConv2DArgs extends FactoryArgs<typeof tf.layers.depthwiseConv2d> {}
interface PlainSeparableConv2DArgs extends FactoryArgs<typeof tf.layers.separableConv2d> {}
interface PlainEmbeddingArgs extends FactoryArgs<typeof tf.layers.embedding> {}

interface PlainConvolution extends PlainLayer {
  strides: number[];
  dilationRate: number[];
  padding: 'valid' | 'same';
}

const ONE_FILTER = { filters: 1, kernelSize: 1 };

/** [..., in, out] */
const KERNEL: KernelSpec = { property: 'kernel', name: 'kernel', gain: 'gain', prefix: 'kernel', unitAxes: [-1] };
/** [height, width, in, multiplier]: each pair of channel and multiple is a unit. */
const DEPTHWISE: KernelSpec = {
  property: 'depthwiseKernel',
  name: 'depthwise_kernel',
  gain: 'gain',
  prefix: 'depthwise',
  unitAxes: [-2, -1],
};

/** {@link dense} */
export class NormalizedDense extends normalized(
  classOf<PlainDenseArgs, PlainLayer>(tf.layers.dense, { units: 1, name: 'dense' }),
  {
    kernels: [KERNEL],
    linear(_, x, [kernel]) {
      if (x.rank === 2) return tf.matMul(x, kernel!);
      const [inSize, units] = kernel!.shape as [number, number];
      return tf.reshape(tf.matMul(tf.reshape(x, [-1, inSize]), kernel!), [...x.shape.slice(0, -1), units]);
    },
  },
) {
  static readonly className = 'NormalizedDense';
}

/** {@link conv1d} */
export class NormalizedConv1D extends normalized(
  classOf<PlainConv1DArgs, PlainConvolution>(tf.layers.conv1d, {
    ...ONE_FILTER,
    name: 'conv1d',
  }),
  {
    kernels: [KERNEL],
    overPositions: true,
    linear: ({ strides, padding, dilationRate }, x, [kernel]) =>
      tf.conv1d(x as tf.Tensor3D, kernel as tf.Tensor3D, strides[0]!, padding, 'NWC', dilationRate[0]),
  },
) {
  static readonly className = 'NormalizedConv1D';
}

/** {@link conv2d} */
export class NormalizedConv2D extends normalized(
  classOf<PlainConv2DArgs, PlainConvolution>(tf.layers.conv2d, {
    ...ONE_FILTER,
    name: 'conv2d',
  }),
  {
    kernels: [KERNEL],
    overPositions: true,
    linear: ({ strides, padding, dilationRate }, x, [kernel]) =>
      tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, strides as Pair, padding, 'NHWC', dilationRate as Pair),
  },
) {
  static readonly className = 'NormalizedConv2D';
}

/** {@link conv3d} */
export class NormalizedConv3D extends normalized(
  classOf<PlainConv3DArgs, PlainConvolution>(tf.layers.conv3d, {
    ...ONE_FILTER,
    name: 'conv3d',
  }),
  {
    kernels: [KERNEL],
    overPositions: true,
    linear: ({ strides, padding, dilationRate }, x, [kernel]) =>
      tf.conv3d(x as tf.Tensor5D, kernel as tf.Tensor5D, strides as Triple, padding, 'NDHWC', dilationRate as Triple),
  },
) {
  static readonly className = 'NormalizedConv3D';
}

/** {@link conv2dTranspose} */
export class NormalizedConv2DTranspose extends normalized(
  classOf<PlainConv2DTransposeArgs, PlainConvolution>(tf.layers.conv2dTranspose, {
    ...ONE_FILTER,
    name: 'conv2d_transpose',
  }),
  {
    // [height, width, out, in]
    kernels: [{ ...KERNEL, unitAxes: [-2] }],
    overPositions: true,
    check: refuseDilation('conv2dTranspose'),
    linear: (layer, x, [kernel]) =>
      tf.conv2dTranspose(
        x as tf.Tensor4D,
        kernel as tf.Tensor4D,
        layer.computeOutputShape(x.shape) as [number, number, number, number],
        layer.strides as Pair,
        layer.padding,
      ),
  },
) {
  static readonly className = 'NormalizedConv2DTranspose';
}

/** {@link depthwiseConv2d} */
export class NormalizedDepthwiseConv2D extends normalized(
  classOf<PlainDepthwiseConv2DArgs, PlainConvolution>(tf.layers.depthwiseConv2d, {
    kernelSize: 1,
    name: 'depthwise_conv2d',
  }),
  {
    kernels: [DEPTHWISE],
    overPositions: true,
    check(args) {
      refuseDilation('depthwiseConv2d')(args);
      refuseKernelOptions(args);
    },
    linear: ({ strides, padding }, x, [kernel]) =>
      tf.depthwiseConv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, strides as Pair, padding),
  },
) {
  static readonly className = 'NormalizedDepthwiseConv2D';
}

/** {@link separableConv2d} */
export class NormalizedSeparableConv2D extends normalized(
  withPointwiseInitializer(
    classOf<PlainSeparableConv2DArgs, PlainConvolution>(tf.layers.separableConv2d, {
      ...ONE_FILTER,
      name: 'separable_conv2d',
    }),
  ),
  {
    kernels: [
      { ...DEPTHWISE, gain: 'depthwiseGain' },
      { property: 'pointwiseKernel', name: 'pointwise_kernel', gain: 'gain', prefix: 'pointwise', unitAxes: [-1] },
    ],
    overPositions: true,
    linear({ strides, padding, dilationRate }, x, [depthwise, pointwise]) {
      const channels = tf.depthwiseConv2d(
        x as tf.Tensor4D,
        depthwise as tf.Tensor4D,
        strides as Pair,
        padding,
        'NHWC',
        dilationRate as Pair,
      ); // [batch, height', width', in x multiplier]
      return tf.conv2d(channels, pointwise as tf.Tensor4D, 1, 'valid');
    },
  },
) {
  static readonly className = 'NormalizedSeparableConv2D';
}

/** {@link embedding} */
export class NormalizedEmbedding extends normalized(
  classOf<PlainEmbeddingArgs, PlainLayer>(tf.layers.embedding, {
    inputDim: 1,
    outputDim: 1,
    name: 'embedding',
  }),
  {
    // [tokens, dimensions]: a token's vector has a length and a direction.
    kernels: [{ property: 'embeddings', name: 'embeddings', gain: 'gain', prefix: 'embeddings', unitAxes: [0] }],
    takesDataInit: false,
    integerInput: true,
    check(args, { initialization, normalization }) {
      const { dtype } = args as { dtype?: unknown };
      if (dtype != null && dtype !== 'float32' && normalization !== 'none')
        throw new Error(`dtype is '${dtype}', and the vectors are normalised in 'float32': leave it out`);
      if (initialization !== 'norm-preserving') {
        throw new Error(
          `initialization is '${initialization}', and embeddings have no pre-activations to set: use 'norm-preserving'`,
        );
      }
    },
    linear: (_, x, [table]) => tf.gather(table!, tf.cast(x, 'int32')),
  },
) {
  static readonly className = 'NormalizedEmbedding';
}

type Pair = [number, number];
type Triple = [number, number, number];

/** tf.layers takes a dilation rate there and does not use it. */
function refuseDilation(factory: string) {
  return ({ dilationRate = 1 }: { dilationRate?: number | number[] }): void => {
    if ([dilationRate].flat().every((rate) => rate === 1)) return;
    throw new Error(`dilationRate is ${dilationRate}: tf.layers.${factory} ignores it, so leave it out`);
  };
}

/** tf.layers takes them for every convolution, and a depthwise one has other names. */
function refuseKernelOptions(args: object): void {
  for (const what of ['Initializer', 'Regularizer']) {
    if ((args as Record<string, unknown>)[`kernel${what}`] == null) continue;
    throw new Error(`kernel${what} is ignored by tf.layers.depthwiseConv2d: give depthwise${what} in its place`);
  }
}

for (const layerClass of [
  NormalizedDense,
  NormalizedConv1D,
  NormalizedConv2D,
  NormalizedConv3D,
  NormalizedConv2DTranspose,
  NormalizedDepthwiseConv2D,
  NormalizedSeparableConv2D,
  NormalizedEmbedding,
]) {
  tf.serialization.registerClass(layerClass);
}

/**
 * `tf.layers.dense` with a normalization: `[..., in]` to `[..., units]`. Takes all of its arguments and those of
 * {@link NormalizationArgs}, as all layers here do. Weights, in this order and as the normalization needs them:
 * `kernel` (v, `[in, units]`), `bias` (b), `gain` (g), `scale`, `movingMean`, `movingVariance`. The kernel starts as
 * N(0, 0.05), g as ||v||.
 */
export function dense(args: DenseArgs): NormalizedDense {
  return new NormalizedDense(args);
}

/**
 * `tf.layers.conv1d` with a normalization: `[batch, steps, channels]` to `[batch, steps', filters]`; kernel
 * `[size, in, filters]`.
 */
export function conv1d(args: Conv1DArgs): NormalizedConv1D {
  return new NormalizedConv1D(args);
}

/**
 * `tf.layers.conv2d` with a normalization: `[batch, height, width, channels]` to `[batch, height', width', filters]`;
 * kernel `[height, width, in, filters]`. Channels last, as in all convolutions here.
 */
export function conv2d(args: Conv2DArgs): NormalizedConv2D {
  return new NormalizedConv2D(args);
}

/**
 * `tf.layers.conv3d` with a normalization: `[batch, depth, height, width, channels]`; kernel
 * `[depth, height, width, in, filters]`.
 */
export function conv3d(args: Conv3DArgs): NormalizedConv3D {
  return new NormalizedConv3D(args);
}

/**
 * `tf.layers.conv2dTranspose` with a normalization; kernel `[height, width, filters, in]`: the norm runs over axes 0, 1
 * and 3, so that each **output** channel has its g.
 */
export function conv2dTranspose(args: Conv2DTransposeArgs): NormalizedConv2DTranspose {
  return new NormalizedConv2DTranspose(args);
}

/**
 * `tf.layers.depthwiseConv2d` with a normalization; kernel `[height, width, in, multiplier]`: each of the in x
 * multiplier output channels has its g, in the order of the output.
 */
export function depthwiseConv2d(args: DepthwiseConv2DArgs): NormalizedDepthwiseConv2D {
  return new NormalizedDepthwiseConv2D(args);
}

/**
 * `tf.layers.separableConv2d` with a normalization of both kernels, `[height, width, in, multiplier]` with
 * `depthwiseGain` and `[1, 1, in x multiplier, filters]` with `gain`; an output normalization acts once, at the end.
 */
export function separableConv2d(args: SeparableConv2DArgs): NormalizedSeparableConv2D {
  return new NormalizedSeparableConv2D(args);
}

/**
 * `tf.layers.embedding` with a normalization: indices `[batch, ...]` to `[batch, ..., outputDim]`. Each token is a
 * unit: its vector is a length g times a direction. The whole table is normalised at each call.
 */
export function embedding(args: EmbeddingArgs): NormalizedEmbedding {
  return new NormalizedEmbedding(args);
}

/** Whether a layer is one of those above (with `normalization: 'none'` too). */
export function isNormalizedLayer(layer: tf.layers.Layer): layer is NormalizedLayer {
  const { normalization, linear } = layer as Partial<NormalizedLayer>;
  return typeof normalization === 'string' && typeof linear === 'function';
}
