// Registers TensorFlow's node backend with the tfjs that the sources import. Import this first.
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';

loadTensorFlow();
