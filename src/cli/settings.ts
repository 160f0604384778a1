// Building blocks of settings: a schema of them is a command line and a config.json.
import { z } from 'zod';
import { UsageError } from './command.ts';
import { kebab } from './schema-options.ts';

export const wholeNumber = (help: string, unit: string, minimum = 0, maximum = Number.MAX_SAFE_INTEGER) =>
  z.int().min(minimum).max(maximum).meta({ help, unit });
export const number = (help: string, unit: string, minimum = 0, maximum = Number.MAX_VALUE) =>
  z.number().min(minimum).max(maximum).meta({ help, unit });
export const choice = <const T extends readonly [string, ...string[]]>(help: string, values: T) =>
  z.enum(values).meta({ help });
export const flag = (help: string) => z.boolean().meta({ help });

export const seed = z
  .int()
  .min(0)
  .max(0x7fffffff)
  .meta({ help: 'all randomness of the run follows from it', unit: 'integer' });
export const precision = choice(
  'of convolutions and matrix products; bfloat16 is faster on GPUs and CPUs with avx512_bf16 or amx_bf16, several times slower elsewhere',
  ['float32', 'bfloat16'],
);

/**
 * Refuses settings that a resumed run may not change.
 * @throws UsageError naming the setting, its value and the run's.
 */
export function checkResumed(
  stored: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
  changeable: readonly string[],
): void {
  for (const [key, value] of Object.entries(given)) {
    if (changeable.includes(key) || JSON.stringify(stored[key]) === JSON.stringify(value)) continue;
    throw new UsageError(
      `--${kebab(key)} ${value}: a resumed run keeps its settings, and this one has ${stored[key]}; leave the option out, or start a new run`,
    );
  }
}
