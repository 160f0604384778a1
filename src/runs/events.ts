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
   * pass over the training examples. `evaluation`: what was found on test episodes or on the test set. `diagnostics`: what
   * weights and units do.
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

/** JSON has no NaN and no infinity: a line holds null for such a number. */
const numeric = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
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
  .catchall(numeric);
const lineSchema = z.union([episodeSchema, numbersSchema]);

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
      return parseEvent(JSON.parse(line));
    } catch (error) {
      const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
      throw new DamagedFileError(path, `line ${i + 1} is not an event of a run (${reason.replaceAll('\n', ' ')})`);
    }
  });
}

function parseEvent(value: Record<string, unknown>): RunEvent {
  // Version 0.1.0: supervised runs named the event otherwise, agents told episodes by their keys.
  const { event, ...fields } = value;
  const kind = event ?? ('episodeReturn' in value ? 'episode' : 'progress');
  const line = lineSchema.parse({ kind, ...fields });
  const { agentSteps, updates, wallSeconds, ...rest } = line;
  const { kind: _, ...numbers } = rest;
  const where =
    agentSteps === undefined
      ? ({ unit: 'updates', position: updates ?? 0 } as const)
      : ({ unit: 'agentSteps', position: agentSteps } as const);
  const counted = agentSteps !== undefined && updates !== undefined ? { updates, ...numbers } : numbers;
  return { kind: line.kind, ...where, wallSeconds, numbers: counted } as RunEvent;
}
