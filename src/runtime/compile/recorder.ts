import * as tf from '@tensorflow/tfjs';
import type { FusedUpdate } from '../../optimizers/update-rule.ts';
import { recordAttributes } from './attributes.ts';
import * as errors from './errors.ts';
import {
  type AttributeValue,
  constantNode,
  createNode,
  type GraphNode,
  type NodeOutput,
  scalarNode,
  typeAttribute,
} from './graph-node.ts';
import { type CreateNode, createLowered } from './lowering.ts';
import {
  DataType,
  type NativeAttribute,
  type NativeBackend,
  type NativeBinding,
  type NativeTensor,
  nativeId,
  type TypedArray,
} from './native.ts';
import { type GraphPrecision, withBfloat16 } from './precision.ts';
import { VariableTracker } from './variable-tracker.ts';
import type { GraphVariables } from './variables.ts';

const SUPPORTED_TYPES: ReadonlySet<number> = new Set(Object.values(DataType));

/** Ops of which the trial run shows only one of many possible output shapes. */
const VALUE_DEPENDENT_SHAPE = /^(Where|Unique(V2)?|NonMaxSuppression.*|SparseFillEmptyRows|SparseReshape)$/;

/**
 * Takes the place of the addon's binding while a step runs once: every op is executed, which tells its output shapes,
 * and noted as a graph node. A native tensor id then stands for a node's output, for a variable's value at a point of
 * the step, or for a value from outside, which becomes a constant.
 */
export class Recorder {
  readonly binding: NativeBinding;
  private readonly native: NativeBinding;
  private readonly backend: NativeBackend;
  private readonly step: string;
  private readonly tracker: VariableTracker;
  /** Makes the node of an op with one output. */
  private readonly create: CreateNode;
  private readonly produced = new Map<number, NodeOutput>();
  /** Tensors that the step was seen to use, by native id. */
  private readonly seen = new Map<number, tf.Tensor>();
  /** uint8 inputs, each with its cast to int32 once that is needed. */
  private readonly byteInputs = new Map<GraphNode, NodeOutput | undefined>();
  private numNodes = 0;

  constructor(
    backend: NativeBackend,
    step: string,
    variables: GraphVariables,
    tracked: readonly tf.Variable[],
    precision: GraphPrecision,
  ) {
    this.backend = backend;
    this.native = backend.binding;
    this.step = step;
    this.tracker = new VariableTracker(backend, variables, tracked, {
      nextName: (op) => this.nextName(op),
      resolve: (id) => this.widen(this.resolve(id)),
    });
    const create: CreateNode = (op, inputs, attributes) => ({ node: this.addNode(op, inputs, attributes), index: 0 });
    this.create = precision === 'bfloat16' ? withBfloat16(create) : create;
    // What is not replaced, the constants for example, comes from the addon.
    this.binding = Object.create(this.native, {
      createTensor: { value: this.createTensor.bind(this) },
      executeOp: { value: this.executeOp.bind(this) },
      tensorDataSync: { value: this.tensorDataSync.bind(this) },
    });
  }

  /** Nodes that change variables, in the order of the step. */
  get writes(): readonly GraphNode[] {
    return this.tracker.writes;
  }

  addInput(id: number, node: GraphNode): void {
    this.produced.set(id, { node, index: 0 });
    if (node.attributes.dtype.value === DataType.uint8) this.byteInputs.set(node, undefined);
  }

  noteTensors(ids: readonly number[], tensors: readonly tf.Tensor[]): void {
    for (const [i, id] of ids.entries()) this.seen.set(id, tensors[i]);
  }

  /** Where a tensor of the step comes from. */
  source(tensor: tf.Tensor): NodeOutput {
    return this.widen(this.resolve(nativeId(this.backend, tensor)));
  }

  /** Emits an optimizer's update of one variable as its own op. */
  addFusedUpdate({ op, resources, inputs, attributes }: FusedUpdate): void {
    const versions = resources.map((variable) => this.tracker.flush(variable));
    const handles = versions.map(({ owner }) => ({ node: owner.handle, index: 0 }));
    const sources = inputs.map((input) =>
      typeof input === 'number' ? { node: scalarNode(this.nextName('Const'), input), index: 0 } : this.source(input),
    );
    const recorded: Record<string, AttributeValue> = { T: typeAttribute(versions[0].owner.dtype) };
    for (const [name, value] of Object.entries(attributes)) recorded[name] = { kind: 'bool', value };
    const node = createNode(this.nextName(op), op, [...handles, ...sources], recorded);
    resources.forEach((variable, i) => {
      this.tracker.changedInGraph(variable, versions[i], node);
    });
  }

