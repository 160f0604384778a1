import { writeSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import {
  EnvOptionsError,
  SidecarDiedError,
  SidecarError,
  SidecarStartError,
  UnknownEnvError,
  UnsupportedEnvError,
} from 'gymnasium-js-bridge';
import { DamagedFileError, MissingFileError } from '../files/errors.ts';
import { RayAddressError, RayClusterError } from '../jobs/ray/errors.ts';
import { DivergedError, InterruptedError, RunFolderError } from '../runs/errors.ts';
import { PrecisionError } from '../runtime/bfloat16.ts';
import { describeProblem, SettingError, spellSettings } from '../settings/index.ts';
import { printable, say } from './printable.ts';
import { optionName } from './schema-options.ts';

/** The user asked for something impossible: one line, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A command whose faults are one line each; `runCommand` runs it. */
export function newCommand(name: string, about: string): Command {
  return new Command(name)
    .description(about)
    .exitOverride()
    .showSuggestionAfterError(true)
    .option('--debug', 'where something fails, print its stack or Python traceback too')
    .configureOutput({ writeErr: () => {} }) // runCommand prints the one line
    .configureHelp({ helpWidth: Math.min(process.stdout.columns ?? 100, 120) });
}

/** Errors that say what the user did or has: they end with exit code 2. */
const USER_ERRORS = [
  UsageError,
  SettingError,
  RunFolderError,
  DamagedFileError,
  MissingFileError,
  PrecisionError,
  RayAddressError,
  RayClusterError,
  EnvOptionsError,
  UnknownEnvError,
  UnsupportedEnvError,
  SidecarStartError,
];
/** As a shell says that Ctrl-C has ended a program. */
export const INTERRUPTED = 130;

/**
 * Parses the command line and runs the command. Bad input ends with one line on stderr and exit code 2, anything else
 * that fails with one line and exit code 1 (with --debug its stack follows). A command that comes to no end at all,
 * such as one that waits for something that never comes, ends with exit code 1 too.
 */
export async function runCommand(command: Command, argv = process.argv): Promise<void> {
  survivePipes();
  let ended = false;
  process.once('exit', (code) => {
    // 13: Node's own code for a module that still waits when nothing can happen any more.
    if (ended || (code !== 0 && code !== 13)) return;
    process.exitCode = 1;
    writeLast(`${command.name()}: ended without a result, waiting for something that never came: please report this\n`);
  });
  try {
    checkWorkingFolder();
    await command.parseAsync(argv);
  } catch (error) {
    const isHelp = error instanceof CommanderError && error.exitCode === 0; // --help, --version
    if (!isHelp) fail(command, error, argv.includes('--debug'));
  }
  ended = true;
}

/** Without one nothing that is named by a relative path can be found, and Node.js fails in many ways. */
function checkWorkingFolder(): void {
  try {
    process.cwd();
  } catch {
    throw new UsageError('the working folder has been deleted: go to another one with cd');
  }
}

function fail(command: Command, error: unknown, debug: boolean): void {
  process.exitCode = exitCodeOf(error);
  say(`${command.name()}: ${oneLine(error)}`);
  if (!debug || !(error instanceof Error)) return;
  say(detailsOf(error));
}

/** The traceback of an exception in Python, what a sidecar said before it ended, or the stack of an error here. */
function detailsOf(error: Error): string {
  if (error instanceof SidecarError && error.traceback !== '') return error.traceback;
  if (error instanceof SidecarDiedError && error.stderr.length > 0) return error.stderr.join('\n');
  return error.stack ?? error.message;
}

/**
 * Output that cannot be written (`| head`, `| tee` after Ctrl-C, a closed terminal, a full disk) must not end the work.
 */
function survivePipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

/** Writes to stderr while the process exits, where only what is done at once is done. */
function writeLast(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // Nobody listens any more.
  }
}

/**
 * Writes a command's result to standard output. A reader that has enough (`| head`) is no fault.
 * @throws Error where it cannot be written, for instance because the disk is full: the command must not end with 0
 *   then.
 */
export async function writeResult(text: string): Promise<void> {
  const error = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => {
    process.stdout.write(printable(text), resolve);
  });
  if (error && error.code !== 'EPIPE') {
    throw new Error(`the result cannot be written to standard output (${error.code ?? error.message})`);
  }
}

/** Parses a whole number of at least `minimum`, for commander's options. */
export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < minimum || value > maximum) {
      const range = maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
      throw new InvalidArgumentError(`It takes a whole number ${range}.`);
    }
    return value;
  };
}

/** Parses a number in [minimum, maximum], for commander's options. */
export function numberIn(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= minimum && value <= maximum)) {
      throw new InvalidArgumentError(`It takes a number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

/** Parses the path of a file or folder, for commander's options. */
export function path(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It takes a path, which cannot be empty.');
  return text;
}

/** A path or other word as a shell takes it: lines that are to be pasted must survive spaces and quotes. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof InterruptedError) return INTERRUPTED;
  return error instanceof CommanderError || USER_ERRORS.some((kind) => error instanceof kind) ? 2 : 1;
}

function oneLine(error: unknown): string {
  return messageOf(error)
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
}

/** The message, with settings spelled as options. */
function messageOf(error: unknown): string {
  if (error instanceof SidecarError) return error.describe();
  if (error instanceof SettingError) return describeProblem(error, optionName);
  if (error instanceof DivergedError) return spellSettings(error.text, optionName);
  return error instanceof Error ? error.message : String(error);
}
