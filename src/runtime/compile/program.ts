import * as tf from '@tensorflow/tfjs';
import { fusedUpdateSink } from '../../optimizers/fused.ts';
import { nestedCompilation } from './errors.ts';
import { type GraphNode, placeholderNode, scalarNode } from './graph-node.ts';
import { checkInputs, withNativeInputs } from './inputs.ts';
import { type NativeBackend, type NativeTensor, nativeBackend, nativeId, type TypedArray } from './native.ts';
import type { GraphPrecision } from './precision.ts';
import { type LoadedGraph, loadGraph } from './saved-model.ts';
import type { InputValue, Program, Step, StepDefinition, StepDefinitions } from './step.ts';
import { type Trace, trace } from './trace.ts';
import { assignNode, GraphVariables, readNode } from './variables.ts';

/**
 * The steps as one native graph of the active backend.
 * @throws CompileError when a step cannot be compiled.
 */
export function compileGraph<D extends StepDefinitions>(
  definitions: D,
  precision: GraphPrecision,
): Program<D> | undefined {
  const backend = nativeBackend();
  if (!backend) return undefined;
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