  /** Emits what the step assigned to variables and no op has written yet. */
  flushVariables(): void {
    this.tracker.flushAll();
  }

  private createTensor(shape: readonly number[], dtype: number, values: TypedArray): number {
    if (!SUPPORTED_TYPES.has(dtype)) throw errors.unrecordableType(this.step, 'a constant', dtype);
    const id = this.native.createTensor(shape, dtype, values);
    // A copy: the array is the caller's.
    this.produced.set(id, this.constant(dtype, shape, values.slice()));
    return id;
  }

  private executeOp(
    op: string,
    attributes: readonly NativeAttribute[],
    inputIds: readonly number[],
    numOutputs: number,
  ): NativeTensor[] {
    if (VALUE_DEPENDENT_SHAPE.test(op)) throw errors.valueDependentShape(this.step, op);
    const recorded = recordAttributes(this.native, this.step, op, attributes, (index) => this.typeOf(inputIds[index]));
    const outputs = this.native.executeOp(op, attributes, inputIds, numOutputs);
    const unsupported = outputs.find(({ dtype }) => !SUPPORTED_TYPES.has(dtype));
    if (unsupported) throw errors.unrecordableType(this.step, op, unsupported.dtype);

    const sources = inputIds.map((id) => this.resolve(id));
    const castsBytes = op === 'Cast' && this.byteInputs.has(sources[0].node);
    if (castsBytes) recorded.SrcT = typeAttribute(DataType.uint8);
    const inputs = castsBytes ? sources : sources.map((source) => this.widen(source));
    if (outputs.length === 1) {
      const shapes = inputIds.map((id) => this.seen.get(id)!.shape);
      this.produced.set(outputs[0].id, createLowered({ op, inputs, shapes, attributes: recorded }, this.create));
    } else {
      const node = this.addNode(op, inputs, recorded);
      outputs.forEach(({ id }, index) => {
        this.produced.set(id, { node, index });
      });
    }
    return outputs;
  }

  private addNode(
    op: string,
    inputs: readonly NodeOutput[],
    attributes: Readonly<Record<string, AttributeValue>>,
  ): GraphNode {
    const node = createNode(this.nextName(op), op, inputs, attributes);
    for (const input of inputs) this.tracker.addReader(input.node, node);
    return node;
  }

  private tensorDataSync(id: number): TypedArray {
    // tf.gather checks its indices in JavaScript; in the graph TensorFlow's own op does.
    if (activeScope() === 'gather__op') return this.native.tensorDataSync(id);
    const { node } = this.resolve(id);
    throw errors.readInsideStep(
      this.step,
      node.op === 'Placeholder' ? `the input "${node.name.split('/').at(-1)}"` : `the output of ${node.op}`,
    );
  }

  private resolve(id: number): NodeOutput {
    const known = this.produced.get(id) ?? this.tracker.read(id);
    if (known) return known;
    // A tensor from outside keeps the value that it has now.
    const constant = this.constant(this.typeOf(id), this.seen.get(id)!.shape, this.native.tensorDataSync(id));
    this.produced.set(id, constant);
    return constant;
  }

  private typeOf(id: number): number {
    const { dtype } = this.seen.get(id)!;
    if (!(dtype in DataType)) throw errors.unrecordableType(this.step, 'a constant', dtype);
    return DataType[dtype as keyof typeof DataType];
  }

  private constant(
    dtype: number,
    shape: readonly number[],
    { buffer, byteOffset, byteLength }: TypedArray,
  ): NodeOutput {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    return { node: constantNode(this.nextName('Const'), { dtype, shape: [...shape], bytes }), index: 0 };
  }

  /** tfjs takes bytes for int32: every op but the cast that follows the input gets them as such. */
  private widen(source: NodeOutput): NodeOutput {
    if (!this.byteInputs.has(source.node)) return source;
    let widened = this.byteInputs.get(source.node);
    if (!widened) {
      const types = { SrcT: typeAttribute(DataType.uint8), DstT: typeAttribute(DataType.int32) };
      widened = { node: createNode(this.nextName('Cast'), 'Cast', [source], types), index: 0 };
      this.byteInputs.set(source.node, widened);
    }
    return widened;
  }

  private nextName(op: string): string {
    return `${this.step}/${op}_${this.numNodes++}`;
  }
}

function activeScope(): string | undefined {
  return (tf.engine() as unknown as { state: { activeScope?: { name: string } } }).state.activeScope?.name;
}
