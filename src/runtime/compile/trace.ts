import * as tf from '@tensorflow/tfjs';
import { fusedUpdateSink, withFusedUpdates } from '../../optimizers/fused.ts';
import * as errors from './errors.ts';
import { copyNode, type GraphNode, placeholderNode, scalarNode } from './graph-node.ts';
import { DataType, type NativeBackend, nativeId } from './native.ts';
import { useOutputs } from './outputs.ts';
import type { GraphPrecision } from './precision.ts';
import { forbidRandomness } from './randomness.ts';
import { Recorder } from './recorder.ts';
import { useNativeReluGradient } from './relu-gradient.ts';
import { type StepDefinition, tensorType } from './step.ts';
import { giveOwnId } from './variable-tracker.ts';
import type { GraphVariables } from './variables.ts';

/** One step as a part of a graph. */
export interface Trace {
  readonly inputs: Readonly<Record<string, GraphNode>>;
  /** The results by name. */
  readonly outputs: Readonly<Record<string, GraphNode>>;
  /** What to fetch so that the whole step runs, with its writes. */
  readonly fetches: readonly GraphNode[];
}

/**
 * Runs `definition.fn` once on zeros and records every op. The trial really computes, so that each op's output shape
 * and type are known; variables have their values back afterwards.
 * @throws CompileError when the step does something that a graph cannot hold.
 */
export function trace(
  backend: NativeBackend,
  step: string,
  definition: StepDefinition,
  variables: GraphVariables,
  precision: GraphPrecision,
): Trace {
  if (fusedUpdateSink()) throw errors.nestedCompilation(step);
  const tracked = registeredVariables();
  const saved = tracked.map((variable) => tf.keep(variable.clone()));
  tf.engine().startScope(`compile ${step}`);
  try {
    for (const variable of tracked) giveOwnId(backend, backend.binding, variable);
    const recorder = new Recorder(backend, step, variables, tracked, precision);
    const placeholders: Record<string, GraphNode> = {};
    const zeros: Record<string, tf.Tensor> = {};
    for (const [name, spec] of Object.entries(definition.inputs)) {
      placeholders[name] = placeholderNode(`${step}/inputs/${name}`, DataType[spec.dtype], spec.shape);
      zeros[name] = tf.zeros([...spec.shape], tensorType(spec));
      recorder.addInput(nativeId(backend, zeros[name]), placeholders[name]);
    }
    const results = recordWith(backend, recorder, step, () =>
      useOutputs(step, definition.fn, zeros, (outputs) => {
        checkVariables(step, tracked);
        const copies = outputs.map(({ name, tensor }) => {
          const dtype = DataType[tensor.dtype as keyof typeof DataType];
          return [name, copyNode(`${step}/outputs/${name}`, recorder.source(tensor), dtype)] as const;
        });
        recorder.flushVariables();
        return copies;
      }),
    );
    const fetches = results.length > 0 ? results.map(([, node]) => node) : [scalarNode(`${step}/done`, 0)];
    for (const write of recorder.writes) fetches[0].after.add(write);
    return { inputs: placeholders, outputs: Object.fromEntries(results), fetches };
  } finally {
    tracked.forEach((variable, i) => {
      if (!variable.isDisposed) variable.assign(saved[i]);
    });
    tf.dispose(saved);
    tf.engine().endScope();
  }
}

/** Runs `fn` with the recorder in the place of the addon. */
function recordWith<T>(backend: NativeBackend, recorder: Recorder, step: string, fn: () => T): T {
  const { binding, getInputTensorIds } = backend;
  const allowRandomness = forbidRandomness(step);
  const useUsualReluGradient = useNativeReluGradient(backend);
  backend.binding = recorder.binding;
  backend.getInputTensorIds = (tensors) => {
    const ids = getInputTensorIds.call(backend, tensors);
    recorder.noteTensors(ids, tensors);
    return ids;
  };
  try {
    return withFusedUpdates((update) => recorder.addFusedUpdate(update), fn);
  } finally {
    backend.binding = binding;
    // The class's own method is visible again.
    delete (backend as Partial<NativeBackend>).getInputTensorIds;
    useUsualReluGradient();
    allowRandomness();
  }
}

function registeredVariables(): tf.Variable[] {
  return Object.values(tf.engine().registeredVariables).filter((variable) => variable.dtype in DataType);
}

function checkVariables(step: string, tracked: readonly tf.Variable[]): void {
  const disposed = tracked.find((variable) => variable.isDisposed);
  if (disposed) throw errors.variableDisposedInside(step, disposed.name);
  const known = new Set(tracked);
  const created = registeredVariables().filter((variable) => !known.has(variable));
  tf.dispose(created);
  if (created.length > 0) throw errors.variableCreatedInside(step, created[0].name);
}
