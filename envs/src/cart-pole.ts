import { numpyUniform } from './numpy-random.ts';
import type { BoxSpace, DiscreteSpace } from './types.ts';
import type { Env, EnvStep } from './vectorize.ts';

const GRAVITY = 9.8;
const POLE_MASS = 0.1;
const TOTAL_MASS = POLE_MASS + 1;
/** Half the pole's length, in metres. */
const LENGTH = 0.5;
const POLE_MASS_LENGTH = POLE_MASS * LENGTH;
/** The push of an action, in newtons. */
const FORCE = 10;
/** Seconds between two steps. */
const SECONDS = 0.02;
/** An episode ends where the cart is further out, in metres, */
const LARGEST_POSITION = 2.4;
/** or the pole leans more, in radians: 12 degrees. */
const LARGEST_ANGLE = (12 * 2 * Math.PI) / 360;
const bounds = [LARGEST_POSITION * 2, Infinity, LARGEST_ANGLE * 2, Infinity].map(Math.fround);

/**
 * A pole stands on a cart, and each step pushes the cart to the left (action 0) or to the right (1). Each step is worth
 * 1; an episode ends when the pole leans or the cart is too far out, and is cut off after 500 steps.
 *
 * It is Gymnasium's CartPole-v1 (A. G. Barto, R. S. Sutton and C. W. Anderson, "Neuronlike Adaptive Elements That Can
 * Solve Difficult Learning Control Problems", 1983) with the same numbers in the same order of operations, so the same
 * seed and actions give the same episode. `Math.sin` and `Math.cos` may differ in the last bit from engine to engine.
 */
export class CartPole implements Env {
  readonly id = 'CartPole-v1';
  readonly observationSpace: BoxSpace = {
    kind: 'box',
    shape: [4],
    dtype: 'float32',
    low: bounds.map((bound) => -bound),
    high: bounds,
  };
  readonly actionSpace: DiscreteSpace = { kind: 'discrete', n: 2 };
  readonly maxEpisodeSteps = 500;
  /**
   * The cart's position in m and velocity in m/s, the pole's angle in rad and angular velocity in rad/s, in float64;
   * observations are these, rounded to float32.
   */
  readonly state = new Float64Array(4);

  reset(seed: number): Float64Array {
    const uniform = numpyUniform(seed);
    for (let i = 0; i < 4; i++) this.state[i] = uniform(-0.05, 0.05);
    return this.state;
  }

  step(action: number): EnvStep {
    const [position, velocity, angle, angularVelocity] = this.state as unknown as [number, number, number, number];
    const cos = Math.cos(angle);
    const sin = Math.sin(angle);
    const force = action === 1 ? FORCE : -FORCE;
    // Florian, "Correct equations for the dynamics of the cart-pole system", 2007, without friction.
    const push = (force + POLE_MASS_LENGTH * (angularVelocity * angularVelocity) * sin) / TOTAL_MASS;
    const angularAcceleration =
      (GRAVITY * sin - cos * push) / (LENGTH * (4 / 3 - (POLE_MASS * (cos * cos)) / TOTAL_MASS));
    const acceleration = push - (POLE_MASS_LENGTH * angularAcceleration * cos) / TOTAL_MASS;
    this.state.set([
      position + SECONDS * velocity,
      velocity + SECONDS * acceleration,
      angle + SECONDS * angularVelocity,
      angularVelocity + SECONDS * angularAcceleration,
    ]);
    const terminated = Math.abs(this.state[0]!) > LARGEST_POSITION || Math.abs(this.state[2]!) > LARGEST_ANGLE;
    return { observation: this.state, reward: 1, terminated };
  }
}
