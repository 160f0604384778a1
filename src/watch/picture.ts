import { loadTensorFlow } from '../runtime/tensorflow.ts';

/** Finds long stretches of one colour, which is most of what games draw; a higher one takes longer than the game. */
const COMPRESSION = 1;

/** RGB pixels [height, width, 3] as a PNG file. */
export async function encodeScreen(pixels: Uint8Array, height: number, width: number): Promise<Uint8Array> {
  const { tf } = loadTensorFlow();
  const image = tf.tensor3d(pixels, [height, width, 3], 'int32');
  try {
    return await tf.node.encodePng(image, COMPRESSION);
  } finally {
    image.dispose();
  }
}
