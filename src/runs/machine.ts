// What a run was made with: for its description, so that numbers can be judged and made again.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { packageFolder } from '../files/package-folder.ts';
import { cpuFlags } from '../runtime/bfloat16.ts';
import { loadTensorFlow } from '../runtime/tensorflow.ts';
import type { Machine, RunDescription } from './description.ts';

/** The flags of /proc/cpuinfo that decide how fast tensors are. */
const TELLING_FEATURES = ['avx', 'avx2', 'fma', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_bf16'];

/** This machine. Loads TensorFlow, which knows its device. */
export function describeMachine(): Machine {
  const flags = cpuFlags();
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    cpuFeatures: TELLING_FEATURES.filter((feature) => flags.includes(feature)),
    memoryBytes: totalmem(),
    device: loadTensorFlow().device,
  };
}

/** What stands in every description: where and with what the run is made. */
export function describeMaking(): Pick<
  RunDescription,
  'formatVersion' | 'version' | 'commit' | 'machine' | 'packages'
> {
  return {
    formatVersion: 2,
    version: packageVersion(),
    commit: packageCommit(),
    machine: describeMachine(),
    packages: { node: process.versions.node, tensorflow: loadTensorFlow().version, tfjs: tf.version_core },
  };
}

/** Version of this package. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')).version;
}

/** The commit of the clone that this is, or null for an installed package or where git does not answer. */
function packageCommit(): string | null {
  const folder = packageFolder();
  if (!existsSync(join(folder, '.git'))) return null;
  try {
    const args = ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'];
    return execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}
