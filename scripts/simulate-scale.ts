import { kebab, newCommand, numberIn, runCommand, UsageError, wholeNumber, writeResult } from '../src/cli/index.ts';
import { type Parts, simulate } from './scale/simulate.ts';

const WORKERS = [1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000];
const NETWORK_OPTIONS = ['roundTripMs', 'bytes', 'megabits'] as const;

const command = newCommand(
  'simulate-scale',
  'Says from the times of its parts how fast a run is with 1 to 1,000 workers, and what bounds it.',
)
  .option('--environments <count>', 'of each worker', wholeNumber(1, 1000), 4)
  .option('--worker-cores <count>', "of each worker's machine", wholeNumber(1, 1024), 4)
  .option('--emulator-ms <ms>', 'of a core, for one agent step of one environment', numberIn(1e-4, 1e5), 0.93)
  .option('--jitter <share>', "standard deviation of a worker's time for a step, as a share of it", numberIn(0, 2), 0.1)
  .option('--round-trip-ms <ms>', 'of the network', numberIn(0, 1e4), 0.3)
  .option('--bytes <count>', 'of one environment in a step', wholeNumber(1), 7100)
  .option('--megabits <count>', "a second, of the trainer's network card", numberIn(0.01, 1e7), 1000)
  .option('--update-ms <ms>', 'of one update', numberIn(1e-4, 1e6), 11)
  .option('--update-period <agent steps>', 'from one update to the next', numberIn(0.01, 1e6), 4)
  .option('--acting-ms <ms>', 'of one choice of actions, besides each state', numberIn(0, 1e5), 1.3)
  .option('--acting-state-ms <ms>', 'of each state in it', numberIn(0, 1e5), 0.3)
  .option('--shared', 'one worker on the machine that learns, with its cores: they take turns')
  .option('--json', 'print one JSON object on stdout, and nothing else')
  .addHelpText(
    'after',
    `
The defaults were measured on two cores of a processor with AVX2 (docs/several-machines.md). All environments step
together, as in train-agent, and learning goes on meanwhile; "asynchronous" is what actors that wait for nobody would
reach.

Examples:
  simulate-scale
  simulate-scale --update-ms 0.5 --acting-ms 0.2 --acting-state-ms 0.002
  simulate-scale --shared --worker-cores 2`,
  );

interface Options extends Omit<Parts, 'isShared'> {
  shared?: true;
  json?: true;
}

command.action(async ({ json, shared, ...options }: Options) => {
  for (const name of shared ? NETWORK_OPTIONS : []) {
    if (command.getOptionValueSource(name) === 'cli') {
      throw new UsageError(`--${kebab(name)} does nothing with --shared: there is no network`);
    }
  }
  const parts: Parts = { ...options, isShared: shared ?? false };
  const rows = (shared ? [1] : WORKERS).map((workers) => ({ workers, ...simulate(parts, workers) }));
  if (json) {
    await writeResult(`${JSON.stringify({ parts, rows })}\n`);
    return;
  }
  const cells = rows.map(({ workers, stepsPerSecond, bound, emulatorShare, asynchronousStepsPerSecond }) => [
    String(workers),
    count(stepsPerSecond),
    bound,
    `${Math.round(100 * emulatorShare)} %`,
    count(asynchronousStepsPerSecond),
  ]);
  const head = ['workers', 'agent steps/s', 'bound by', 'emulators busy', 'asynchronous'];
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column].length)));
  const line = (row: string[]) => row.map((cell, column) => cell.padStart(widths[column])).join('  ');
  await writeResult(`${[head, ...cells].map(line).join('\n')}\n`);
});

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

await runCommand(command);
