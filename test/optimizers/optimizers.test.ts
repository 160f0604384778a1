import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { clipByGlobalNorm, createOptimizer, type OptimizerConfig } from '../../src/optimizers/index.ts';
import { compile } from '../../src/runtime/compile/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';

loadTensorFlow();

const STEPS = 10;
const SIZE = 6;
const INITIAL = [0.5, -1, 2, 0.001, 0, -3];

// Betas as float32 holds them: the oracle computes in float64 from the same numbers.
const CONFIGS: { config: OptimizerConfig; slots: string[] }[] = [
  {
    config: { name: 'adam', learningRate: 0.01, beta1: Math.fround(0.9), beta2: Math.fround(0.999), epsilon: 1.5e-4 },
    slots: ['m', 'v'],
  },
  {
    config: { name: 'adamax', learningRate: 0.01, beta1: 0.5, beta2: Math.fround(0.999), epsilon: 1e-7 },
    slots: ['m', 'u'],
  },
  {
    config: {
      name: 'centered-rmsprop',
      learningRate: 2.5e-4,
      decay: Math.fround(0.95),
      momentum: Math.fround(0.9),
      epsilon: 0.01,
    },
    slots: ['mg', 'ms', 'mom'],
  },
  {
    // Its first five updates are not rectified, the others are.
    config: { name: 'radam', learningRate: 0.01, beta1: Math.fround(0.9), beta2: Math.fround(0.999), epsilon: 1.5e-4 },
    slots: ['m', 'v'],
  },
  { config: { name: 'sgd', learningRate: 0.1, momentum: Math.fround(0.9) }, slots: ['accum'] },
];

/** Gradients of mixed sign and magnitude (1e-3 to 1), the last element always 0. */
function gradientAt(step: number): number[] {
  return Array.from({ length: SIZE }, (_, i) =>
    i === SIZE - 1 ? 0 : Math.fround(Math.sin(3 * i + 1.7 * step) * 10 ** -(i % 4)),
  );
}

const gradients = Array.from({ length: STEPS }, (_, step) => gradientAt(step));
type Step = Record<string, number[]>;
let oracle: Step[][];

beforeAll(() => {
  const python = fileURLToPath(new URL('../../.venv/bin/python', import.meta.url));
  const script = fileURLToPath(new URL('./tensorflow_oracle.py', import.meta.url));
  const cases = CONFIGS.map(({ config, slots }) => ({ config, slots, initial: INITIAL, gradients }));
  oracle = JSON.parse(
    execFileSync(python, [script], {
      input: JSON.stringify(cases),
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    }),
  );
});

function expectClose(actual: tf.Tensor, expected: number[]): void {
  actual.dataSync().forEach((value, i) => {
    expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(1e-5 * Math.abs(expected[i]) + 1e-8);
  });
}

function update(
  optimizer: ReturnType<typeof createOptimizer>,
  values: number[],
  learningRate?: number | tf.Scalar,
): void {
  tf.tidy(() => optimizer.applyGradients([tf.tensor1d(values)], learningRate));
}

