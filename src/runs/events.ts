import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { DamagedFileError } from '../files/errors.ts';
import type { Picture } from '../report/pictures.ts';

/** Numbers by name, with units in the names. */
export type Numbers = Readonly<Record<string, number>>;

/** What a run counts: agent steps, or updates where there is no agent. */
export type UnitKey = 'agentSteps' | 'updates';

/** An episode that has ended. */
export interface EpisodeNumbers {
  /** Sum of the unclipped rewards: the game's score. */
  readonly episodeReturn: number;
  readonly episodeLengthSteps: number;
  readonly episodeLengthFrames: number;
  readonly episodeSeed: number;
  /** How many episodes its environment had started before it. */
  readonly episodeIndex: number;
  /** The environment that it was played in. */
  readonly env: number;
  /** Whether it was cut off by a time limit. */
  readonly truncated: boolean;
}

/** Something that happened, with its numbers. */
export type NewEvent =
  | { readonly kind: 'episode'; readonly numbers: EpisodeNumbers }
  /**
   * `progress`: means over the steps since the last such event, and numbers as they are now. `epoch`: means over one
   * pass over the training examples. `evaluation`: what was found on test episodes or on the test set. `diagnostics`:
   * what weights and units do.
   */
  | {
      readonly kind: 'progress' | 'epoch' | 'evaluation' | 'diagnostics';
      readonly numbers: Numbers;
      readonly shown?: Shown | undefined;
    };

/** What a tracker can draw of an event, by name; `metrics.jsonl` has the numbers alone. */
export interface Shown {
  /** Many numbers each, such as one for each unit of a layer. */
  readonly histograms?: Readonly<Record<string, ArrayLike<number>>>;
  readonly pictures?: Readonly<Record<string, Picture>>;
}

/** Something that happened, and when: one line of `metrics.jsonl`. */
export type RunEvent = NewEvent & {
  readonly unit: UnitKey;
  /** Where the run stood, in its unit. */
  readonly position: number;
  /** Seconds that the run had taken; undefined for episodes of version 0.1.0, which did not say. */
  readonly wallSeconds: number | undefined;
};

const common = {
  agentSteps: z.int().min(0).optional(),
  updates: z.int().min(0).optional(),
  wallSeconds: z.number().optional(),
};
const episodeSchema = z.strictObject({
  kind: z.literal('episode'),
  ...common,
  episodeReturn: z.number(),
  episodeLengthSteps: z.int(),
  episodeLengthFrames: z.int(),
  episodeSeed: z.int(),
  episodeIndex: z.int(),
  env: z.int(),
  truncated: z.boolean(),
});
const numbersSchema = z
  .object({ kind: z.enum(['progress', 'epoch', 'evaluation', 'diagnostics']), ...common })
  // JSON has no NaN and no infinity: a line holds null for such a number.
  .catchall(z.number().nullable());
const lineSchema = z.discriminatedUnion('kind', [episodeSchema, numbersSchema]);

/** An event as its line holds it: one flat object, with the position under the unit's key. */
export function eventLine({ kind, unit, position, wallSeconds, numbers }: RunEvent): object {
  return { kind, [unit]: position, ...numbers, ...(wallSeconds !== undefined && { wallSeconds }) };
}

/**
 * The events in a `metrics.jsonl`, those of version 0.1.0 included; none where there is no file. Half a line at the
 * end, which a process leaves that was killed, is left out: a resumed run writes it again.
 * @throws DamagedFileError naming the line.
 */
export async function readEvents(path: string): Promise<RunEvent[]> {
  if (!existsSync(path)) return [];
  const lines = (await readFile(path, 'utf8')).split('\n');
  lines.pop();
  return lines.map((line, i) => {
    try {
      return parseEventLine(line);
    } catch (error) {
      throw new DamagedFileError(path, `line ${i + 1} is not an event of a run (${(error as Error).message})`);
    }
  });
}

/**
 * The event in one line of a `metrics.jsonl`, also in the form of version 0.1.0.
 * @throws Error saying in one line why it is none.
 */
export function parseEventLine(line: string): RunEvent {
  const value: unknown = JSON.parse(line);
  try {
    return parseEvent(lineSchema.parse(isOfToday(value) ? value : fromVersion010(value)));
  } catch (error) {
    throw error instanceof z.ZodError ? new Error(z.prettifyError(error).replaceAll('\n', ' ')) : error;
  }
}

/**
 * The numbers of an event that make curves, by the names that TensorBoard shows them under, such as `train/loss` and
 * `episode/return`.
 */
export function scalarsOf({ kind, numbers }: NewEvent): [name: string, value: number][] {
  if (kind === 'episode') {
    return [
      ['episode/return', numbers.episodeReturn],
      ['episode/lengthFrames', numbers.episodeLengthFrames],
    ];
  }
  const prefix = kind === 'progress' ? 'train' : kind;
  return Object.entries(numbers).map(([name, value]) => [`${prefix}/${name}`, value]);
}

function isOfToday(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

/** Version 0.1.0: supervised runs named the event otherwise, agents told episodes by their keys. */
function fromVersion010(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { event, ...fields } = value as Record<string, unknown>;
  return { kind: event ?? ('episodeReturn' in value ? 'episode' : 'progress'), ...fields };
}

function parseEvent({ kind, agentSteps, updates, wallSeconds, ...rest }: z.infer<typeof lineSchema>): RunEvent {
  const where =
    agentSteps === undefined
      ? ({ unit: 'updates', position: updates ?? 0 } as const)
      : ({ unit: 'agentSteps', position: agentSteps } as const);
  const numbers: Record<string, unknown> = agentSteps !== undefined && updates !== undefined ? { updates } : {};
  for (const [name, value] of Object.entries(rest)) numbers[name] = value ?? Number.NaN;
  return { kind, ...where, wallSeconds, numbers } as unknown as RunEvent;
}
