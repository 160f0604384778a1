import { availableParallelism, cpus, loadavg } from 'node:os';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';

/** What the numbers were measured on. */
export interface Machine {
  cpu: string;
  cores: number;
  /** Where TensorFlow's kernels run. */
  device: string;
  tensorflow: string;
  node: string;
}

export function describeMachine(): Machine {
  const { version, device } = loadTensorFlow();
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    device,
    tensorflow: version,
    node: process.versions.node,
  };
}

/** Processes that ran or waited to run, averaged over the last minute. */
export function load(): number {
  return Math.round(loadavg()[0] * 100) / 100;
}
