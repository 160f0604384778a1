// What a sweep's file asks for, as jobs: agents x environments x seeds x settings.
import { z } from 'zod';
import type { AnyAgentDefinition } from '../agent/definition.ts';
import type { AgentSettings } from '../agent/settings.ts';
import type { Settings, TrainingJob } from '../jobs/index.ts';
import { fromFile, resolveSettings, SettingError } from '../settings/index.ts';

const settings = z.record(z.string(), z.json(), 'it is a map of settings, such as {"learningRate": 0.001}');
const names = z.array(z.string(), 'it is a list of names');
const agent = z.strictObject(
  { agent: z.string(), preset: z.string().optional(), settings: settings.optional() },
  'it is a name, or a map with agent, and if wanted preset and settings',
);
const seeds = z.array(z.int().min(0).max(0x7fffffff), 'it is a number of seeds, or a list of them').min(1);

const sweepSchema = z.strictObject(
  {
    /** Names, or `{ agent, preset, settings }`; the same agent may come several times, with other settings. */
    agents: z.array(z.preprocess((entry) => (typeof entry === 'string' ? { agent: entry } : entry), agent)).min(1),
    games: names.default([]),
    envIds: names.default([]),
    /** A number: 1 to so many. */
    seeds: z.preprocess(
      (value) => (typeof value === 'number' ? Array.from({ length: value }, (_, i) => i + 1) : value),
      seeds,
    ),
    /** For agents that name none. */
    preset: z.string().optional(),
    /** What all runs have. */
    settings: settings.default({}),
    /** Values of settings, in all combinations. */
    vary: z.record(z.string(), z.array(z.json(), 'it is a list of values').min(1)).default({}),
  },
  'it is a map with agents, games or envIds, seeds, and if wanted preset, settings and vary',
);

/** A run of a sweep, which `train-agent` makes. */
export type SweepJob = TrainingJob & { readonly command: 'train-agent' };

/**
 * The runs of a sweep, with every setting checked before the first one starts.
 * @param content What the file holds.
 * @param find Knows the agents by their names.
 * @throws SettingError naming the file and the entry or setting.
 */
export function planSweep(content: unknown, file: string, find: (name: string) => AnyAgentDefinition): SweepJob[] {
  const sweep = parseSweep(content, file);
  const environments = [
    ...sweep.games.map((game) => ({ game, envId: null })),
    ...sweep.envIds.map((envId) => ({ game: null, envId })),
  ];
  if (environments.length === 0) throw problem('it names no environment', 'give games or envIds', file);
  const jobs = new Map<string, SweepJob>();
  // Seeds outermost: a sweep that is stopped early has compared all with the first ones.
  for (const seed of sweep.seeds) {
    for (const entry of sweep.agents) {
      const definition = fromFile(file, () => find(entry.agent));
      for (const environment of environments) {
        for (const varied of combinations(sweep.vary)) {
          const own = { ...entry.settings, ...varied };
          const given = { ...sweep.settings, ...own, seed };
          const job = makeJob(definition, { preset: entry.preset ?? sweep.preset, environment, given, own, file });
          if (jobs.has(job.name)) throw problem(`it asks for ${job.name} twice`, 'leave one out', file);
          jobs.set(job.name, job);
        }
      }
    }
  }
  return [...jobs.values()];
}

type Sweep = z.infer<typeof sweepSchema>;

function parseSweep(content: unknown, file: string): Sweep {
  const parsed = sweepSchema.safeParse(content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue.path.length === 0 ? '' : `${z.core.toDotPath(issue.path)}: `;
    if (issue.code !== 'unrecognized_keys') throw problem(`${where}${issue.message}`, undefined, file);
    const known = Object.keys(issue.path.length === 0 ? sweepSchema.shape : agent.shape);
    throw problem(`${where}there is no "${issue.keys[0]}"`, `there are ${known.join(', ')}`, file);
  }
  const sweep = parsed.data;
  const own = sweep.agents.map((entry) => Object.keys(entry.settings ?? {}));
  for (const key of [...Object.keys(sweep.settings), ...own.flat(), ...Object.keys(sweep.vary)]) {
    const list = { seed: 'seeds', game: 'games', envId: 'envIds' }[key];
    if (list !== undefined) throw problem(`${key} is no setting of a sweep`, `give ${list}`, file);
  }
  for (const key of Object.keys(sweep.vary)) {
    const isSet = Object.hasOwn(sweep.settings, key) || own.some((keys) => keys.includes(key));
    if (isSet) throw problem(`${key} is set and varied`, 'leave it in one of settings and vary', file);
  }
  return sweep;
}

function problem(reason: string, mend: string | undefined, file: string): SettingError {
  return new SettingError({ key: 'sweep', value: undefined, reason, mend }, file);
}

interface JobRequest {
  preset: string | undefined;
  environment: { game: string | null; envId: string | null };
  given: Record<string, z.core.util.JSONType>;
  /** Those of the given settings that set this run apart from others of the sweep. */
  own: Record<string, z.core.util.JSONType>;
  file: string;
}

function makeJob(definition: AnyAgentDefinition, { preset, environment, given, own, file }: JobRequest): SweepJob {
  const { game, envId } = environment;
  const asked = { ...given, ...(game === null ? { envId } : { game }) } as Partial<AgentSettings>;
  const resolved = fromFile(file, () =>
    resolveSettings<AgentSettings>(definition, preset ?? definition.defaultPreset(asked), asked),
  );
  const environmentName = resolved.settings.game ?? resolved.settings.envId;
  const parts = [
    environmentName,
    definition.name,
    resolved.preset,
    ...Object.entries(own).map(([key, value]) => `${key}_${typeof value === 'object' ? JSON.stringify(value) : value}`),
    `seed${given.seed}`,
  ];
  return {
    kind: 'training',
    name: parts.map((part) => String(part).replaceAll(/[^A-Za-z0-9_.+]+/g, '-')).join('-'),
    command: 'train-agent',
    base: {
      agent: definition.name,
      preset: resolved.preset,
      ...(game === null ? { 'env-id': envId! } : { game }),
    },
    settings: given as Settings,
    changeable: definition.changeable,
  };
}

/** All combinations that take one value of each list: `{a: [1, 2], b: [3]}` gives `{a: 1, b: 3}` and `{a: 2, b: 3}`. */
function combinations<T>(lists: Readonly<Record<string, readonly T[]>>): Record<string, T>[] {
  return Object.entries(lists).reduce<Record<string, T>[]>(
    (found, [key, values]) => found.flatMap((entry) => values.map((value) => ({ ...entry, [key]: value }))),
    [{}],
  );
}
