import type * as tf from '@tensorflow/tfjs';

/** Scalars of one update, the same for every variable. */
export interface UpdateScalars {
  readonly learningRate: tf.Scalar;
  /** Takes the place of the configured beta1; only rules with a `beta1Power` get it. */
  readonly beta1?: tf.Scalar | undefined;
  /** The rule's running powers by name: beta^t at update t, counted from 1, or the product of the betas in use. */
  readonly powers: Readonly<Record<string, tf.Scalar>>;
  /** Which update it is, from 1 up; only rules that count get it. */
  readonly updates?: tf.Scalar | undefined;
}

/** One variable with what its rule needs to update it. */
export interface UpdateTarget {
  readonly variable: tf.Variable;
  /** The rule's slots for this variable by slot name; each has the variable's shape. */
  readonly slots: Readonly<Record<string, tf.Variable>>;
  readonly gradient: tf.Tensor;
}

/** One variable's update as a single TensorFlow op; its inputs are `resources`, then `inputs`, in this order. */
export interface FusedUpdate {
  readonly op: string;
  readonly resources: readonly tf.Variable[];
  readonly inputs: readonly (tf.Tensor | number)[];
  /** Boolean attributes beside T. */
  readonly attributes: Readonly<Record<string, boolean>>;
}

/**
 * The mathematics of an optimizer, without its bookkeeping: twice the same equations, as tfjs ops and as one TensorFlow
 * op.
 */
export interface UpdateRule {
  /** Slots a variable has, each starting at zero. */
  readonly slotNames: readonly string[];
  /** With which power of its size the gradient is in each slot: 1 in its mean, 2 in that of its square, 0 in a step. */
  readonly slotDegrees: Readonly<Record<string, number>>;
  /** Bases of the running powers by name: the product over all updates of the base, or of what took its place. */
  readonly powerBases: Readonly<Record<string, number>>;
  /** Whether the rule needs the number of the update; the count is exact up to 2^24. */
  readonly countsUpdates?: boolean;
  /** Scalars derived once an update and shared by every variable. */
  prepare(scalars: UpdateScalars): Readonly<Record<string, tf.Scalar>>;
  /** Updates one variable and its slots with tfjs ops. Runs inside a tidy. */
  apply(target: UpdateTarget, derived: Readonly<Record<string, tf.Scalar>>): void;
  /** The same update as one TensorFlow op. */
  fuse(target: UpdateTarget, scalars: UpdateScalars, derived: Readonly<Record<string, tf.Scalar>>): FusedUpdate;
}

/** 1 - beta as TensorFlow's float32 kernels compute it, with beta rounded to float32 first. */
export function complement(beta: number): number {
  return 1 - Math.fround(beta);
}
