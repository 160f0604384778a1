import { join } from 'node:path';
import { duration } from '../../src/report/duration.ts';
import type { Section } from '../../src/report/html.ts';
import type { Machine } from '../benchmark/machine.ts';
import { deviationTable } from './deviations.ts';
import type { Budget, Choice, Part, PartResults } from './part.ts';

/** What a reader must know of a budget's numbers before all else. */
export const BUDGET_NOTES: Record<Budget, string> = {
  quick: 'quick: too short to judge; shows that everything runs',
  hours: 'hours: reduced sizes; the arms compare with each other, not with the paper',
  full: "full: the paper's sizes",
};

export async function makeSection(
  part: Part,
  results: PartResults,
  context: { choice: Choice; machine: Machine; command: string },
): Promise<Section> {
  const { choice, machine, command } = context;
  const { budget, dataDir, runsPath } = choice;
  const { found, figure, captions, tables, runs, seeds, seconds } = results;
  return {
    title: part.title,
    claim: part.claim,
    found: [`${BUDGET_NOTES[budget]}.`, ...found],
    ...(figure !== undefined && { figure }),
    captions,
    tables: runs.length > 0 ? [...tables, await deviationTable(runs.map((run) => join(runsPath, run)))] : tables,
    settings: {
      Budget: budget,
      Seeds: seeds.join(', '),
      ...(part.needsCifar10 && {
        Data: `CIFAR-10 from ${dataDir}; errors compare with the paper's where these are the official files`,
      }),
      Hardware:
        `${machine.cpu}, ${machine.cores} cores; TensorFlow ${machine.tensorflow} on ${machine.device}, Node ` +
        `${machine.node}`,
      'Time of the runs': duration(seconds),
      Command: command,
    },
  };
}
