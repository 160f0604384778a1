import * as tf from '@tensorflow/tfjs';
import { asynchronousStep, checkName, notATensor } from './errors.ts';
import type { StepDefinition, StepInputs } from './step.ts';

/**
 * Runs a step's function and hands its checked results to `use`, inside a tidy. Frees the results that the step had to
 * `tf.keep` to get them out of a gradient's closure (temporal-difference errors beside the loss); results that are
 * variables, inputs or tensors from outside stay.
 * @param use Gets each result, and whether it is the step's own and free to be handed on.
 */
export function useOutputs<T>(
  step: string,
  fn: StepDefinition['fn'],
  inputs: StepInputs,
  use: (outputs: readonly { readonly name: string; readonly tensor: tf.Tensor; readonly isOwn: boolean }[]) => T,
): T {
  // Tensor ids grow: what the step makes has a larger one.
  const lastIdBefore = tf.tidy(() => tf.scalar(0).id);
  const outputs = Object.entries(checkOutputs(step, fn(inputs))).map(([name, tensor]) => {
    const isInside = tensor.id > lastIdBefore;
    return { name, tensor, isOwn: isInside && !tensor.kept, isKept: isInside && tensor.kept };
  });
  try {
    return use(outputs);
  } finally {
    tf.dispose(outputs.filter(({ isKept }) => isKept).map(({ tensor }) => tensor));
  }
}

function checkOutputs(step: string, result: unknown): Record<string, tf.Tensor> {
  if (result === undefined) return {};
  if (result instanceof Promise) {
    // Its failure, if any, follows from being asynchronous.
    result.catch(() => {});
    throw asynchronousStep(step);
  }
  if (typeof result !== 'object' || result === null || result instanceof tf.Tensor || Array.isArray(result)) {
    throw notATensor(step, undefined, result);
  }
  for (const [name, value] of Object.entries(result)) {
    checkName('Output', name);
    if (!(value instanceof tf.Tensor)) throw notATensor(step, name, value);
  }
  return result as Record<string, tf.Tensor>;
}
