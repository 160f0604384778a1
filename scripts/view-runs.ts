import { spawn } from 'node:child_process';
import { newCommand, path, runCommand, say, UsageError, wholeNumber, writeResult } from '../src/cli/index.ts';
import { onInterrupt } from '../src/cli/interrupt.ts';
import { writeRunReport } from '../src/summary/index.ts';
import { listRunFolders, startViewer, type Viewer, type ViewerOptions } from '../src/viewer/index.ts';

interface Options {
  port?: number;
  open?: true;
  trustModules?: true;
  report?: true;
  json?: true;
}

const command = newCommand('view-runs', 'Shows runs in a page on this machine, while they train and afterwards.')
  .argument('[folder]', 'a run, or a folder with runs in it or up to four folders below it', path, 'runs')
  .option('--port <port>', 'where the page is served, on 127.0.0.1 alone (default: one that is free)', portNumber)
  .option('--open', 'open the page in the browser')
  .option('--trust-modules', 'where an agent is watched, import the Python module that its run names as environment')
  .option('--report', 'write report.html into each run instead of serving the page')
  .option('--json', 'print the result as one JSON object on stdout, and nothing else')
  .addHelpText(
    'after',
    `
Only this machine can see the page; nothing is changed and nothing is sent. Ctrl-C ends it.
From another machine: ssh -L 8000:127.0.0.1:8000 HOST, with --port 8000 there.

Examples:
  view-runs
  view-runs runs/Enduro-fast-seed1 --open
  view-runs runs --report`,
  )
  .action(async (folder: string, { port, open, trustModules, report, json }: Options) => {
    if (report) {
      if (open || trustModules || port !== undefined) {
        throw new UsageError('--report serves no page: leave --port, --open and --trust-modules out');
      }
      await writeReports(folder, json === true);
      return;
    }
    const signal = onInterrupt(() => {});
    const viewer = await start({ folder, port, trustModules });
    const line = `The runs in ${folder} can be seen at ${viewer.address} (Ctrl-C ends this).`;
    await writeResult(`${json ? JSON.stringify({ folder, address: viewer.address }) : line}\n`);
    if (open) openInBrowser(viewer.address);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await viewer.close();
  });

await runCommand(command);

function portNumber(text: string): number {
  return wholeNumber(1, 65535)(text);
}

async function start(options: ViewerOptions): Promise<Viewer> {
  const { port } = options;
  try {
    return await startViewer(options);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new UsageError(`--port ${port}: another program has it; name another, or none`);
    if (code === 'EACCES') throw new UsageError(`--port ${port}: it is reserved; name one above 1023, or none`);
    throw error;
  }
}

async function writeReports(folder: string, json: boolean): Promise<void> {
  const { runs, damaged } = await listRunFolders(folder);
  const written: string[] = [];
  const failed = damaged.map(({ path: run, problem }) => `${run}: ${problem}`);
  for (const run of runs) {
    try {
      written.push(await writeRunReport(run));
    } catch (error) {
      failed.push((error as Error).message);
    }
  }
  if (written.length === 0 && failed.length === 0) throw new UsageError(`${folder} holds no run`);
  for (const line of failed) say(`view-runs: no report of ${line}`);
  if (failed.length > 0) process.exitCode = 2;
  const lines = json ? [JSON.stringify({ written, failed })] : written.map((file) => `written: ${file}`);
  if (lines.length > 0) await writeResult(`${lines.join('\n')}\n`);
}

function openInBrowser(address: string): void {
  const opener = spawn('xdg-open', [address], { stdio: 'ignore', detached: true });
  opener.once('error', () => say(`view-runs: --open: there is no xdg-open here; open ${address} yourself`));
  opener.unref();
}
