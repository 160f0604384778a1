import type * as tf from '@tensorflow/tfjs';
import type { GraphNode, NodeOutput } from './graph-node.ts';
import { DataType, type NativeBackend, type NativeBinding, nativeId } from './native.ts';
import { assignNode, type GraphVariables, readNode, VariableVersion } from './variables.ts';

/** What a recorder does for a tracker. */
interface NodeSource {
  nextName(op: string): string;
  /** The node output that a native tensor's value comes from. */
  resolve(id: number): NodeOutput;
}

/** Follows the variables through one function's trial run: tfjs changes a variable by giving it another tensor. */
export class VariableTracker {
  /** Nodes that change variables, in the order of the step. */
  readonly writes: GraphNode[] = [];
  private readonly backend: NativeBackend;
  private readonly native: NativeBinding;
  private readonly variables: GraphVariables;
  private readonly nodes: NodeSource;
  /** The native id that a variable has while its value is the graph's. */
  private readonly settledIds = new Map<tf.Variable, number>();
  private readonly initialOwners = new Map<number, tf.Variable>();
  private readonly current = new Map<tf.Variable, VariableVersion>();
  private readonly versionsById = new Map<number, VariableVersion>();
  private readonly versionsByRead = new Map<GraphNode, VariableVersion>();

  /** @param tracked Variables with one native id each, see `giveOwnId`. */
  constructor(backend: NativeBackend, variables: GraphVariables, tracked: readonly tf.Variable[], nodes: NodeSource) {
    this.backend = backend;
    this.native = backend.binding;
    this.variables = variables;
    this.nodes = nodes;
    for (const variable of tracked) {
      const id = nativeId(backend, variable);
      this.settledIds.set(variable, id);
      this.initialOwners.set(id, variable);
    }
  }

  /** The value of the variable that `id` stands for, or undefined when it stands for none. */
  read(id: number): NodeOutput | undefined {
    const version = this.versionOf(id);
    return version?.value((owner) => {
      const read = readNode(this.nodes.nextName(`Read_${owner.handle.name}`), owner);
      this.versionsByRead.set(read, version);
      return read;
    });
  }

  /** Notes that `node` uses the value of `input`, if that is a read of a variable. */
  addReader(input: GraphNode, node: GraphNode): void {
    this.versionsByRead.get(input)?.addReader(node);
  }

  /**
   * Emits the assignment of a variable whose value in the step is no longer the graph's; returns the version that is
   * then current.
   */
  flush(variable: tf.Variable): VariableVersion {
    const version = this.currentVersion(variable);
    const id = nativeId(this.backend, variable);
    if (id === this.settledIds.get(variable)) return version;
    const write = assignNode(
      this.nodes.nextName(`Assign_${version.owner.handle.name}`),
      version.owner,
      this.nodes.resolve(id),
    );
    this.settledIds.set(variable, id);
    return this.recordWrite(variable, version, write);
  }

  flushAll(): void {
    for (const [variable, settledId] of this.settledIds) {
      if (nativeId(this.backend, variable) !== settledId) this.flush(variable);
    }
  }

  /** Notes that `write` changed the variable in the graph, to a value for which a new id stands. */
  changedInGraph(variable: tf.Variable, version: VariableVersion, write: GraphNode): void {
    const next = this.recordWrite(variable, version, write);
    giveOwnId(this.backend, this.native, variable);
    const id = nativeId(this.backend, variable);
    this.settledIds.set(variable, id);
    this.versionsById.set(id, next);
  }

  private recordWrite(variable: tf.Variable, version: VariableVersion, write: GraphNode): VariableVersion {
    const next = version.end(write);
    this.current.set(variable, next);
    if (this.writes.at(-1) !== write) this.writes.push(write);
    return next;
  }

  private versionOf(id: number): VariableVersion | undefined {
    const owner = this.initialOwners.get(id);
    // The first use makes the initial version.
    if (owner && !this.versionsById.has(id)) this.currentVersion(owner);
    return this.versionsById.get(id);
  }

  private currentVersion(variable: tf.Variable): VariableVersion {
    let version = this.current.get(variable);
    if (!version) {
      version = new VariableVersion(this.variables.get(variable));
      this.current.set(variable, version);
      this.versionsById.set(this.settledIds.get(variable)!, version);
    }
    return version;
  }
}

/**
 * Gives a variable a native id that no other tensor has, sharing the memory. Variables can share one (a target network
 * made from the online one), and then a read would not tell which variable it means.
 * @param binding The addon itself, never a recorder.
 */
export function giveOwnId(backend: NativeBackend, binding: NativeBinding, variable: tf.Variable): void {
  const type = { name: 'T', type: binding.TF_ATTR_TYPE, value: DataType[variable.dtype as keyof typeof DataType] };
  const [alias] = binding.executeOp('Identity', [type], [nativeId(backend, variable)], 1);
  variable.assign(backend.createOutputTensor(alias));
}
