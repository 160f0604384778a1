import * as tf from '@tensorflow/tfjs';
import { type AdamConfig, adamRule } from './adam.ts';
import { type AdamaxConfig, adamaxRule } from './adamax.ts';
import { type CenteredRmsPropConfig, centeredRmsPropRule } from './centered-rmsprop.ts';
import { fusedUpdateSink } from './fused.ts';
import { type SgdConfig, sgdRule } from './sgd.ts';
import type { UpdateRule, UpdateTarget } from './update-rule.ts';

export type OptimizerConfig = AdamConfig | AdamaxConfig | CenteredRmsPropConfig | SgdConfig;

export interface NamedVariable {
  /** Stable name, unique in the optimizer; slots are named after it. */
  readonly name: string;
  readonly variable: tf.Variable;
}

export interface Optimizer {
  readonly name: OptimizerConfig['name'];
  /**
   * One update of every variable.
   * @param gradients One for each variable, in the order given to `createOptimizer`, of the variable's shape. They stay
   *   the caller's to dispose.
   * @param learningRate Replaces the configured one for this update; a scalar tensor lets a compiled step take it as an
   *   input.
   * @param beta1 Likewise (adam, adamax). The bias correction stays that of the configured one: change beta1 once that
   *   has faded, after some 100 updates.
   * @throws Error when a gradient is missing or has another shape than its variable, and for a beta1 where the rule has
   *   none.
   */
  applyGradients(gradients: readonly tf.Tensor[], learningRate?: number | tf.Scalar, beta1?: number | tf.Scalar): void;
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
    powers[name] = tf.tidy(() => tf.variable(tf.scalar(base), false));
    slots[name] = powers[name];
  }
  variables.forEach(({ name, variable }, i) => {
    for (const slot of rule.slotNames) {
      slotsOf[i][slot] = tf.tidy(() => tf.variable(tf.zerosLike(variable), false));
      slots[`${name}/${slot}`] = slotsOf[i][slot];
    }
  });

  return {
    name: config.name,
    slots,
    applyGradients(gradients, learningRate = config.learningRate, beta1) {
      checkGradients(gradients, variables);
      if (beta1 !== undefined && !('beta1' in config)) throw new Error(`The ${config.name} optimizer has no beta1.`);
      tf.tidy(() => {
        const scalars = {
          powers,
          learningRate: typeof learningRate === 'number' ? tf.scalar(learningRate) : learningRate,
          beta1: typeof beta1 === 'number' ? tf.scalar(beta1) : beta1,
        };
        const targets = variables.map(({ variable }, i) => ({ variable, slots: slotsOf[i], gradient: gradients[i] }));
        updateAll(rule, targets, scalars);
        for (const [name, base] of Object.entries(rule.powerBases)) powers[name].assign(powers[name].mul(base));
      });
    },
    dispose() {
      tf.dispose(slots);
    },
  };
}

function updateAll(
  rule: UpdateRule,
  targets: readonly UpdateTarget[],
  scalars: Parameters<UpdateRule['prepare']>[0],
): void {
  const sink = fusedUpdateSink();
  if (sink) {
    for (const target of targets) sink(rule.fuse(target, scalars));
    return;
  }
  const derived = rule.prepare(scalars);
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
    case 'sgd':
      return sgdRule(config);
    default:
      throw new Error(
        `Unknown optimizer "${(config as { name: string }).name}": choose adam, adamax, centered-rmsprop or sgd.`,
      );
  }
}

function checkConfig(config: OptimizerConfig): void {
  for (const [setting, value] of Object.entries(config)) {
    if (setting === 'name') continue;
    const mayBeOne = setting === 'learningRate' || setting === 'epsilon';
    if (typeof value === 'number' && value >= 0 && (mayBeOne ? Number.isFinite(value) : value < 1)) continue;
    const range = mayBeOne ? 'a finite number >= 0' : 'in [0, 1)';
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
  gradients.forEach((gradient, i) => {
    const { name, variable } = variables[i];
    if (!tf.util.arraysEqual(gradient.shape, variable.shape)) {
      throw new Error(
        `The gradient of "${name}" has shape [${gradient.shape}] but the variable has [${variable.shape}]: order ` +
          'the gradients as the variables.',
      );
    }
  });
}
