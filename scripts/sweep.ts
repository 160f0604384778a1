import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { changeableSettings, findAgent } from '../agents/registry.ts';
import {
  makeGivenFolder,
  newCommand,
  path,
  runCommand,
  say,
  shellWord,
  UsageError,
  wholeNumber,
  writeResult,
} from '../src/cli/index.ts';
import { onInterrupt } from '../src/cli/interrupt.ts';
import {
  addJobOptions,
  checkJobOptions,
  clusterOf,
  executorOf,
  handledByCluster,
  type JobOptions,
  jobOptionsLine,
  writeStates,
} from '../src/cli/job-options.ts';
import { runsProgress } from '../src/cli/runs-progress.ts';
import {
  type ComparedRun,
  type Comparison,
  compareRuns,
  comparisonLines,
  comparisonPage,
  readComparedRun,
} from '../src/comparison/index.ts';
import { replaceFileWith } from '../src/files/atomic.ts';
import { FileError, isSystemError } from '../src/files/errors.ts';
import { runJobs, stateOf } from '../src/jobs/index.ts';
import { commandLine } from '../src/runtime/native-packages.ts';
import { planSweep } from '../src/sweep/index.ts';

interface Options extends JobOptions {
  out?: string;
  only?: number;
  dryRun?: true;
  json?: true;
}

const command = newCommand('sweep', 'Trains agents x environments x seeds x settings, and compares the runs.')
  .argument('<file>', 'what to train, as YAML or JSON, see below', path)
  .option('--out <folder>', 'runs and the report go there (default: runs/ and the name of the file)', path)
  .option('--only <number>', 'this run alone, counted from 1 as --dry-run lists them, and no report', wholeNumber(1))
  .option('--dry-run', 'list the runs and how far they are, and stop')
  .option('--json', 'print one JSON object on stdout, and nothing else')
  .addHelpText(
    'after',
    `
The file:
  agents: [dqn, {agent: dqn, preset: dopamine, settings: {nStep: 3}}]
  games: [Breakout, Pong]            # or envIds: [CartPole-v1]
  seeds: 3                           # 1, 2, 3; or a list
  preset: fast                       # of agents that name none
  settings: {steps: 500000, evaluationPeriodSteps: 50000}
  vary: {normalization: [none, weight]}  # every combination

Settings are spelled as in config.json: learningRate is --learning-rate. Runs are made once, at the lowest priority: the
same command, given again after Ctrl-C or anything else, goes on; more steps in the file lengthen the runs.

Examples:
  sweep sweep.yaml
  sweep sweep.yaml --jobs 4 --out runs/normalizations
  sweep sweep.yaml --only $SLURM_ARRAY_TASK_ID
  sweep sweep.yaml --out /shared/runs --ray http://head:8265 --remote-dir /shared/weightnorm-rl`,
  )
  .action(async (file: string, { out = join('runs', basename(file).replace(/\.[^.]+$/, '')), ...options }: Options) => {
    const { only, dryRun, json } = options;
    checkJobOptions(options);
    if (dryRun && (options.detach || options.logs !== undefined)) {
      throw new UsageError(`--dry-run and ${options.detach ? '--detach' : '--logs'} exclude each other`);
    }
    const all = planSweep(await readSweep(file), file, findAgent);
    if (only !== undefined && only > all.length) {
      throw new UsageError(`--only ${only}: ${file} has ${all.length} ${all.length === 1 ? 'run' : 'runs'}`);
    }
    const jobs = only === undefined ? all : [all[only - 1]];
    const cluster = await clusterOf(options, out);
    if (dryRun && cluster !== undefined) return writeStates(cluster, jobs, { runsPath: out, json: json ?? false });
    if (dryRun) {
      const runs = await Promise.all(
        jobs.map(async (job) => ({ run: join(out, job.name), state: await stateOf(job, out) })),
      );
      const lines = json ? [JSON.stringify({ runs })] : runs.map(({ run, state }) => `${state.padEnd(9)} ${run}`);
      await writeResult(`${lines.join('\n')}\n`);
      return;
    }
    await makeGivenFolder('--out', out);
    if (await handledByCluster(cluster, jobs, { runsPath: out, options, json: json ?? false })) return;
    const signal = onInterrupt(() => say('stopping: runs save their checkpoints (Ctrl-C again stops at once)'));
    const { interrupted, failures } = await runJobs(jobs, {
      ...{ runsPath: out, signal, note: say, executor: executorOf(cluster, { ...options, nice: true }) },
      progressOf: (total) => runsProgress(process.stderr, total),
    });
    if (interrupted) {
      const number = only === undefined ? '' : ` --only ${only}`;
      const again = `${shellWord(file)} --out ${shellWord(out)}${number}${jobOptionsLine(options)}`;
      say(`stopped; go on with: ${commandLine('sweep', again)}`);
      process.exitCode = 130;
      return;
    }
    if (only !== undefined) {
      const run = join(out, jobs[0].name);
      await writeResult(json ? `${JSON.stringify({ runs: [run], failures })}\n` : `${failures[jobs[0].name] ?? run}\n`);
      if (Object.keys(failures).length > 0) process.exitCode = 1;
      return;
    }
    const finished = jobs.map(({ name }) => name).filter((name) => !(name in failures));
    const runs = await Promise.all(finished.map((name) => readComparedRun(join(out, name))));
    const comparison = runs.length === 0 ? undefined : compare(runs, failures);
    const report = join(out, 'report.html');
    if (comparison !== undefined) await replaceFileWith(report, (page) => page.writeFile(comparisonPage(comparison)));
    const failed = Object.entries(failures);
    const lines = json
      ? [JSON.stringify({ runs: finished.map((name) => join(out, name)), failures, report, comparison })]
      : [
          ...(comparison === undefined ? [] : [...comparisonLines(comparison), '']),
          ...failed.map(([name, reason]) => `failed: ${name}: ${reason}`),
          ...(comparison === undefined ? [] : [`written: ${report}`]),
        ];
    await writeResult(`${lines.join('\n')}\n`);
    if (failed.length > 0) process.exitCode = 1;
  });

addJobOptions(command, '--out');
await runCommand(command);

/** Notes in `failures` why there is none. */
function compare(runs: readonly ComparedRun[], failures: Record<string, string>): Comparison | undefined {
  const ignored = changeableSettings(runs);
  try {
    return compareRuns(runs, { ignored });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    failures.comparison = error.message;
    return undefined;
  }
}

async function readSweep(file: string): Promise<unknown> {
  try {
    return parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (isSystemError(error)) throw new UsageError(new FileError(file, 'cannot be read', error).message);
    if (!(error instanceof YAMLParseError)) throw error;
    throw new UsageError(`${file}: ${error.message.split('\n')[0].replace(/:$/, '')}`);
  }
}
