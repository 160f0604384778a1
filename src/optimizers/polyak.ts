import * as tf from '@tensorflow/tfjs';
import type { NamedVariable } from './optimizer.ts';

/** Running averages of variables, such as those that are evaluated in place of the newest weights. */
export interface PolyakAverage {
  /** The averages by stable name, `<variable>/average`, and `updates`, their number so far: for checkpoints. */
  readonly slots: Readonly<Record<string, tf.Variable>>;
  /**
   * Takes the present values into the averages. Pure tfjs ops: a step that contains it, after the optimizer, can be
   * compiled.
   */
  update(): void;
  /**
   * Exchanges values and averages, to evaluate with the averages; a second call undoes it, to the bit. Before the first
   * update, when there is no average, the values stay. Do not update between the two. Where the program is compiled,
   * make this one of its steps.
   */
  swap(): void;
  /** Frees the averages; the variables stay. */
  dispose(): void;
}

/**
 * Averages of variables over the updates of their training (Polyak & Juditsky 1992), exponential as Adam's authors do
 * it (Kingma & Ba 2015, section 7.2):
 *
 *   average <- average + (value - average) max(1 - decay, 1/t)    at update t, from 1 up
 *
 * The first 1/(1 - decay) updates count equally, so that the initial values have no part; then the weight of older ones
 * falls by `decay` an update.
 *
 * @param decay In [0, 1). 1 - 1/n averages over about the last n updates.
 * @throws For a decay out of range and two variables of one name.
 */
export function createPolyakAverage(variables: readonly NamedVariable[], { decay }: { decay: number }): PolyakAverage {
  if (!(decay >= 0 && decay < 1)) throw new Error(`decay of the Polyak average is ${decay}: it must be in [0, 1).`);
  const names = variables.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined)
    throw new Error(`Two variables of the Polyak average are named "${twice}": give each its own name.`);
  const updates = tf.tidy(() => tf.variable(tf.scalar(0), false));
  const pairs = variables.map(({ name, variable }) => ({
    name,
    variable,
    average: tf.tidy(() => tf.variable(tf.zerosLike(variable), false)),
  }));
  const slots = { updates, ...Object.fromEntries(pairs.map(({ name, average }) => [`${name}/average`, average])) };
  return {
    slots,
    update() {
      tf.tidy(() => {
        updates.assign(updates.add(1));
        const rate = tf.maximum(1 - decay, tf.div(1, updates));
        // A tidy for each variable: only one variable's intermediates live at a time.
        for (const { variable, average } of pairs)
          tf.tidy(() => average.assign(average.add(variable.sub(average).mul(rate))));
      });
    },
    swap() {
      for (const { variable, average } of pairs) {
        tf.tidy(() => {
          const isAverage = tf.greater(updates, 0);
          const value = variable.clone();
          const mean = average.clone();
          variable.assign(tf.where(isAverage, mean, value));
          average.assign(tf.where(isAverage, value, mean));
        });
      }
    },
    dispose() {
      tf.dispose(slots);
    },
  };
}
