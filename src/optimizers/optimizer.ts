import * as tf from '@tensorflow/tfjs';
import { type AdamConfig, adamRule } from './adam.ts';
import { type AdamaxConfig, adamaxRule } from './adamax.ts';
import { type CenteredRmsPropConfig, centeredRmsPropRule } from './centered-rmsprop.ts';
import { fusedUpdateSink } from './fused.ts';
import { type RAdamConfig, rAdamRule } from './radam.ts';
import { type SgdConfig, sgdRule } from './sgd.ts';
import type { UpdateRule, UpdateTarget } from './update-rule.ts';

/** An optimizer by its name, with its numbers. */
export type OptimizerConfig = AdamConfig | AdamaxConfig | CenteredRmsPropConfig | RAdamConfig | SgdConfig;

/** A variable under the name that checkpoints know it by. */
export interface NamedVariable {
  /** Stable name, unique in the optimizer; slots are named after it. */
  readonly name: string;
  readonly variable: tf.Variable;
}

/**
 * An optimizer over given variables, all of whose state is in variables too, so that a compiled step may contain
 * it.
 */
export interface Optimizer {
  readonly name: OptimizerConfig['name'];
  /** As configured. */
  readonly learningRate: number;
  /**
   * One update of every variable.
   * @param gradients One for each variable, in the order given to `createOptimizer`, of the variable's shape. They stay
   *   the caller's to dispose.
   * @param learningRate Replaces the configured one for this update; a scalar tensor lets a compiled step take it as an
   *   input.
   * @param beta1 Likewise (adam, adamax, radam). The bias correction is that of the values in use, 1 less their
   *   product, so it may change at any update.
   * @throws Error when a gradient is missing or has another shape than its variable, and for a beta1 where the rule has
   *   none or outside of [0, 1).
   */
  applyGradients(gradients: readonly tf.Tensor[], learningRate?: number | tf.Scalar, beta1?: number | tf.Scalar): void;
  /**
   * Makes the state of one variable what it would be if each of its gradients so far had been `factor` times as large:
   * for a variable that was divided by it, whose gradients are so much larger from here on. The updates that momentum
   * has summed up already (centred RMSProp) stay. Pure tfjs ops, as in `applyGradients`.
   * @param factor Broadcasts against the variable.
   * @throws Error for a variable that is none of the optimizer's.
   */
  rescaleState(variable: tf.Variable, factor: tf.Tensor): void;
  /** Hears that the variables were replaced before the first update, where the optimizer remembers the first ones. */
  weightsReplaced?(): void;
  /** The optimizer's whole state by stable name: `<variable>/<slot>` and the running powers, for checkpoints. */
  readonly slots: Readonly<Record<string, tf.Variable>>;
  /** Frees the slots; the updated variables stay. */
  dispose(): void;
}

/**
 * An optimizer with all of its state in variables. Updates are pure tfjs ops and read no value, so a step that contains
 * one can be traced; inside a compiled step each variable's update is one TensorFlow op with the same equations.
 * @throws Error when a setting is out of range or two variables have one name.
 */
export function createOptimizer(config: OptimizerConfig, variables: readonly NamedVariable[]): Optimizer {
  checkConfig(config);
  const rule = createRule(config);
  const slots: Record<string, tf.Variable> = {};
  const powers: Record<string, tf.Variable> = {};
  const slotsOf = variables.map(() => ({}) as Record<string, tf.Variable>);

  const names = new Set<string>();
  for (const { name } of variables) {
    if (names.has(name))
      throw new Error(`Two variables of the ${config.name} optimizer are named "${name}": give each its own name.`);
    names.add(name);
  }
  for (const [name, base] of Object.entries(rule.powerBases)) {
    powers[name] = tf.tidy(() => tf.variable(tf.scalar(base || 1), false));
    slots[name] = powers[name];
  }
  const count = rule.countsUpdates ? tf.tidy(() => tf.variable(tf.scalar(0), false)) : undefined;
  if (count) slots.updates = count;
  variables.forEach(({ name, variable }, i) => {
    for (const slot of rule.slotNames) {
      slotsOf[i][slot] = tf.tidy(() => tf.variable(tf.zerosLike(variable), false));
      slots[`${name}/${slot}`] = slotsOf[i][slot];
    }
  });

  return {
    name: config.name,
    learningRate: config.learningRate,
    slots,
    applyGradients(gradients, learningRate = config.learningRate, beta1) {
      checkGradients(gradients, variables);
      if (beta1 !== undefined && !('beta1' in config)) throw new Error(`The ${config.name} optimizer has no beta1.`);
      if (typeof beta1 === 'number' && !(beta1 >= 0 && beta1 < 1))
        throw new Error(`beta1 of one update of the ${config.name} optimizer is ${beta1}: it must be in [0, 1).`);
      tf.tidy(() => {
        const given = typeof beta1 === 'number' ? tf.scalar(beta1) : beta1;
        const inUse = Object.entries(rule.powerBases).map(([name, base]) => {
          const factor = name === 'beta1Power' ? given : undefined;
          return { name, base, factor, power: powerInUse(powers[name], base, factor) };
        });
        const scalars = {
          powers: Object.fromEntries(inUse.map(({ name, power }) => [name, power])),
          learningRate: typeof learningRate === 'number' ? tf.scalar(learningRate) : learningRate,
          beta1: given,
          updates: count?.add<tf.Scalar>(1),
        };
        const targets = variables.map(({ variable }, i) => ({ variable, slots: slotsOf[i], gradient: gradients[i] }));
        updateAll(rule, targets, scalars);
        count?.assign(count.add(1));
        for (const { name, base, factor } of inUse) powers[name].assign(powers[name].mul(factor ?? base));
      });
    },
    rescaleState(variable, factor) {
      const index = variables.findIndex((named) => named.variable === variable);
      if (index < 0) throw new Error(`"${variable.name}" is no variable of this ${config.name} optimizer.`);
      tf.tidy(() => {
        const powers = [undefined, factor, tf.square(factor)];
        for (const [name, slot] of Object.entries(slotsOf[index])) {
          const power = powers[rule.slotDegrees[name]];
          if (power) slot.assign(tf.mul(slot, power));
        }
      });
    },
    dispose() {
      tf.dispose(slots);
    },
  };
}

