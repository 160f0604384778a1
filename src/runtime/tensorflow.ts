/**
 * Loads TensorFlow's C library through `@tensorflow/tfjs-node-gpu`, whose native addon set-up compiles.
 *
 * Without the addon, tfjs's own `wasm` and `cpu` backends (`import * as tf from '@tensorflow/tfjs'`) can still **run**
 * a trained network; they cannot train one: `wasm` has no gradient kernel for convolutions (Conv2DBackpropFilter), and
 * `cpu` is far too slow.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import util from 'node:util';
import type * as tfjs from '@tensorflow/tfjs';
import { type Bfloat16Support, checkPrecision, cpuBfloat16 } from './bfloat16.ts';
import { useGraphCompiler } from './compile/compile.ts';
import type { Precision } from './compile/precision.ts';
import { compileGraph } from './compile/program.ts';
import { requireNative, setupCommand } from './native-packages.ts';

/**
 * The exports of `@tensorflow/tfjs-node-gpu`: tfjs's, and of `node` what is used here. Not its own types, since in
 * another project it lies where TypeScript does not look.
 */
export type TensorFlowModule = typeof tfjs & {
  node: {
    encodePng(image: tfjs.Tensor3D, compression?: number): Promise<Uint8Array>;
    decodePng(contents: Uint8Array, channels?: number, dtype?: string): tfjs.Tensor3D;
  };
};

/** TensorFlow as it was loaded: the module, the version of the library and what the device can do. */
export interface TensorFlowRuntime {
  /**
   * The same instance as `import * as tf from '@tensorflow/tfjs'`, its `tensorflow` backend in use, with `tf.node`
   * beside.
   */
  tf: TensorFlowModule;
  /** Version of the C library, such as "2.21.0". */
  version: string;
  usesGpu: boolean;
  /** How the device computes with bfloat16 numbers: precision `bfloat16` is faster than float32 where it is native. */
  bfloat16: Bfloat16Support;
  /** Where the kernels run, in words: "CPU (8 cores)" or "GPU (NVIDIA H200)". */
  device: string;
}

/** The addon, or the TensorFlow it was compiled against, is not there or does not load. */
export class TensorFlowMissingError extends Error {
  override readonly name = 'TensorFlowMissingError';
}

let loaded: TensorFlowRuntime | undefined;

/**
 * Loads TensorFlow once a process (about a second) and makes it tfjs's backend. Load it in the main thread only: with
 * several worker threads upstream reports failures (tfjs#2079).
 *
 * Two of TensorFlow's variables get another default: `TF_CPP_MIN_LOG_LEVEL` is 3 (only what ends the process is
 * logged; 0 shows all, such as why a GPU is not used), and `TF_ENABLE_ONEDNN_OPTS` is 1. TensorFlow itself turns oneDNN
 * on only where the processor has AVX512_VNNI or better; elsewhere too it takes a third off the time of an update
 * (measured on AVX2), most of it in the gradients of convolutions.
 *
 * @throws {TensorFlowMissingError} with one line that names the mend
 */
export function loadTensorFlow(): TensorFlowRuntime {
  if (loaded) return loaded;
  const folder = findPackageFolder();
  const addonPath = join(folder, 'lib/napi-v8/tfjs_binding.node');
  if (!existsSync(addonPath)) {
    throw new TensorFlowMissingError(`The TensorFlow addon is not compiled yet: run "${setupCommand()}".`);
  }
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '3';
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  defineIsNullOrUndefined();
  let tf: TensorFlowModule;
  try {
    tf = requireNative('@tensorflow/tfjs-node-gpu');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_DLOPEN_FAILED') throw cause;
    const reason = (cause as Error).message.split('\n')[0];
    throw new TensorFlowMissingError(
      `The TensorFlow addon does not load (${reason}): run "${setupCommand('--force')}".`,
      {
        cause,
      },
    );
  }
  const backend = tf.backend() as unknown as { binding: { TF_Version: string }; isUsingGpuDevice: boolean };
  const usesGpu = backend.isUsingGpuDevice;
  const version = backend.binding.TF_Version;
  const bfloat16 = usesGpu ? 'native' : cpuBfloat16();
  // On a GPU the launches of kernels bound a small network's step, not their products.
  const fastest = bfloat16 === 'native' && !usesGpu ? 'bfloat16' : 'float32';
  useGraphCompiler((definitions, precision) => {
    checkPrecision(precision, bfloat16);
    return compileGraph(definitions, precision === 'auto' ? fastest : precision);
  });
  loaded = {
    tf,
    version,
    usesGpu,
    bfloat16,
    device: usesGpu ? describeGpu() : `CPU (${availableParallelism()} cores)`,
  };
  return loaded;
}

/**
 * What to tell a user whose device is slow at a precision; undefined where nothing is to be told.
 * @throws {PrecisionError} where the device cannot compute with it at all
 */
export function precisionWarning(precision: Precision): string | undefined {
  if (precision !== 'bfloat16') return undefined;
  const { bfloat16 } = loadTensorFlow();
  checkPrecision(precision, bfloat16);
  if (bfloat16 === 'native') return undefined;
  return '--precision bfloat16: there are no instructions for it here; float32 is several times faster';
}

function findPackageFolder(): string {
  try {
    return dirname(requireNative.resolve('@tensorflow/tfjs-node-gpu/package.json'));
  } catch (cause) {
    throw new TensorFlowMissingError(`The npm package @tensorflow/tfjs-node-gpu is missing: run "${setupCommand()}".`, {
      cause,
    });
  }
}

/** tfjs-node 4.22 calls this function, which Node.js 22 warns about and Node.js 23 removed. */
function defineIsNullOrUndefined(): void {
  (util as { isNullOrUndefined: (value: unknown) => boolean }).isNullOrUndefined = (value) =>
    value === null || value === undefined;
}

/** "GPU (NVIDIA H200)", after what NVIDIA's driver says; "GPU" where it says nothing, or several things. */
export function describeGpu(driverFolder = '/proc/driver/nvidia/gpus'): string {
  if (!existsSync(driverFolder)) return 'GPU';
  const models = readdirSync(driverFolder).map((bus) => {
    const information = readFileSync(join(driverFolder, bus, 'information'), 'utf8');
    return /^Model:\s*(.+?)\s*$/m.exec(information)?.[1];
  });
  return models[0] && new Set(models).size === 1 ? `GPU (${models[0]})` : 'GPU';
}