describe.each(CONFIGS)('$config.name', ({ config, slots }) => {
  test('follows TensorFlow’s own op (radam: NumPy) in float64 over ten steps, slots included', () => {
    const variable = tf.variable(tf.tensor1d(INITIAL));
    const optimizer = createOptimizer(config, [{ name: 'x', variable }]);
    const steps = oracle[CONFIGS.findIndex((entry) => entry.config === config)];
    gradients.forEach((gradient, step) => {
      update(optimizer, gradient);
      expectClose(variable, steps[step].x);
      for (const slot of slots) expectClose(optimizer.slots[`x/${slot}`], steps[step][slot]);
    });
    tf.dispose([optimizer.slots, variable]);
  });

  test('takes the learning rate of one update as a number or as a scalar tensor', () => {
    const moved = [0.003, tf.scalar(0.003), undefined].map((learningRate) => {
      const variable = tf.variable(tf.tensor1d(INITIAL));
      const optimizer = createOptimizer({ ...config, learningRate: learningRate === undefined ? 0.003 : 7 }, [
        { name: 'x', variable },
      ]);
      update(optimizer, gradients[0], learningRate);
      const values = Array.from(variable.dataSync());
      tf.dispose([optimizer.slots, variable, learningRate as tf.Tensor]);
      return values;
    });
    expect(moved[0]).not.toEqual(INITIAL);
    expect(moved[1]).toEqual(moved[0]);
    expect(moved[2]).toEqual(moved[0]);
  });

  test('a state that is rescaled is that of gradients so much larger', () => {
    const factor = [4, 0.5, 1, 2].slice(0, INITIAL.length);
    while (factor.length < INITIAL.length) factor.push(8);
    const made = [false, true].map((larger) => {
      const variable = tf.variable(tf.tensor1d(INITIAL));
      const optimizer = createOptimizer(config, [{ name: 'x', variable }]);
      for (const gradient of gradients.slice(0, 5)) {
        update(
          optimizer,
          gradient.map((value, i) => (larger ? value * factor[i] : value)),
        );
      }
      return { variable, optimizer };
    });
    const [rescaled, expected] = made;
    const momentum = slots.includes('mom') ? Array.from(rescaled.optimizer.slots['x/mom'].dataSync()) : undefined;
    tf.tidy(() => rescaled.optimizer.rescaleState(rescaled.variable, tf.tensor1d(factor)));
    for (const slot of slots) {
      // To the bit, as the factors are powers of 2. The steps in centred RMSProp's momentum have been made.
      const wanted = slot === 'mom' ? momentum! : Array.from(expected.optimizer.slots[`x/${slot}`].dataSync());
      expect(Array.from(rescaled.optimizer.slots[`x/${slot}`].dataSync()), slot).toEqual(wanted);
    }
    const other = tf.variable(tf.tensor1d(INITIAL), true, 'other');
    expect(() => rescaled.optimizer.rescaleState(other, tf.scalar(1))).toThrow('"other" is no variable of this');
    tf.dispose([...made.flatMap(({ optimizer, variable }) => [optimizer.slots, variable]), other]);
  });

  test('continues with the same numbers after its slots were read and written back', () => {
    const first = tf.variable(tf.tensor1d(INITIAL));
    const original = createOptimizer(config, [{ name: 'x', variable: first }]);
    for (const gradient of gradients.slice(0, 5)) update(original, gradient);

    const second = tf.variable(first);
    const resumed = createOptimizer(config, [{ name: 'x', variable: second }]);
    for (const [name, slot] of Object.entries(original.slots)) {
      tf.tidy(() => resumed.slots[name].assign(tf.tensor(Array.from(slot.dataSync()), slot.shape)));
    }
    for (const gradient of gradients.slice(5)) {
      update(original, gradient);
      update(resumed, gradient);
    }
    expect(second.dataSync()).toEqual(first.dataSync());
    tf.dispose([original.slots, resumed.slots, first, second]);
  });

  test('keeps no tensor, and gives its own back when disposed', () => {
    const variables = [tf.variable(tf.ones([2, 3])), tf.variable(tf.ones([4]))];
    const before = tf.memory().numTensors;
    const optimizer = createOptimizer(
      config,
      variables.map((variable, i) => ({ name: `v${i}`, variable })),
    );
    const settled = tf.memory().numTensors;
    for (let step = 0; step < 5; step++) tf.tidy(() => optimizer.applyGradients([tf.ones([2, 3]), tf.ones([4])]));
    expect(tf.memory().numTensors).toBe(settled);
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(variables);
  });
});

describe('centred RMSProp', () => {
  test.each([
    { gradient: 0, epsilon: 0.01 },
    { gradient: 1e-3, epsilon: 0.01 },
    { gradient: 1e-3, epsilon: 0.01 / 32 ** 2 },
    { gradient: 0, epsilon: 1000 },
    { gradient: 1, epsilon: 1000 },
  ])('stays finite for a constant gradient of $gradient and epsilon $epsilon', ({ gradient, epsilon }) => {
    const variable = tf.variable(tf.tensor1d(INITIAL));
    const optimizer = createOptimizer(
      { name: 'centered-rmsprop', learningRate: 2.5e-4, decay: 0.95, momentum: 0, epsilon },
      [{ name: 'x', variable }],
    );
    for (let step = 0; step < 50; step++) update(optimizer, Array(SIZE).fill(gradient));
    const moved = Array.from(variable.dataSync(), (value, i) => Math.fround(INITIAL[i]) - value);
    for (const distance of moved) {
      expect(Number.isFinite(distance)).toBe(true);
      if (gradient === 0) expect(distance).toBe(0);
      else expect(distance).toBeGreaterThan(0);
    }
    tf.dispose([optimizer.slots, variable]);
  });
});

