import { createRequire } from 'node:module';

process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
// Registers the TensorFlow backend with the tfjs that tests and sources import.
createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu');
