import * as tf from '@tensorflow/tfjs';
import { randomInsideStep } from './errors.ts';

/** tfjs ops that draw their numbers in JavaScript, seeded or not; as the engine's scopes name them. */
const JAVASCRIPT_NOISE = new Set([
  'rand',
  'randomGamma',
  'randomNormal',
  'randomStandardNormal',
  'randomUniform',
  'randomUniformInt',
  'truncatedNormal',
]);

interface Engine {
  startScope(name?: string): void;
  readonly state: { readonly scopeStack: readonly { readonly name: string }[] };
}

/**
 * Until the returned function is called, JavaScript noise throws: tfjs's random ops by name, everything else at
 * Math.random, where the unseeded rest of tfjs (tf.multinomial without a seed, tf.util.shuffle) takes it from.
 */
export function forbidRandomness(step: string): () => void {
  const engine = tf.engine() as unknown as Engine;
  const random = Math.random;
  const startScope = engine.startScope;
  engine.startScope = (scope) => {
    const op = opOfScope(scope);
    if (JAVASCRIPT_NOISE.has(op)) {
      // The outermost op is the one that the step calls, tf.dropout for example.
      const outer = engine.state.scopeStack.map(({ name }) => name).find((name) => name?.endsWith(OP_SUFFIX));
      throw randomInsideStep(step, outer === undefined ? `tf.${op}` : `tf.${op} in tf.${opOfScope(outer)}`);
    }
    startScope.call(engine, scope);
  };
  Math.random = () => {
    throw randomInsideStep(step, 'Math.random');
  };
  return () => {
    Math.random = random;
    // The method comes from the prototype again.
    delete (engine as Partial<Engine>).startScope;
  };
}

const OP_SUFFIX = '__op';

function opOfScope(scope: string | undefined): string {
  return scope?.endsWith(OP_SUFFIX) ? scope.slice(0, -OP_SUFFIX.length) : '';
}