describe('slots', () => {
  test('have stable names made of the variable’s name and the slot’s', () => {
    const variable = tf.variable(tf.ones([2]));
    const names = CONFIGS.map(({ config }) => {
      const optimizer = createOptimizer(config, [{ name: 'conv1/kernel', variable }]);
      const keys = Object.keys(optimizer.slots);
      optimizer.dispose();
      return keys;
    });
    expect(names).toEqual([
      ['beta1Power', 'beta2Power', 'conv1/kernel/m', 'conv1/kernel/v'],
      ['beta1Power', 'conv1/kernel/m', 'conv1/kernel/u'],
      ['conv1/kernel/mg', 'conv1/kernel/ms', 'conv1/kernel/mom'],
      ['beta1Power', 'beta2Power', 'updates', 'conv1/kernel/m', 'conv1/kernel/v'],
      ['conv1/kernel/accum'],
    ]);
    variable.dispose();
  });
});

describe('clipByGlobalNorm', () => {
  test('scales all gradients by one factor down to the largest norm', () => {
    tf.tidy(() => {
      const clipped = clipByGlobalNorm([tf.tensor1d([3, 0]), tf.tensor2d([[0], [4]])], 1);
      expect(clipped.norm.dataSync()[0]).toBeCloseTo(5, 6);
      expectClose(clipped.gradients[0], [0.6, 0]);
      expectClose(clipped.gradients[1], [0, 0.8]);
    });
  });

  test('leaves gradients below the largest norm as they are, zero gradients included', () => {
    tf.tidy(() => {
      const { gradients: small } = clipByGlobalNorm([tf.tensor1d([3, 4])], tf.scalar(10));
      expect(Array.from(small[0].dataSync())).toEqual([3, 4]);
      const { gradients: zero, norm } = clipByGlobalNorm([tf.zeros([3])], 1);
      expect(Array.from(zero[0].dataSync())).toEqual([0, 0, 0]);
      expect(norm.dataSync()[0]).toBe(0);
    });
  });

  test('shows a gradient that is not finite instead of hiding it', () => {
    tf.tidy(() => {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const clipped = clipByGlobalNorm([tf.tensor1d([bad, 1]), tf.tensor1d([1])], 1);
        expect(clipped.gradients[1].dataSync()[0]).toBeNaN();
      }
    });
  });

  test('frees everything but its results', () => {
    const gradient = tf.ones([4]);
    const before = tf.memory().numTensors;
    const clipped = clipByGlobalNorm([gradient], 1);
    expect(tf.memory().numTensors).toBe(before + 2);
    tf.dispose([clipped as unknown as tf.TensorContainer, gradient]);
  });

  test('names a gradient that is missing', () => {
    const gradients = [tf.scalar(1), undefined] as unknown as tf.Tensor[];
    expect(() => clipByGlobalNorm(gradients, 1)).toThrow('Gradient 1 of the 2 that clipByGlobalNorm got is missing:');
    tf.dispose(gradients);
  });

  test('refuses a largest norm that is not above 0', () => {
    expect(() => clipByGlobalNorm([tf.scalar(1)], 0)).toThrow('maxNorm is 0: it must be above 0.');
  });
});

