import * as tf from '@tensorflow/tfjs';
import { fusedUpdateSink } from '../../optimizers/fused.ts';
import { createEagerProgram } from './eager-program.ts';
import { checkName, nestedCompilation } from './errors.ts';
import { type GraphNode, placeholderNode, scalarNode } from './graph-node.ts';
import { checkInputs, withNativeInputs } from './inputs.ts';
import { type NativeBackend, type NativeTensor, nativeBackend, nativeId, type TypedArray } from './native.ts';
import type { Precision } from './precision.ts';
import { type LoadedGraph, loadGraph } from './saved-model.ts';
import type { InputValue, Program, Step, StepDefinition, StepDefinitions } from './step.ts';
import { type Trace, trace } from './trace.ts';
import { assignNode, GraphVariables, readNode } from './variables.ts';

export interface CompileOptions {
  /** Run op by op even where graphs are available: for comparisons and for debugging. */
  readonly eager?: boolean;
  /**
   * `bfloat16`: matrix products and two-dimensional convolutions, their gradients included, take and give bfloat16 (8 significant bits); variables,
   * norms, losses and optimizers stay float32. Faster where the processor has bfloat16 instructions (AVX512_BF16, AMX, GPUs); elsewhere several
   * times slower. Without a graph, steps run in float32. Default `float32`.
   */
  readonly precision?: Precision;
}

/**
 * Compiles the steps of one agent into one TensorFlow graph, where each call of a step is one native call.
 *
 *   const program = compile({
 *     act: { inputs: { observations: { shape: [8, 84, 84, 4], dtype: 'uint8' } }, fn: ({ observations }) => ({ qValues: ... }) },
 *     learn: { inputs: { ..., learningRate: { shape: [], dtype: 'float32' } }, fn: (batch) => ({ loss: ... }) },
 *     sync: { inputs: {}, fn: () => copyToTarget() },
 *   });
 *   const { loss } = program.steps.learn.values({ ..., learningRate: 1e-4 });
 *
 * From here on the variables that the steps use live in the graph, with the values that they have now: tf.Variables show
 * them after `pull`, and reach the graph by `push`. Optimizers of `createOptimizer` become one TensorFlow op a variable.
 * Where the active tfjs backend is not TensorFlow's, the same program runs op by op.
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
  const backend = nativeBackend();
  if (eager || !backend) return createEagerProgram(definitions);
  const variables = new GraphVariables();
  const traces = Object.entries(definitions).map(
    ([name, definition]) => [name, trace(backend, name, definition, variables, precision)] as const,
  );
  return new CompiledProgram(backend, definitions, new Map(traces), variables);
}

/** The nodes that move one variable's value out of the graph and into it. */
interface Transfer {
  readonly read: GraphNode;
  readonly value: GraphNode;
  readonly written: GraphNode;
}

class CompiledProgram<D extends StepDefinitions> implements Program<D> {
  readonly compiled = true;
  readonly steps: Program<D>['steps'];
  readonly variables: readonly tf.Variable[];
  private readonly backend: NativeBackend;
  private readonly transfers = new Map<tf.Variable, Transfer>();
  private graph: LoadedGraph | undefined;

  constructor(backend: NativeBackend, definitions: D, traces: ReadonlyMap<string, Trace>, variables: GraphVariables) {
    this.backend = backend;
    for (const owner of variables.list()) {
      const { name } = owner.handle;
      const value = placeholderNode(`push/${name}`, owner.dtype, owner.variable.shape);
      const written = scalarNode(`pushed/${name}`, 0);
      written.after.add(assignNode(`assign/${name}`, owner, { node: value, index: 0 }));
      this.transfers.set(owner.variable, { read: readNode(`pull/${name}`, owner), value, written });
    }
    this.variables = [...this.transfers.keys()];
    const roots = [...traces.values()].flatMap(({ fetches, inputs }) => [...fetches, ...Object.values(inputs)]);
    for (const { read, written } of this.transfers.values()) roots.push(read, written);
    this.graph = loadGraph(backend.binding, roots);
    try {
      this.push();
    } catch (error) {
      this.dispose();
      throw error;
    }
    this.steps = Object.fromEntries(
      Array.from(traces, ([name, traced]) => [name, this.createStep(name, definitions[name], traced)]),
    ) as unknown as Program<D>['steps'];
  }

  pull(variables = this.variables): void {
    if (variables.length === 0) return;
    const fetches = variables.map((variable) => this.transferOf(variable).read);
    tf.tidy(() => {
      const values = this.loaded().run([], '', fetchNames(fetches));
      values.forEach((value, i) => {
        variables[i].assign(this.backend.createOutputTensor(value) as tf.Tensor<tf.Rank>);
      });
    });
  }

  push(variables = this.variables): void {
    if (variables.length === 0) return;
    const transfers = variables.map((variable) => this.transferOf(variable));
    const ids = variables.map((variable) => nativeId(this.backend, variable));
    const done = this.loaded().run(
      ids,
      fetchNames(transfers.map(({ value }) => value)),
      fetchNames(transfers.map(({ written }) => written)),
    );
    for (const { id } of done) this.backend.binding.deleteTensor(id);
  }

  dispose(): void {
    this.graph?.dispose();
    this.graph = undefined;
  }

  private createStep(name: string, definition: StepDefinition, traced: Trace): Step {
    const specs = Object.entries(definition.inputs);
    const inputNames = fetchNames(specs.map(([input]) => traced.inputs[input]));
    const outputNames = fetchNames(traced.fetches);
    const outputs = Object.keys(traced.outputs);
    const call = <T>(
      values: Readonly<Record<string, InputValue>>,
      take: (native: NativeTensor) => T,
    ): Record<string, T> => {
      const graph = this.loaded(name);
      const inputs = checkInputs(name, specs, values);
      const results = withNativeInputs(this.backend, specs, inputs, (ids) => graph.run(ids, inputNames, outputNames));
      // A step without outputs fetches one value that says that it ran.
      if (outputs.length === 0) this.backend.binding.deleteTensor(results[0].id);
      return Object.fromEntries(outputs.map((output, i) => [output, take(results[i])]));
    };
    return {
      run: (inputs) => call(inputs, (native) => this.backend.createOutputTensor(native)),
      values: (inputs) => call(inputs, (native) => this.takeValues(native)),
    };
  }

  private takeValues({ id }: NativeTensor): TypedArray {
    const values = this.backend.binding.tensorDataSync(id);
    this.backend.binding.deleteTensor(id);
    return values;
  }

  private transferOf(variable: tf.Variable): Transfer {
    const transfer = this.transfers.get(variable);
    if (!transfer)
      throw new Error(`No step of this program uses the variable "${variable.name}": its value is not in the graph.`);
    return transfer;
  }

  private loaded(step?: string): LoadedGraph {
    if (fusedUpdateSink()) throw nestedCompilation(step ?? 'program');
    if (this.graph) return this.graph;
    throw new Error(`${step === undefined ? 'The program' : `"${step}"`} is used after dispose(): compile it again.`);
  }
}

function fetchNames(nodes: readonly GraphNode[]): string {
  return nodes.map(({ name }) => `${name}:0`).join(',');
}
