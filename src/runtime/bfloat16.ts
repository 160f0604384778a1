import { readFileSync } from 'node:fs';
import { CompileError } from './compile/errors.ts';
import type { Precision } from './compile/precision.ts';

/**
 * How a device computes with bfloat16 numbers: `native` by instructions for it, `emulated` several times slower than
 * float32, `none` not at all.
 */
export type Bfloat16Support = 'native' | 'emulated' | 'none';

/** oneDNN's names of the sets of instructions with which it has no products of bfloat16 numbers. */
const OLD_INSTRUCTIONS = ['SSE41', 'AVX', 'AVX2', 'AVX2_VNNI', 'AVX2_VNNI_2'];
/** With these it emulates them; with all others it has instructions for them, where the processor has. */
const EMULATING_INSTRUCTIONS = ['AVX512_CORE', 'AVX512_CORE_VNNI'];

/** The precision cannot be computed with as the environment's variables have it. */
export class PrecisionError extends CompileError {
  override readonly name = 'PrecisionError';
}

/**
 * How the CPU computes with bfloat16 numbers. TensorFlow goes by the processor and gives their products to oneDNN
 * wherever it has AVX512F or AVX_NE_CONVERT; a oneDNN that is held to older instructions then ends the process.
 * @param cpuInfo The text of /proc/cpuinfo.
 * @param env Variables of the environment.
 */
export function cpuBfloat16(cpuInfo?: string, env: NodeJS.ProcessEnv = process.env): Bfloat16Support {
  const flags = cpuFlags(cpuInfo);
  const has = (...names: string[]) => names.some((name) => flags.includes(name));
  // Eigen, TensorFlow's other library, emulates bfloat16 everywhere.
  if (env.TF_ENABLE_ONEDNN_OPTS === '0') return 'emulated';
  const held = instructionLimit(env)?.value.toUpperCase() ?? '';
  if (OLD_INSTRUCTIONS.includes(held) && has('avx512f', 'avx_ne_convert')) return 'none';
  return has('avx512_bf16', 'amx_bf16') && !EMULATING_INSTRUCTIONS.includes(held) ? 'native' : 'emulated';
}

/** @throws PrecisionError in one line that names the mend, for bfloat16 where `cpuBfloat16` says `none`. */
export function checkPrecision(precision: Precision, support: Bfloat16Support): void {
  if (precision !== 'bfloat16' || support !== 'none') return;
  const { name, value } = instructionLimit(process.env)!;
  throw new PrecisionError(
    `precision bfloat16: oneDNN is held to ${value} by ${name}, where it has no products of bfloat16 numbers: ` +
      `unset ${name}, or use float32`,
  );
}

/** What the processor can do, by its flags in /proc/cpuinfo; none where there is no such file, as outside Linux. */
export function cpuFlags(cpuInfo = readCpuInfo()): string[] {
  return /^flags\s*:(.*)$/m.exec(cpuInfo)?.[1].trim().split(/\s+/) ?? [];
}

/** The variable that holds oneDNN to older instructions than the processor's; oneDNN reads them in this order. */
function instructionLimit(env: NodeJS.ProcessEnv): { name: string; value: string } | undefined {
  for (const name of ['ONEDNN_MAX_CPU_ISA', 'DNNL_MAX_CPU_ISA']) {
    const value = env[name];
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

function readCpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return ''; // not Linux
  }
}
