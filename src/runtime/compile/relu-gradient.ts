import * as tf from '@tensorflow/tfjs';
import { DataType, type NativeBackend } from './native.ts';

/**
 * Until the returned function is called, the gradient of ReLU is TensorFlow's `ReluGrad` of the result, instead of
 * tfjs's product with `tf.step` of the argument (five ops over it). The same numbers, but where the argument is NaN:
 * there the gradient is 0, not NaN. Nothing then needs the argument any more, so that TensorFlow's optimizer can merge
 * convolution, bias and ReLU.
 */
export function useNativeReluGradient(backend: NativeBackend): () => void {
  const usual = tf.getGradient('Relu');
  const type = { name: 'T', type: backend.binding.TF_ATTR_TYPE, value: DataType.float32 };
  // A gradient of its own, for second derivatives.
  const reluGradient = tf.customGrad((...inputs) => {
    const [dy, y, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    save([y]);
    return {
      value: backend.executeSingleOutput('ReluGrad', [type], [dy, y]),
      gradFunc: (ddy: tf.Tensor, [y]: tf.Tensor[]) => [tf.mul(ddy, tf.step(y)), tf.zerosLike(y)],
    };
  });
  register({
    kernelName: 'Relu',
    outputsToSave: [true],
    gradFunc: (dy, [y]) => ({ x: () => reluGradient(dy as tf.Tensor, y) }),
  });
  return () => register(usual);
}

function register(config: tf.GradConfig): void {
  tf.unregisterGradient('Relu');
  tf.registerGradient(config);
}