describe('errors', () => {
  const variable = tf.variable(tf.ones([2]));

  test('name the setting, its value and the range', () => {
    expect(() => createOptimizer({ name: 'sgd', learningRate: 0.1, momentum: 1.5 }, [])).toThrow(
      'momentum of the sgd optimizer is 1.5: it must be in [0, 1).',
    );
    expect(() => createOptimizer({ name: 'sgd', learningRate: Number.NaN, momentum: 0 }, [])).toThrow(
      'learningRate of the sgd optimizer is NaN: it must be a finite number >= 0.',
    );
    // 0/0 at a gradient of 0.
    for (const { config } of CONFIGS.filter(({ config }) => 'epsilon' in config)) {
      for (const epsilon of [0, 1e-60, -1, Number.NaN]) {
        expect(() => createOptimizer({ ...config, epsilon } as OptimizerConfig, [])).toThrow(
          `epsilon of the ${config.name} optimizer is ${epsilon}: it must be a finite number > 0 in float32, ` +
            'such as 1e-8.',
        );
      }
    }
    expect(() => createOptimizer({ name: 'lion' } as unknown as OptimizerConfig, [])).toThrow(
      'Unknown optimizer "lion": choose adam, adamax, centered-rmsprop, radam or sgd.',
    );
  });

  test('name the variable whose gradient does not fit, and the name given twice', () => {
    const sgd: OptimizerConfig = { name: 'sgd', learningRate: 0.1, momentum: 0 };
    const optimizer = createOptimizer(sgd, [{ name: 'bias', variable }]);
    expect(() => optimizer.applyGradients([tf.ones([3])])).toThrow(
      'The gradient of "bias" has shape [3] but the variable has [2]',
    );
    expect(() => optimizer.applyGradients([])).toThrow('applyGradients got 0 gradients for 1 variables');
    for (const missing of [[undefined], [null], new Array(1)] as unknown as tf.Tensor[][]) {
      expect(() => optimizer.applyGradients(missing)).toThrow(
        'The gradient of "bias" is missing: the loss does not depend on it, or the gradients are named otherwise. ' +
          'Give tf.zerosLike of the variable, or leave it out of the optimizer.',
      );
    }
    const twice = [variable, variable].map((v) => ({ name: 'bias', variable: v }));
    expect(() => createOptimizer(sgd, twice)).toThrow('Two variables of the sgd optimizer are named "bias"');
  });
});

