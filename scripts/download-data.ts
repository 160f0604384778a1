import type { SingleBar } from 'cli-progress';
import { Argument } from 'commander';
import { makeGivenFolder, newCommand, runCommand, UsageError } from '../src/cli/index.ts';
import { onInterrupt } from '../src/cli/interrupt.ts';
import { newBar } from '../src/cli/progress.ts';
import { DATASETS, type DatasetName, DEFAULT_DATA_DIR, downloadDataset } from '../src/datasets/datasets.ts';

const PLAIN_PERIOD_MS = 5_000;

const command = newCommand(
  'download-data',
  'Downloads a data set and verifies it. Run again, it goes on where it stopped.',
)
  .addArgument(new Argument('<data set>', 'which').choices(Object.keys(DATASETS)))
  .option('--data-dir <folder>', 'where the files go', DEFAULT_DATA_DIR)
  .option('--url <address>', 'another folder on the web that has the files')
  .addHelpText(
    'after',
    `
Data sets:
${Object.entries(DATASETS)
  .map(([name, { about, url }]) => `  ${name.padEnd(9)}${about}\n${' '.repeat(11)}from ${url}`)
  .join('\n')}`,
  );

command.action(async (dataset: DatasetName, { dataDir, url }: { dataDir: string; url?: string }) => {
  if (url !== undefined && !(URL.canParse(url) && /^https?:$/.test(new URL(url).protocol))) {
    throw new UsageError(`--url ${url}: give an address that begins with http:// or https://`);
  }
  await makeGivenFolder('--data-dir', dataDir);
  const signal = onInterrupt(() => {});
  const progress = newProgress(process.stderr);
  try {
    await downloadDataset({
      dataset,
      dataDir,
      url,
      signal,
      onProgress: progress.update,
      onRetry: progress.note,
      onFile: (path, downloaded) =>
        progress.note(`${path}: ${downloaded ? 'downloaded and verified' : 'there already, verified'}`),
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    progress.note((error as Error).message);
    process.exitCode = 130;
  } finally {
    progress.stop();
  }
});

/** A bar where `stream` is a terminal, else a plain line every five seconds. */
function newProgress(stream: NodeJS.WriteStream) {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  let printedMs = performance.now();
  let bar: SingleBar | undefined;
  const line = (file: string, bytes: number, total: number | undefined) =>
    `${file} | ${megabytes(bytes)} ${total === undefined ? '' : `of ${megabytes(total)} `}MB`;
  const stop = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    update: (file: string, bytes: number, total: number | undefined) => {
      if (stream.isTTY) {
        if (!bar) {
          bar = newBar(stream, '{bar} {percentage} % | {line}');
          bar.start(total ?? bytes, 0, { line: '' });
        }
        bar.setTotal(total ?? bytes);
        bar.update(bytes, { line: line(file, bytes, total) });
      } else if (performance.now() - printedMs > PLAIN_PERIOD_MS) {
        printedMs = performance.now();
        stream.write(`${line(file, bytes, total)}\n`);
      }
    },
    note: (text: string) => {
      stop();
      stream.write(`${text}\n`);
    },
    stop,
  };
}

await runCommand(command);
