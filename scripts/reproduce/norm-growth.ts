import type { Command } from 'commander';
import { Option } from 'commander';
import { newCommand, wholeNumber, writeResult } from '../../src/cli/index.ts';
import { exitOnInterrupt } from '../../src/cli/interrupt.ts';
import { runsProgress } from '../../src/cli/runs-progress.ts';
import { columns } from '../../src/report/columns.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { describeMachine } from '../benchmark/machine.ts';
import { createExperiment, type Measurement, type OptimizerName } from './norm-growth/experiment.ts';
import { findingsOf } from './norm-growth/findings.ts';
import { makePlan, type Plan, runsOf } from './norm-growth/plan.ts';
import { FILES, makeReport, resultFiles, table } from './norm-growth/report.ts';
import { prepareResultsFolder, writeResults } from './results-folder.ts';

interface Options {
  optimizer: OptimizerName;
  steps: number;
  seeds: number;
  out: string;
  json?: true;
}

const MEASUREMENTS = 25;

export function normGrowthCommand(): Command {
  return newCommand(
    'norm-growth',
    'Trains a small network with and without weight normalisation over four decades of learning rates: how ||v|| ' +
      'grows, and how robust training is.',
  )
    .addOption(
      new Option('--optimizer <name>', 'plain gradient descent, or Adam').choices(['sgd', 'adam']).default('sgd'),
    )
    .option('--steps <updates>', 'updates of each run', wholeNumber(1, 1_000_000), 500)
    .option('--seeds <count>', 'runs of each setting, with seeds 1, 2, ...', wholeNumber(1, 1000), 3)
    .option(
      '--out <folder>',
      'where the results go: a new or empty folder, or one with earlier results of this command, which are replaced',
      'results/norm-growth',
    )
    .option('--json', 'print one JSON object with every number on standard output, and nothing else')
    .addHelpText(
      'after',
      `
Writes ${FILES.join(', ')}. The default takes less than a minute on 2 CPU cores; time grows with
--steps and --seeds. Ctrl-C ends it with exit code 130 and writes nothing.

Examples:
  reproduce norm-growth
  reproduce norm-growth --optimizer adam --out results/norm-growth-adam
  reproduce norm-growth --steps 2000 --seeds 10`,
    )
    .action(run);
}

async function run({ optimizer, steps, seeds, out, json }: Options): Promise<void> {
  exitOnInterrupt(); // nothing is written before the end
  await prepareResultsFolder(out, FILES);
  loadTensorFlow();
  const plan = makePlan({ optimizer, steps, seeds });
  const startMs = performance.now();
  const rows = await runAll(plan);
  const seconds = (performance.now() - startMs) / 1000;
  const findings = findingsOf(rows, plan);
  const report = makeReport(rows, { plan, findings, machine: describeMachine(), seconds });
  const files = await writeResults(out, resultFiles(report));
  const written = `Written in ${seconds.toFixed(0)} s: ${files.join(', ')}`;
  await writeResult(
    json
      ? `${JSON.stringify({ ...report, files })}\n`
      : `${[...columns(table(findings, plan)), '', ...report.found, '', written].join('\n')}\n`,
  );
}

async function runAll(plan: Plan): Promise<Measurement[]> {
  const runs = runsOf(plan);
  const progress = runsProgress(process.stderr, runs.length);
  const experiment = createExperiment({ ...plan, measurements: MEASUREMENTS });
  const startMs = performance.now();
  try {
    const rows: Measurement[] = [];
    for (const [done, run] of runs.entries()) {
      const { parameterisation, learningRate, batchSize, seed } = run;
      const left = done > 0 ? ((performance.now() - startMs) / 1000 / done) * (runs.length - done) : undefined;
      const what = `${parameterisation}, learning rate ${learningRate}, minibatch ${batchSize}, seed ${seed}`;
      progress.update(done, what, left);
      rows.push(...(await experiment.run(run)));
    }
    return rows;
  } finally {
    progress.stop();
    experiment.dispose();
  }
}
