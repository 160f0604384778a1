import type { FusedUpdate } from './update-rule.ts';

/** Takes one variable's update as one TensorFlow op instead of running it. */
export type FusedUpdateSink = (update: FusedUpdate) => void;

let activeSink: FusedUpdateSink | undefined;

/** The sink of the trace in progress, or undefined when ops run eagerly. */
export function fusedUpdateSink(): FusedUpdateSink | undefined {
  return activeSink;
}

/** Runs `fn`; optimizers called inside hand their updates to `sink` as fused ops. */
export function withFusedUpdates<T>(sink: FusedUpdateSink, fn: () => T): T {
  const previous = activeSink;
  activeSink = sink;
  try {
    return fn();
  } finally {
    activeSink = previous;
  }
}
