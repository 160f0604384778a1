import * as tf from '@tensorflow/tfjs';
import type { Numbers } from './events.ts';

/** What grows where memory is lost: the process's resident bytes and its tensors. */
export function processNumbers(): Numbers {
  return { rssBytes: process.memoryUsage.rss(), numTensors: tf.memory().numTensors };
}