describe('rectified Adam', () => {
  test.each([0.9, 0.99, 0.999, 0.9999])(
    'steps by the rectification of each update, at any of them, beta2 %d',
    (beta2) => {
      const rest = { learningRate: 0.01, beta1: 0, epsilon: 1e-12 };
      const longest = 2 / (1 - beta2) - 1;
      const gradient = 0.3;
      for (const t of [1, 5, 6, 7, 20, 300, 1999, 2001, 30_000, 1e6]) {
        const variable = tf.variable(tf.scalar(0));
        const optimizer = createOptimizer({ name: 'radam', beta2, ...rest }, [{ name: 'x', variable }]);
        // As after t - 1 updates with the same gradient.
        const slots = { updates: t - 1, beta2Power: beta2 ** t, 'x/v': gradient ** 2 * (1 - beta2 ** (t - 1)) };
        tf.tidy(() => {
          for (const [name, value] of Object.entries(slots)) optimizer.slots[name].assign(tf.scalar(value));
          optimizer.applyGradients([tf.scalar(gradient)]);
        });
        const power = beta2 ** t;
        const length = longest - (2 * t * power) / (1 - power);
        const factor = ((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length);
        const expected = length >= 5 ? Math.sqrt(factor) : gradient;
        // vHat itself is as exact as 1 - beta2^t in float32.
        const tolerance = 1e-5 + 1e-7 / (1 - power);
        expect(Math.abs(variable.dataSync()[0] / -rest.learningRate / expected - 1), `t = ${t}`).toBeLessThan(
          tolerance,
        );
        tf.dispose([optimizer.slots, variable]);
      }
    },
  );
});

describe('beta1 of one update', () => {
  for (const name of ['adam', 'adamax', 'radam'] as const) {
    test(`replaces the configured one of ${name}, eagerly and compiled`, () => {
      const make = () => {
        const variable = tf.variable(tf.tensor1d(INITIAL));
        const config = { name, learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };
        return { variable, optimizer: createOptimizer(config, [{ name: 'x', variable }]) };
      };
      const results = [false, true].map((eager) => {
        const { variable, optimizer } = make();
        const program = compile(
          {
            step: {
              inputs: { gradient: { shape: [SIZE], dtype: 'float32' }, beta1: { shape: [], dtype: 'float32' } },
              fn: ({ gradient, beta1 }) => optimizer.applyGradients([gradient], undefined, beta1 as tf.Scalar),
            },
          },
          { eager },
        );
        for (const [t, gradient] of gradients.entries())
          program.steps.step.run({ gradient: Float32Array.from(gradient), beta1: t < 5 ? 0.9 : 0.5 });
        program.pull();
        const values = [...variable.dataSync(), ...optimizer.slots['x/m'].dataSync()];
        program.dispose();
        optimizer.dispose();
        variable.dispose();
        return values;
      });
      // m <- beta1 m + (1 - beta1) g, by hand
      const m = gradients.reduce(
        (before, gradient, t) => before.map((value, i) => value + (gradient[i] - value) * (t < 5 ? 0.1 : 0.5)),
        INITIAL.map(() => 0),
      );
      for (const result of results) {
        for (const [i, value] of m.entries()) expect(result[SIZE + i]).toBeCloseTo(value, 6);
        for (const [i, value] of result.entries()) expect(value).toBeCloseTo(results[0][i], 6);
      }
    });
  }

  for (const name of ['adam', 'adamax'] as const) {
    for (const [configured, given] of [
      [0.9, [0.5, 0.5, 0.5, 0.5]], // --decay-start 0: the first step was five times too large
      [0.9, [0.9, 0.5, 0.5, 0.9]],
      [0.5, [0.9, undefined, 0.9, undefined]],
      [0, [0.5, undefined, 0.9, 0.9]],
    ] as [number, (number | undefined)[]][]) {
      test(`has its own bias correction: ${name}, ${given} in place of ${configured}`, () => {
        const rest = { learningRate: 0.01, beta2: 0.999, epsilon: 1e-12 };
        const variable = tf.variable(tf.tensor1d(INITIAL));
        const optimizer = createOptimizer({ name, beta1: configured, ...rest }, [{ name: 'x', variable }]);
        // A constant gradient has the constant mean: each corrected step is the learning rate.
        const gradient = INITIAL.map((_, i) => (i % 2 ? -0.3 : 0.3));
        for (const [t, beta1] of given.entries()) {
          const before = variable.dataSync().slice();
          tf.tidy(() =>
            optimizer.applyGradients([tf.tensor1d(gradient)], undefined, t % 2 && beta1 ? tf.scalar(beta1) : beta1),
          );
          for (const [i, value] of variable.dataSync().entries())
            expect((value - before[i]) / -Math.sign(gradient[i])).toBeCloseTo(rest.learningRate, 5);
        }
        optimizer.dispose();
        variable.dispose();
      });
    }

    test(`out of range is refused by ${name}`, () => {
      const variable = tf.variable(tf.scalar(1));
      const config = { name, learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
      const optimizer = createOptimizer(config, [{ name: 'x', variable }]);
      expect(() => optimizer.applyGradients([variable], 1, 1)).toThrow(
        `beta1 of one update of the ${name} optimizer is 1: it must be in [0, 1).`,
      );
      optimizer.dispose();
      variable.dispose();
    });

    test(`equal to the configured one changes nothing of ${name}, to the bit`, () => {
      const ends = [undefined, 0.9, 'tensor'].map((given) => {
        const variable = tf.variable(tf.tensor1d(INITIAL));
        const config = { name, learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        const optimizer = createOptimizer(config, [{ name: 'x', variable }]);
        for (const gradient of gradients) {
          tf.tidy(() => {
            const beta1 = given === 'tensor' ? tf.scalar(0.9) : (given as number | undefined);
            optimizer.applyGradients([tf.tensor1d(gradient)], undefined, beta1);
          });
        }
        const end = [...variable.dataSync(), ...optimizer.slots.beta1Power.dataSync()];
        optimizer.dispose();
        variable.dispose();
        return end;
      });
      expect(ends[1]).toEqual(ends[0]);
      expect(ends[2]).toEqual(ends[0]);
    });
  }

  test('is refused by rules that have none', () => {
    const variable = tf.variable(tf.scalar(1));
    const optimizer = createOptimizer({ name: 'sgd', learningRate: 1, momentum: 0 }, [{ name: 'x', variable }]);
    expect(() => optimizer.applyGradients([tf.scalar(1)], 1, 0.5)).toThrow('The sgd optimizer has no beta1.');
    optimizer.dispose();
    variable.dispose();
  });
});
