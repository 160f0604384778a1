import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileError } from '../../files/errors.ts';
import { refusedGraph } from './errors.ts';
import { SERVING_TAG, serialiseSavedModel } from './graph-def.ts';
import { type GraphNode, liveNodes } from './graph-node.ts';
import type { NativeBinding } from './native.ts';

/** A graph that TensorFlow has loaded, with a session of its own that holds its variables. */
export interface LoadedGraph {
  run(inputIds: readonly number[], inputNames: string, outputNames: string): ReturnType<NativeBinding['runSavedModel']>;
  dispose(): void;
}

/** Serialises what `roots` need and loads it. @throws CompileError when TensorFlow refuses the graph. */
export function loadGraph(binding: NativeBinding, roots: readonly GraphNode[]): LoadedGraph {
  const live = liveNodes(roots);
  const modelId = loadBytes(binding, serialiseSavedModel(live), live);
  return {
    run: (inputIds, inputNames, outputNames) => binding.runSavedModel(modelId, inputIds, inputNames, outputNames),
    dispose: () => binding.deleteSavedModel(modelId),
  };
}

const FOLDER_PREFIX = 'weightnorm-rl-graph-';
/** A load takes milliseconds; an older folder of a process that is gone, or cannot be seen from here, is litter. */
const STALE_AFTER_MS = 60_000;

/** The addon loads graphs from a folder only: it lives for the length of the load. */
function loadBytes(binding: NativeBinding, bytes: Uint8Array, nodes: ReadonlySet<GraphNode>): number {
  removeFoldersOfDeadProcesses();
  const folder = writeModel(bytes);
  try {
    return binding.loadSavedModel(folder, SERVING_TAG);
  } catch (error) {
    throw refusedGraph((error as Error).message, new Map(Array.from(nodes, (node) => [node.name, node.op])));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes the graph into a new folder. @throws FileError where the temporary folder is full, for instance. */
function writeModel(bytes: Uint8Array): string {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
    writeFileSync(join(folder, 'saved_model.pb'), bytes);
    return folder;
  } catch (error) {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    throw new FileError(tmpdir(), 'a compiled step cannot be written there, or where TMPDIR says', error);
  }
}

/** A process killed in the middle of a load leaves its folder to a later one. */
function removeFoldersOfDeadProcesses(): void {
  for (const entry of readdirSync(tmpdir())) {
    if (!entry.startsWith(FOLDER_PREFIX)) continue;
    const pid = Number.parseInt(entry.slice(FOLDER_PREFIX.length), 10);
    const folder = join(tmpdir(), entry);
    const ageMs = Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (ageMs > STALE_AFTER_MS && !isRunning(pid)) rmSync(folder, { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
