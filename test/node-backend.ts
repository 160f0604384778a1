// Registers TensorFlow's node backend with the tfjs that the sources import. Import this first.
import { createRequire } from 'node:module';
import util from 'node:util';

process.env.TF_CPP_MIN_LOG_LEVEL = '2';
// Node >= 23 removed it and tfjs-node 4.22 calls it.
(util as { isNullOrUndefined?: (value: unknown) => boolean }).isNullOrUndefined ??= (value) => value == null;
createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu');
