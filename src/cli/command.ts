import { Command, CommanderError, InvalidArgumentError } from 'commander';

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
    .configureOutput({ writeErr: () => {} }) // runCommand prints the one line
    .configureHelp({ helpWidth: Math.min(process.stdout.columns ?? 100, 120) });
}

/** Errors that say what the user did or has: they end with exit code 2. Matched by name, so that a library need not know of the command line. */
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
 * Parses the command line and runs the command. Bad input ends with one line on stderr and exit code 2, anything else that fails with one line and exit
 * code 1 (its stack with DEBUG set).
 */
export async function runCommand(command: Command, argv = process.argv): Promise<void> {
  // `command --help | head`: whoever read our output has enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  try {
    await command.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return; // --help, --version
    process.exitCode = error instanceof CommanderError || isUserError(error) ? 2 : 1;
    process.stderr.write(`${command.name()}: ${oneLine(error)}\n`);
    if (process.env.DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`);
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
  const message = error instanceof Error ? error.message : String(error);
  return message
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
}