/**
 * The product of the bases in use up to and with this update. What is kept between updates, for checkpoints too, is
 * what it will be if the next update takes the configured base; for a base of 0, which would hide the others, the
 * product so far.
 */
function powerInUse(kept: tf.Variable, base: number, given: tf.Scalar | undefined): tf.Scalar {
  if (given === undefined && base > 0) return kept as unknown as tf.Scalar;
  return tf.mul(kept, given === undefined ? base : tf.div(given, base || 1)) as tf.Scalar;
}

function updateAll(
  rule: UpdateRule,
  targets: readonly UpdateTarget[],
  scalars: Parameters<UpdateRule['prepare']>[0],
): void {
  const sink = fusedUpdateSink();
  const derived = rule.prepare(scalars);
  if (sink) {
    for (const target of targets) sink(rule.fuse(target, scalars, derived));
    return;
  }
  // A tidy for each variable: only one variable's intermediates live at a time.
  for (const target of targets) tf.tidy(() => rule.apply(target, derived));
}

function createRule(config: OptimizerConfig): UpdateRule {
  switch (config.name) {
    case 'adam':
      return adamRule(config);
    case 'adamax':
      return adamaxRule(config);
    case 'centered-rmsprop':
      return centeredRmsPropRule(config);
    case 'radam':
      return rAdamRule(config);
    case 'sgd':
      return sgdRule(config);
    default:
      throw new Error(
        `Unknown optimizer "${(config as { name: string }).name}": ` +
          'choose adam, adamax, centered-rmsprop, radam or sgd.',
      );
  }
}

function checkConfig(config: OptimizerConfig): void {
  for (const [setting, value] of Object.entries(config)) {
    if (setting === 'name') continue;
    const mayBeOne = setting === 'learningRate' || setting === 'epsilon';
    // Where every gradient so far is 0, each rule divides by its epsilon alone.
    const isEnough = setting === 'epsilon' ? Math.fround(value) > 0 : value >= 0;
    if (typeof value === 'number' && isEnough && (mayBeOne ? Number.isFinite(value) : value < 1)) continue;
    const range =
      setting === 'epsilon'
        ? 'a finite number > 0 in float32, such as 1e-8'
        : mayBeOne
          ? 'a finite number >= 0'
          : 'in [0, 1)';
    throw new Error(`${setting} of the ${config.name} optimizer is ${value}: it must be ${range}.`);
  }
}

function checkGradients(gradients: readonly tf.Tensor[], variables: readonly NamedVariable[]): void {
  if (gradients.length !== variables.length) {
    throw new Error(
      `applyGradients got ${gradients.length} gradients for ${variables.length} variables: give one each, in the ` +
        'order of the variables.',
    );
  }
  variables.forEach(({ name, variable }, i) => {
    const gradient: tf.Tensor | undefined = gradients[i];
    if (!gradient) {
      throw new Error(
        `The gradient of "${name}" is missing: the loss does not depend on it, or the gradients are named otherwise. ` +
          'Give tf.zerosLike of the variable, or leave it out of the optimizer.',
      );
    }
    if (!tf.util.arraysEqual(gradient.shape, variable.shape)) {
      throw new Error(
        `The gradient of "${name}" has shape [${gradient.shape}] but the variable has [${variable.shape}]: order ` +
          'the gradients as the variables.',
      );
    }
  });
}
