import { Argument } from 'commander';
import { newCommand, numberIn, runCommand, UsageError, wholeNumber, writeResult } from '../src/cli/index.ts';
import { exitOnInterrupt } from '../src/cli/interrupt.ts';
import type { PrepareOptions } from './benchmark/plan.ts';
import { formatReport } from './benchmark/report.ts';
import { benchmarks, compare, watchMemory } from './benchmark/run.ts';

const WITH_PEERS = new Set(['learner', 'cifar10', 'end-to-end']);
const names = [...Object.keys(benchmarks), 'memory'];
const MEMORY_ABOUT =
  'tensors and resident memory over many updates of the agent on Enduro; exit code 1 where they grow';

const command = newCommand(
  'benchmark',
  'Measures how fast the parts are, and against what. Variants take turns in one process run.',
)
  .addArgument(new Argument('<what>', 'the part').choices(names))
  .option('--json', 'print one JSON object on standard output, and nothing else')
  .option(
    '--peers',
    "also measure PyTorch (learner, cifar10), Stable-Baselines3 and CleanRL's algorithm (end-to-end); installs " +
      'them into .venv-peers, 4.3 GB',
  )
  .option(
    '--rounds <count>',
    `rounds, in each of which every variant has a turn (default: ${defaults('rounds')})`,
    wholeNumber(1, 100_000),
  )
  .option('--turn-seconds <seconds>', `length of a turn (default: ${defaults('turnSeconds')})`, numberIn(0.001, 3600))
  .option(
    '--seconds <seconds>',
    `no round begins later than this, but the first three do (default without --rounds: ${defaults('seconds')})`,
    numberIn(0, 1e6),
  )
  .option(
    '--width-multiplier <factor>',
    "cifar10: factor of the convolutions' filters (default: 1, the paper's network)",
    numberIn(0.02, 8),
  )
  .option('--updates <count>', 'memory: how many updates (default: 50000)', wholeNumber(100))
  .option('--batch-size <count>', 'memory: transitions in an update (default: 4)', wholeNumber(1, 4096))
  .addHelpText(
    'after',
    `
Parts:
${names.map((name) => `  ${name.padEnd(16)}${benchmarks[name]?.about ?? MEMORY_ABOUT}`).join('\n')}

A ratio is the quotient of two median times; its spread is that of the quotients within the rounds. docs/performance.md
says what each row means.

Examples:
  benchmark learner
  benchmark learner --peers --json
  benchmark cifar10 --peers --width-multiplier 0.25
  benchmark memory --updates 5000`,
  );

interface Options {
  json?: true;
  peers?: true;
  rounds?: number;
  turnSeconds?: number;
  seconds?: number;
  widthMultiplier?: number;
  updates?: number;
  batchSize?: number;
}

command.action(async (what: string, options: Options) => {
  checkOptions(what, options);
  exitOnInterrupt();
  const { json, peers = false, updates = 50_000, batchSize = 4, widthMultiplier } = options;
  if (peers && !WITH_PEERS.has(what)) note(`--peers adds nothing to "${what}"`);
  const closers: Parameters<PrepareOptions['defer']>[0][] = [];
  const prepareOptions = {
    peers,
    widthMultiplier,
    note,
    defer: (close: (typeof closers)[number]) => closers.push(close),
  };
  const printJson = (result: object) => writeResult(`${JSON.stringify(result, null, 1)}\n`);
  try {
    if (what === 'memory') {
      const print = (line: string) => (json ? process.stderr : process.stdout).write(`${line}\n`);
      const result = await watchMemory({ updates, batchSize }, prepareOptions, print);
      if (json) await printJson(result);
      if (!result.constant) process.exitCode = 1;
    } else {
      const { report, plan } = await compare(what, options, prepareOptions);
      if (json) await printJson(report);
      else await writeResult(formatReport(report, plan));
    }
  } finally {
    for (const close of closers.reverse()) await close();
  }
});

function checkOptions(
  what: string,
  { rounds, turnSeconds, seconds, widthMultiplier, updates, batchSize }: Options,
): void {
  const foreign = {
    ...(what !== 'cifar10' && { '--width-multiplier': widthMultiplier }),
    ...(what === 'memory'
      ? { '--rounds': rounds, '--turn-seconds': turnSeconds, '--seconds': seconds }
      : { '--updates': updates, '--batch-size': batchSize }),
  };
  for (const [option, value] of Object.entries(foreign)) {
    if (value !== undefined) throw new UsageError(`${option} ${value} does not go with "${what}": leave it out`);
  }
}

function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

function defaults(key: 'rounds' | 'turnSeconds' | 'seconds'): string {
  return Object.entries(benchmarks)
    .map(([name, benchmark]) => `${name} ${benchmark[key]}`)
    .join(', ');
}

await runCommand(command);
