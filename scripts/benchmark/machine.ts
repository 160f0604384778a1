import { loadavg } from 'node:os';
import type { Machine as RunMachine } from '../../src/runs/description.ts';
import { describeMachine as describeHardware } from '../../src/runs/machine.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';

/** What the numbers were measured on. */
export type Machine = RunMachine & { tensorflow: string; node: string };

export function describeMachine(): Machine {
  return { ...describeHardware(), tensorflow: loadTensorFlow().version, node: process.versions.node };
}

/** Processes that ran or waited to run, averaged over the last minute. */
export function load(): number {
  return Math.round(loadavg()[0] * 100) / 100;
}
