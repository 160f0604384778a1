import type * as tf from '@tensorflow/tfjs';
import { copyNode, createNode, type GraphNode, type NodeOutput, typeAttribute } from './graph-node.ts';
import { DataType } from './native.ts';

/** A tf.Variable's counterpart in the graph. */
export interface GraphVariable {
  readonly variable: tf.Variable;
  readonly dtype: number;
  /** VarHandleOp: the resource that every function of the graph shares. */
  readonly handle: GraphNode;
}

/** The variables of one graph, each made on first use. */
export class GraphVariables {
  private readonly byVariable = new Map<tf.Variable, GraphVariable>();

  get(variable: tf.Variable): GraphVariable {
    let entry = this.byVariable.get(variable);
    if (!entry) {
      const dtype = DataType[variable.dtype as 'float32' | 'int32' | 'bool'];
      const name = `variables/${this.byVariable.size}_${variable.name.replaceAll(/[^A-Za-z0-9_.-]/g, '_')}`;
      const handle = createNode(name, 'VarHandleOp', [], {
        dtype: typeAttribute(dtype),
        shape: { kind: 'shape', value: variable.shape },
        shared_name: { kind: 'string', value: name },
      });
      entry = { variable, dtype, handle };
      this.byVariable.set(variable, entry);
    }
    return entry;
  }

  list(): GraphVariable[] {
    return [...this.byVariable.values()];
  }
}

export function readNode(name: string, { handle, dtype }: GraphVariable): GraphNode {
  return createNode(name, 'ReadVariableOp', [{ node: handle, index: 0 }], { dtype: typeAttribute(dtype) });
}

export function assignNode(name: string, { handle, dtype }: GraphVariable, value: NodeOutput): GraphNode {
  const copy = { node: copyNode(`${name}/value`, value, dtype), index: 0 };
  return createNode(name, 'AssignVariableOp', [{ node: handle, index: 0 }, copy], { dtype: typeAttribute(dtype) });
}

/**
 * A variable's value between two writes of one function. A read belongs to one version: it runs after the write that
 * made the version and before the write that ends it, whatever order the graph's executor would choose.
 */
export class VariableVersion {
  readonly owner: GraphVariable;
  private readonly madeBy: GraphNode | undefined;
  private endedBy: GraphNode | undefined;
  private read: GraphNode | undefined;
  private readonly readers: GraphNode[] = [];

  constructor(owner: GraphVariable, madeBy?: GraphNode) {
    this.owner = owner;
    this.madeBy = madeBy;
  }

  /** This version's value; the one read op is made on first use. */
  value(createRead: (owner: GraphVariable) => GraphNode): NodeOutput {
    if (!this.read) {
      this.read = createRead(this.owner);
      if (this.madeBy) this.read.after.add(this.madeBy);
      this.endedBy?.afterIfRun.add(this.read);
    }
    return { node: this.read, index: 0 };
  }

  /** Notes a node that uses the value. */
  addReader(node: GraphNode): void {
    this.readers.push(node);
  }

  /**
   * Orders `write`, which changes the variable, after the write that made this version and after its reads. It also
   * waits for those that use the value: a variable whose memory someone still reads is copied before it changes, which
   * is correct but slow.
   */
  end(write: GraphNode): VariableVersion {
    this.endedBy = write;
    if (this.madeBy) write.after.add(this.madeBy);
    if (this.read) write.afterIfRun.add(this.read);
    for (const reader of this.readers) if (reader !== write) write.afterIfRun.add(reader);
    return new VariableVersion(this.owner, write);
  }
}
