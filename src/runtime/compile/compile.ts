import { createEagerProgram } from './eager-program.ts';
import { checkName } from './errors.ts';
import type { Precision } from './precision.ts';
import type { Program, StepDefinitions } from './step.ts';

/** How a program is to run. */
export interface CompileOptions {
  /** Run op by op even where graphs are available: for comparisons and for debugging. */
  readonly eager?: boolean;
  /**
   * `bfloat16`: matrix products and two-dimensional convolutions, their gradients included, take and give bfloat16 (8
   * significant bits); variables, norms, losses and optimizers stay float32. Faster where the processor has bfloat16
   * instructions (AVX512_BF16, AMX, GPUs); elsewhere several times slower. `auto`: bfloat16 on a CPU with such
   * instructions, else float32. Without a graph, steps run in float32. Default `float32`. A `PrecisionError` where
   * `ONEDNN_MAX_CPU_ISA` holds TensorFlow to instructions that know no bfloat16.
   */
  readonly precision?: Precision;
}

/** Makes one native graph of steps, or undefined where the active backend has none. */
type GraphCompiler = <D extends StepDefinitions>(definitions: D, precision: Precision) => Program<D> | undefined;
let graphCompiler: GraphCompiler | undefined;

/**
 * Has `compile` make native graphs from here on. `loadTensorFlow` calls it: so what runs without TensorFlow's library,
 * such as a browser, needs none of the graphs' code, which writes files.
 */
export function useGraphCompiler(compiler: GraphCompiler): void {
  graphCompiler = compiler;
}

/**
 * Compiles the steps of one agent into one TensorFlow graph, where each call of a step is one native call.
 *
 *   const program = compile({
 *     act: {
 *       inputs: { observations: { shape: [8, 84, 84, 4], dtype: 'uint8' } },
 *       fn: ({ observations }) => ({ qValues: ... }),
 *     },
 *     learn: { inputs: { ..., learningRate: { shape: [], dtype: 'float32' } }, fn: (batch) => ({ loss: ... }) },
 *     sync: { inputs: {}, fn: () => copyToTarget() },
 *   });
 *   const { loss } = program.steps.learn.values({ ..., learningRate: 1e-4 });
 *
 * From here on the variables that the steps use live in the graph, with the values that they have now: tf.Variables
 * show them after `pull`, and reach the graph by `push`. Optimizers of `createOptimizer` become one TensorFlow op a
 * variable. Where the active tfjs backend is not TensorFlow's, the same program runs op by op.
 * @throws CompileError when a step cannot be compiled; it names the step, the op and what to do.
 */
export function compile<const D extends StepDefinitions>(
  definitions: D,
  { eager = false, precision = 'float32' }: CompileOptions = {},
): Program<D> {
  for (const [name, { inputs }] of Object.entries(definitions)) {
    checkName('Step', name);
    for (const input of Object.keys(inputs)) checkName('Input', input);
  }
  const graph = eager ? undefined : graphCompiler?.(definitions, precision);
  return graph ?? createEagerProgram(definitions);
}
