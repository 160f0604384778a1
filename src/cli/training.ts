// What the commands that train have in common.
import type { Command } from 'commander';
import { duration } from '../report/duration.ts';
import { InterruptedError } from '../runs/errors.ts';
import type { Run, RunSummary } from '../runs/run.ts';
import type { Tracker } from '../runs/tracker.ts';
import type { RunStep, Unit } from '../runs/trainable.ts';
import { commandLine } from '../runtime/native-packages.ts';
import { loadTensorFlow } from '../runtime/tensorflow.ts';
import { path, shellWord, UsageError, wholeNumber, writeResult } from './command.ts';
import { onInterrupt } from './interrupt.ts';
import { printable, say } from './printable.ts';
import { type ProgressDisplay, progressDisplay, showProgress } from './progress.ts';
import { viewBeside } from './view-beside.ts';

/** The options of every command that trains, beside its settings. */
export interface TrainingOptions {
  runDir?: string;
  resume?: true;
  forceUnlock?: true;
  checkpoint?: number;
  printConfig?: true;
  json?: true;
  view?: true;
}

/** Adds the options of every command that trains. @param defaultRunDir In words, such as `runs/<task>-seed<seed>`. */
export function addTrainingOptions(command: Command, defaultRunDir: string): Command {
  return command
    .option('--run-dir <folder>', `where the run is written (default: ${defaultRunDir})`, path)
    .option('--resume', 'continue the run in --run-dir from its newest checkpoint')
    .option('--checkpoint <step>', 'with --resume: go back to the checkpoint of this step', wholeNumber(0))
    .option('--force-unlock', "with --resume: take the run folder's lock from a process that is gone for certain")
    .option('--view', 'show the run in a page on this machine while it trains, and print its address')
    .option('--print-config', 'print the settings that would be used, as JSON, and stop')
    .option('--json', 'print the result as one JSON object on stdout, and nothing else');
}

/**
 * Refuses options that do not go together.
 * @param choices Options that choose what a new run is, such as `--preset`, with their values.
 * @throws UsageError
 */
export function checkTrainingOptions(
  { runDir, resume, forceUnlock, checkpoint, printConfig, view }: TrainingOptions,
  choices: Readonly<Record<string, string | undefined>>,
): void {
  if (view && printConfig) throw new UsageError('--view: --print-config starts no run that could be seen');
  if (!resume) {
    if (checkpoint !== undefined) throw new UsageError(`--checkpoint ${checkpoint} goes with --resume`);
    if (forceUnlock) throw new UsageError('--force-unlock goes with --resume: a new run has no lock');
    return;
  }
  if (runDir === undefined) throw new UsageError('--resume needs the folder of the run: --run-dir FOLDER');
  for (const [option, value] of Object.entries(choices)) {
    if (value !== undefined) throw new UsageError(`${option} ${value}: a resumed run keeps its settings`);
  }
  if (printConfig) throw new UsageError(`--print-config: the settings of a run are in ${runDir}/config.json`);
}

/** What a command hands to the run that it makes. */
export interface TrainingContext {
  /** Aborted when the user asks to stop. */
  readonly signal: AbortSignal;
  /** Tells the user something, a line each. */
  readonly note: (line: string) => void;
  /** Shows progress. */
  readonly tracker: Tracker<RunStep>;
  /** Is called before the first step; `line` says what is about to begin. */
  readonly begin: (line: string, position: number, total: number, unit: Unit) => void;
}

/** The words of one command that trains. */
export interface TrainingWords {
  /** The command, and the one that evaluates its runs. */
  readonly command: string;
  readonly evaluate: string;
  /** What came out, in words. */
  readonly result: (summary: RunSummary) => string;
  /** Where it ended, in words, such as "agent step 1000". */
  readonly where: (summary: RunSummary) => string;
  /** The result for machines. */
  readonly json: (summary: RunSummary) => object;
}

/**
 * Goes through a run with a progress display, and says at the end what came of it and what to do next.
 * @param make Makes the run.
 */
export async function runTraining<S extends RunStep>(
  folder: string,
  words: TrainingWords,
  { json, view }: TrainingOptions,
  make: (context: TrainingContext) => Promise<Run<S>>,
): Promise<void> {
  const { version, device } = loadTensorFlow();
  let display: ProgressDisplay | undefined;
  let endView: (() => void) | undefined;
  const note = (line: string) => (display ? display.note(line) : say(line));
  note(`TensorFlow ${version} on ${device}`);
  const signal = onInterrupt(() => note('stopping: saving a checkpoint (Ctrl-C again stops at once)'));
  const shown: ProgressDisplay = {
    update: (done, parts) => display?.update(done, parts),
    note,
    stop: () => display?.stop(),
  };
  const run = await make({
    signal,
    note,
    tracker: { ...showProgress(shown), onCheckpoint: (path) => void note(`checkpoint ${path}`) },
    begin(line, position, total, unit) {
      note(line);
      display = progressDisplay(process.stderr, { done: position, total, unit: unit.plural });
      if (view) endView = viewBeside(folder, note);
    },
  });
  try {
    const summary = await run.finish();
    display?.stop();
    if (json) {
      await writeResult(`${JSON.stringify({ run: folder, ...words.json(summary) })}\n`);
      return;
    }
    const { interrupted, wallSeconds, checkpoint } = summary;
    // Words about it: the result itself is in the folder, whether anybody can read this or not.
    process.stdout.write(
      printable(
        `${interrupted ? 'Stopped' : 'Finished'} at ${words.where(summary)} after ${duration(wallSeconds)}: ` +
          `${words.result(summary)}.\nCheckpoint: ${checkpoint}\n` +
          (interrupted
            ? `Continue with: ${commandLine(words.command, `--run-dir ${shellWord(folder)} --resume`)}\n`
            : `Evaluate with: ${commandLine(words.evaluate, `--run ${shellWord(folder)}`)}\n`),
      ),
    );
  } catch (error) {
    if (error instanceof InterruptedError) note(error.message);
    throw error;
  } finally {
    endView?.();
    display?.stop();
  }
}
