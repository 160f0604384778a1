import { writeSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { SidecarDiedError, SidecarError } from 'gymnasium-js-bridge';

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

/**
 * Errors that say what the user did or has: they end with exit code 2. Matched by name, so that a library need not know
 * of the command line.
 */
const USER_ERRORS = new Set([
  'UsageError',
  'DamagedFileError',
  'UnknownEnvError',
  'EnvOptionsError',
  'SetupError',
  'RunFolderError',
  'MissingFileError',
  'UnsupportedEnvError',
  'SidecarStartError',
]);

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
    await command.parseAsync(argv);
  } catch (error) {
    const isHelp = error instanceof CommanderError && error.exitCode === 0; // --help, --version
    if (!isHelp) fail(command, error, argv.includes('--debug'));
  }
  ended = true;
}

function fail(command: Command, error: unknown, debug: boolean): void {
  process.exitCode = error instanceof CommanderError || isUserError(error) ? 2 : 1;
  process.stderr.write(`${command.name()}: ${oneLine(error)}\n`);
  if (!debug || !(error instanceof Error)) return;
  process.stderr.write(`${detailsOf(error)}\n`);
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
    process.stdout.write(text, resolve);
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

/** A path or other word as a shell takes it: lines that are to be pasted must survive spaces and quotes. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The entry of `names` nearest to `name`, where one is near enough to be meant. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** ", did you mean NAME?" where a known name is near enough; else nothing. */
export function didYouMean(name: string, names: readonly string[]): string {
  const hint = nearest(name, names);
  return hint === undefined ? '' : `, did you mean ${hint}?`;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}

function isUserError(error: unknown): boolean {
  return error instanceof Error && USER_ERRORS.has(error.name);
}

function oneLine(error: unknown): string {
  const message =
    error instanceof SidecarError ? error.describe() : error instanceof Error ? error.message : String(error);
  return message
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
}
