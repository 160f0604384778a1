/**
 * Noise that is a function of a seed and of nothing else, so that compiled steps may draw it: it is made on the device,
 * and a run that resumes needs no generator's state. On TensorFlow by its stateless ops (Philox, Salmon et al. 2011);
 * elsewhere in JavaScript, with other numbers.
 */
import * as tf from '@tensorflow/tfjs';
import { Generator } from '../random/index.ts';
import { type NativeBackend, nativeBackend } from './compile/native.ts';

/**
 * int32 `[2]`: in a compiled step an input, or worked out from one. Another seed, or the same one with another
 * `stream`, gives independent noise: a stream other than 0 starts from random bits of the seed, and so not where a
 * neighbouring seed does.
 */
export type NoiseSeed = tf.Tensor1D;

/** N(0, 1), float32. `stream`: tells apart the draws that one step makes from one seed. */
export function seededNormal<R extends tf.Rank>(shape: tf.ShapeMap[R], seed: NoiseSeed, stream = 0): tf.Tensor<R> {
  return seeded('StatelessRandomNormal', shape, seed, stream, (generator) => {
    // Box & Muller 1958; 1 - u is in (0, 1].
    return Math.sqrt(-2 * Math.log(1 - generator.uniform())) * Math.cos(2 * Math.PI * generator.uniform());
  });
}

/** Uniform in [0, 1), float32; `stream` as for `seededNormal`. */
export function seededUniform<R extends tf.Rank>(shape: tf.ShapeMap[R], seed: NoiseSeed, stream = 0): tf.Tensor<R> {
  return seeded('StatelessRandomUniform', shape, seed, stream, (generator) => Math.fround(generator.uniform()));
}

function seeded<R extends tf.Rank>(
  op: string,
  shape: tf.ShapeMap[R],
  seed: NoiseSeed,
  stream: number,
  draw: (generator: Generator) => number,
): tf.Tensor<R> {
  if (seed.dtype !== 'int32' || !tf.util.arraysEqual(seed.shape, [2]))
    throw new Error(`the seed of noise is ${seed.dtype} [${seed.shape}]: give int32 [2]`);
  const backend = nativeBackend();
  return tf.tidy(() => {
    if (backend) return native(backend, op, 'float32', shape, nativeStream(backend, seed, stream)) as tf.Tensor<R>;
    const [first, second] = seed.dataSync();
    const name = stream === 0 ? `noise ${first} ${second}` : `noise ${first} ${second} stream ${stream}`;
    const generator = new Generator(first >>> 1, name);
    return tf.tensor<R>(
      Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => draw(generator)),
      shape,
    );
  });
}

/** 64 random bits of the seed, counted on by the stream. */
function nativeStream(backend: NativeBackend, seed: NoiseSeed, stream: number): tf.Tensor {
  if (stream === 0) return seed;
  const bits = native(backend, 'StatelessRandomUniformFullInt', 'int32', [2], seed);
  return tf.add(bits, tf.tensor1d([stream, 0], 'int32'));
}

function native(
  backend: NativeBackend,
  op: string,
  dtype: 'float32' | 'int32',
  shape: readonly number[],
  seed: tf.Tensor,
): tf.Tensor {
  const { binding } = backend;
  const type = (name: string, value: number) => ({ name, type: binding.TF_ATTR_TYPE, value });
  const [float32, int32] = [1, 3]; // of TF_DataType
  const attributes = [type('dtype', dtype === 'int32' ? int32 : float32), type('T', int32), type('Tseed', int32)];
  return backend.executeSingleOutput(op, attributes, [tf.tensor1d([...shape], 'int32'), seed]);
}
