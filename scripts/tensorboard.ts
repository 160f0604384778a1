import { statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { newCommand, path, runCommand, say, shellWord, UsageError, wholeNumber } from '../src/cli/index.ts';
import { onInterrupt } from '../src/cli/interrupt.ts';
import { ownPython } from '../src/cli/own-environment.ts';
import { killGroup, startChild } from '../src/jobs/child-process.ts';

const command = newCommand(
  'tensorboard',
  'Shows runs in TensorBoard, which is installed when it is first asked for (some 150 MB, in .tensorboard).',
)
  .argument('[folder]', 'a run folder, or a folder with run folders', path, 'runs')
  .option(
    '--port <number>',
    'of the page, on this machine alone (default: 6006, or the next one that is free)',
    wholeNumber(1, 65_535),
  )
  .addHelpText(
    'after',
    `
Scalars of all metrics over agent steps or updates; hyperparameters; pictures of supervised runs; and where an agent was
diagnosed (--diagnostics-period-steps) histograms of ||v|| and g by layer, and states that it saw. Ctrl-C ends it.

Examples:
  tensorboard
  tensorboard runs/Enduro-fast-seed1 --port 7000`,
  );

command.action(async (folder: string, { port }: { port?: number }) => {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`${shellWord(folder)} is no folder: give a run folder, or a folder with run folders`);
  }
  const signal = onInterrupt(() => {});
  const python = await ownPython('tensorboard.mjs', 'TensorBoard', signal);
  const options = ['--logdir', folder, '--host', '127.0.0.1', ...(port === undefined ? [] : ['--port', `${port}`])];
  const viewer = startChild(python, ['-m', 'tensorboard.main', ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  let lastLine = '';
  for (const stream of [viewer.stdout!, viewer.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => {
      const [, address] = /^TensorBoard \S+ at (http:\S+)/.exec(line) ?? [];
      if (address !== undefined) say(`TensorBoard shows ${folder} at ${address}; Ctrl-C ends it`);
      else if (line.trim() !== '') lastLine = line;
    });
  }
  const ending = await new Promise<string>((resolve) => {
    viewer.once('error', (error) => resolve(error.message));
    viewer.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  if (signal.aborted) return killGroup(viewer); // that is how one ends it
  const inUse = /port (\d+).*in use/.exec(lastLine)?.[1];
  if (inUse !== undefined) throw new UsageError(`--port ${inUse} is in use: give another one, or none`);
  throw new Error(`TensorBoard ended (${ending}): ${lastLine}`);
});

await runCommand(command);
