import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import {
  makeGivenFolder,
  newCommand,
  say,
  shellWord,
  UsageError,
  wholeNumber,
  writeResult,
} from '../../src/cli/index.ts';
import { onInterrupt } from '../../src/cli/interrupt.ts';
import {
  addJobOptions,
  checkJobOptions,
  clusterOf,
  executorOf,
  handledByCluster,
  type JobOptions,
  jobOptionsLine,
} from '../../src/cli/job-options.ts';
import { runsProgress } from '../../src/cli/runs-progress.ts';
import { hasCifar10 } from '../../src/datasets/cifar10.ts';
import { DEFAULT_DATA_DIR } from '../../src/datasets/index.ts';
import { runJobs, stateOf } from '../../src/jobs/index.ts';
import { columns } from '../../src/report/columns.ts';
import { reportPage, resultsPage } from '../../src/report/html.ts';
import { describeMachine } from '../benchmark/machine.ts';
import { BUDGETS, type Budget, type Choice, type Part } from './part.ts';
import { BUDGET_NOTES, makeSection } from './report.ts';
import { writeResults } from './results-folder.ts';

interface Options extends JobOptions {
  budget: Budget;
  seeds?: number;
  dataDir: string;
  out: string;
  json?: true;
}

/** The command that makes some parts of the paper, in one report. */
export function partsCommand(name: string, about: string, parts: readonly Part[]): Command {
  const command = newCommand(name, `Reproduces ${about}.`)
    .addOption(new Option('--budget <name>', 'how much to spend, see below').choices(BUDGETS).default('quick'))
    .option(
      '--seeds <count>',
      'runs of each setting, with seeds 1, 2, ... (default: as the budget says)',
      wholeNumber(1, 1000),
    )
    .option('--data-dir <folder>', 'where CIFAR-10 lies, for the parts that need it', DEFAULT_DATA_DIR)
    .option('--out <folder>', 'runs and reports go to the folder of the budget below it', 'results')
    .option('--json', 'print one JSON object with every number on standard output, and nothing else')
    .addHelpText(
      'after',
      `
Budgets:
  quick   tiny sizes, to see that everything runs: all parts take some 6 minutes on 2 cores
  hours   reduced sizes, three seeds (of the agents one, three on Enduro): all parts take some hours on 2 cores
  full    the paper's sizes, one seed: days to months without a GPU

Runs lie in OUT/BUDGET/runs and are made once: the same command, given again after Ctrl-C or anything else, goes on.

Examples:
  reproduce ${name}
  reproduce ${name} --budget hours --data-dir data`,
    )
    .action((options: Options) => reproduce(name, parts, options));
  return addJobOptions(command, '--out');
}

async function reproduce(name: string, wanted: readonly Part[], { json, out, ...options }: Options): Promise<void> {
  const { budget, seeds, ray } = options;
  checkJobOptions(options);
  // Jobs elsewhere have another working folder.
  const [folder, dataDir] = [join(out, budget), options.dataDir].map((path) =>
    ray === undefined ? path : resolve(path),
  );
  const choice: Choice = { budget, dataDir, seeds, folder, runsPath: join(folder, 'runs') };
  const ofBudget = wanted.filter((part) => part.budgets.includes(budget));
  const lacks = (part: Part) => part.needsCifar10 && !hasCifar10(dataDir);
  const [parts, leftOut] = [ofBudget.filter((part) => !lacks(part)), ofBudget.filter(lacks)];
  const why =
    `needs CIFAR-10, and --data-dir ${dataDir} has none: run "npm run download-data -- cifar10 --data-dir ` +
    `${dataDir}", or name the folder that has it`;
  if (parts.length === 0) throw new UsageError(`${name} ${why}`);
  const cluster = await clusterOf(options, choice.runsPath);
  await makeGivenFolder('--out', choice.runsPath);

  const note = say;
  note(BUDGET_NOTES[budget]);
  const leftOutNotes = leftOut.map((part) => `left out: ${part.name} ${why}`);
  leftOutNotes.forEach(note);
  const jobs = parts.flatMap((part) => part.jobs(choice));
  if (await handledByCluster(cluster, jobs, { runsPath: choice.runsPath, options, json: json ?? false })) return;
  const signal = onInterrupt(() => note('stopping: the run under way saves a checkpoint (Ctrl-C again stops at once)'));
  const command = commandLine(name, { out, ...options });
  const { interrupted, failures } = await runJobs(jobs, {
    ...{ runsPath: choice.runsPath, executor: executorOf(cluster, options), signal, note },
    progressOf: (total) => runsProgress(process.stderr, total),
  });
  if (interrupted) {
    note(`stopped; go on with: ${command}`);
    process.exitCode = 130;
    return;
  }

  const finished = new Set<string>();
  for (const job of jobs) if ((await stateOf(job, choice.runsPath)) === 'finished') finished.add(job.name);
  const machine = describeMachine();
  const told = [];
  for (const part of parts) {
    const results = await part.results(choice, finished);
    if (results === undefined) continue;
    told.push({ part, results, section: await makeSection(part, results, { choice, machine, command }) });
  }
  const failureNotes = Object.entries(failures).map(([run, reason]) => `failed: ${run}: ${reason}`);
  const notes = [...leftOutNotes, ...failureNotes];
  const sections = told.map(({ section }) => section);
  const html =
    sections.length === 1 && notes.length === 0
      ? resultsPage(sections[0])
      : reportPage(
          'Weight normalisation: results of Salimans & Kingma 2016',
          [`${BUDGET_NOTES[budget]}.`, ...notes],
          sections,
        );
  const files = await writeResults(folder, { [`${name}.html`]: html });

  if (json) {
    const results = Object.fromEntries(
      told.map(({ part, results, section }) => [part.name, { ...results, found: section.found }]),
    );
    for (const entry of Object.values(results)) delete entry.figure; // it is in the report
    const answer = {
      reproduces: name,
      ...options,
      machine,
      parts: results,
      leftOut: leftOut.map((part) => part.name),
      failures,
      command,
      runs: choice.runsPath,
      files,
    };
    await writeResult(`${JSON.stringify(answer)}\n`);
  } else {
    for (const { title, tables, found } of sections) {
      await writeResult(`${[title, '', ...columns(tables[0].rows), '', ...found, ''].join('\n')}\n`);
    }
    await writeResult(`${[...notes, `Written: ${files.join(', ')}`].join('\n')}\n`);
  }
  if (failureNotes.length > 0) process.exitCode = 1;
  if (leftOut.length > 0) process.exitCode = 2;
}

function commandLine(name: string, { budget, seeds, dataDir, out, ...options }: Options): string {
  return (
    [
      `npm run reproduce -- ${name} --budget ${budget}`,
      ...(seeds === undefined ? [] : [`--seeds ${seeds}`]),
      ...(dataDir === DEFAULT_DATA_DIR ? [] : [`--data-dir ${shellWord(dataDir)}`]),
      ...(out === 'results' ? [] : [`--out ${shellWord(out)}`]),
    ].join(' ') + jobOptionsLine(options)
  );
}
