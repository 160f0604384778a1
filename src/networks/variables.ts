import type * as tf from '@tensorflow/tfjs';
import type { NamedVariable } from '../optimizers/index.ts';

/** What learning changes, under names that are stable across runs. */
export function trainableVariables(model: tf.LayersModel): NamedVariable[] {
  return named(model.trainableWeights);
}

/** A model's variables by name, running averages included. */
export function allVariables(model: tf.LayersModel): NamedVariable[] {
  return named(model.weights);
}

/** The variables of the network that plays, under the names that checkpoints have for them. */
export function storedVariables(online: tf.LayersModel): Record<string, tf.Variable> {
  return Object.fromEntries(allVariables(online).map(({ name, variable }) => [`online/${name}`, variable]));
}

function named(weights: tf.LayersModel['weights']): NamedVariable[] {
  return weights.map((weight) => ({ name: weight.originalName, variable: weight.read() as tf.Variable }));
}
