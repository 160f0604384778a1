// Building blocks of settings: a schema of them is a command line and the settings in config.json.
import { z } from 'zod';

/** A whole number from `minimum` to `maximum`; `help` says what it is, `unit` what it counts. */
export const wholeNumber = (help: string, unit: string, minimum = 0, maximum = Number.MAX_SAFE_INTEGER) =>
  z.int().min(minimum).max(maximum).meta({ help, unit });
/** A finite number from `minimum` to `maximum`. */
export const number = (help: string, unit: string, minimum = 0, maximum = Number.MAX_VALUE) =>
  z.number().min(minimum).max(maximum).meta({ help, unit });
/** One of several words. */
export const choice = <const T extends readonly [string, ...string[]]>(help: string, values: T) =>
  z.enum(values).meta({ help });
/** A switch. */
export const flag = (help: string) => z.boolean().meta({ help });
/** One or more whole numbers of at least 1, such as the widths of layers. */
export const sizes = (help: string, unit: string) => z.array(z.int().min(1)).min(1).meta({ help, unit });

export const seed = wholeNumber('all randomness of the run follows from it', 'integer', 0, 0x7fffffff);
export const precision = choice(
  'of convolutions and matrix products; bfloat16 is faster on GPUs and CPUs with avx512_bf16 or amx_bf16, ' +
    'several times slower elsewhere; auto is bfloat16 on such CPUs and float32 elsewhere, so that numbers differ there',
  ['float32', 'bfloat16', 'auto'],
);
