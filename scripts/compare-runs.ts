import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { changeableSettings } from '../agents/registry.ts';
import { newCommand, path, runCommand, UsageError, wholeNumber, writeResult } from '../src/cli/index.ts';
import {
  type Comparison,
  compareRuns,
  comparisonLines,
  comparisonPage,
  readComparedRuns,
  SCORES,
  type ScoreKind,
} from '../src/comparison/index.ts';
import { replaceFileWith } from '../src/files/atomic.ts';

interface Options {
  score?: ScoreKind;
  step?: number;
  out?: string;
  seed: number;
  json?: true;
  force?: true;
}

const command = newCommand('compare-runs', 'Compares runs of agents: scores, aggregates with intervals, curves.')
  .argument('<run...>', 'run folders; those that differ in environment and seed alone are one group')
  .option('--score <kind>', `${SCORES.join(' or ')} (default: evaluation where every run was evaluated)`, scoreKind)
  .option('--step <steps>', 'compare after so many agent steps (default: as far as all runs have come)', wholeNumber(1))
  .option('--out <report.html>', 'write a page with curves and tables', path)
  .option('--force', 'replace an existing page')
  .option('--seed <seed>', 'of the bootstrap', wholeNumber(0, 0x7fffffff), 1)
  .option('--json', 'print one JSON object on stdout, and nothing else')
  .addHelpText(
    'after',
    `
Intervals are the middle 95 % of a stratified bootstrap over runs (Agarwal et al. 2021).

Examples:
  compare-runs runs/*
  compare-runs runs/none-* runs/weight-* --step 500000 --out report.html`,
  )
  .action(async (folders: string[], { score, step, out, seed, json, force }: Options) => {
    if (out !== undefined && !/\.html?$/.test(out)) throw new UsageError(`--out ${out}: the name must end in .html`);
    if (out !== undefined && existsSync(out) && !force) {
      throw new UsageError(`--out ${out}: the file exists; --force replaces it`);
    }
    if (force && out === undefined) throw new UsageError('--force goes with --out');
    if (out !== undefined && !existsSync(dirname(out))) {
      throw new UsageError(`--out ${out}: there is no folder ${dirname(out)}`);
    }
    const runs = await readComparedRuns(folders);
    const ignored = changeableSettings(runs);
    let comparison: Comparison;
    try {
      comparison = compareRuns(runs, { ignored, score, step, seed });
    } catch (error) {
      throw error instanceof RangeError ? new UsageError(error.message) : error;
    }
    if (out !== undefined) await replaceFileWith(out, (file) => file.writeFile(comparisonPage(comparison)));
    const written = out === undefined ? [] : ['', `written: ${out}`];
    const lines = json ? [JSON.stringify(comparison)] : [...comparisonLines(comparison), ...written];
    await writeResult(`${lines.join('\n')}\n`);
  });

await runCommand(command);

function scoreKind(text: string): ScoreKind {
  const kind = SCORES.find((known) => known === text);
  if (kind === undefined) throw new InvalidArgumentError(`It is ${SCORES.join(' or ')}.`);
  return kind;
}
