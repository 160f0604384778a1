import { z } from 'zod';
import { DamagedFileError } from '../files/errors.ts';

const machineSchema = z.strictObject({
  cpu: z.string(),
  cores: z.int(),
  /** Instructions for wide or short arithmetic that the processor has, such as avx2 and avx512f. */
  cpuFeatures: z.array(z.string()),
  memoryBytes: z.number(),
  /** Where TensorFlow computes. */
  device: z.string(),
});

/** What `config.json` of a run folder holds: all that one needs to know of a run, and to make it again. */
const descriptionSchema = z.strictObject({
  formatVersion: z.literal(2),
  kind: z.enum(['agent', 'supervised']),
  /** The agent's or the task's name. */
  name: z.string(),
  /** The named settings that it started from; null where that was not kept. */
  preset: z.string().nullable(),
  /** Version of this package. */
  version: z.string(),
  /**
   * The commit of a clone of this project, "-dirty" behind it where files had changed; null for an installed package.
   */
  commit: z.string().nullable(),
  settings: z.record(z.string(), z.unknown()),
  /** Agents: the environment, and what emulates it. */
  environment: z
    .strictObject({
      settings: z.looseObject({ kind: z.enum(['atari', 'gymnasium', 'typescript']), id: z.string() }),
      packages: z.record(z.string(), z.string()),
      rom: z.strictObject({ name: z.string(), sha256: z.string() }).optional(),
    })
    .optional(),
  /** Supervised tasks: examples in use. */
  data: z.strictObject({ trainExamples: z.int(), testExamples: z.int() }).optional(),
  /** Null for runs of version 0.1.0, which did not say. */
  machine: machineSchema.nullable(),
  /** Versions of what computes: node, tensorflow, tfjs. */
  packages: z.record(z.string(), z.string()),
});
/** What config.json says of a run. */
export type RunDescription = z.infer<typeof descriptionSchema>;
/** The machine that a run was made on. */
export type Machine = z.infer<typeof machineSchema>;

/** An agent's config.json of version 0.1.0. */
const oldAgentSchema = z.object({
  agent: z.string(),
  version: z.string(),
  config: z.record(z.string(), z.unknown()),
  environment: z.looseObject({ kind: z.enum(['atari', 'gymnasium']), id: z.string() }),
  emulator: z.object({
    packages: z.record(z.string(), z.string()),
    rom: z.object({ name: z.string(), sha256: z.string() }).optional(),
  }),
});

/** A supervised run's config.json of version 0.1.0. */
const oldSupervisedSchema = z.object({
  experiment: z.literal('supervised'),
  task: z.string(),
  recipe: z.string(),
  version: z.string(),
  config: z.record(z.string(), z.unknown()),
});

/**
 * Checks what a config.json holds, and brings the form of version 0.1.0 to today's.
 * @param file Where it is from, for errors.
 * @throws DamagedFileError saying what is wrong with it.
 */
export function parseDescription(value: unknown, file: string): RunDescription {
  const isObject = typeof value === 'object' && value !== null;
  if (isObject && 'agent' in value) {
    const { agent, version, config, environment, emulator } = checked(oldAgentSchema, value, file);
    return {
      ...ofVersion010(version),
      kind: 'agent',
      name: agent,
      preset: null,
      settings: config,
      environment: { settings: environment, ...emulator },
    };
  }
  if (isObject && 'experiment' in value) {
    const { task, recipe, version, config } = checked(oldSupervisedSchema, value, file);
    return { ...ofVersion010(version), kind: 'supervised', name: task, preset: recipe, settings: config };
  }
  return checked(descriptionSchema, value, file);
}

function ofVersion010(version: string) {
  return { formatVersion: 2, version, commit: null, machine: null, packages: {} } as const;
}

function checked<T extends z.ZodType>(schema: T, value: unknown, file: string): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues;
  throw new DamagedFileError(file, `it does not describe a run: ${path.join('.') || 'all of it'}: ${message}`);
}
