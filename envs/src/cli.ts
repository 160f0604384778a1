// The command `gymnasium-js-bridge`: keys for workers on other machines, and the workers themselves.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { resolve as resolvePath } from 'node:path';
import { parseArgs } from 'node:util';
import { BridgeError, EnvOptionsError } from './errors.ts';
import { findPython, sidecarFolder } from './python.ts';
import { callersPythonPath } from './sidecar-process.ts';
import { makeKeys } from './worker-keys.ts';

const HELP = `Usage: gymnasium-js-bridge keys FOLDER
       gymnasium-js-bridge worker --connect tcp://HOST:PORT --key-file FILE [--python FILE]

keys      makes new keys: FOLDER/trainer.key, which stays with whoever trains, and FOLDER/worker.key, which each machine
          with workers gets a copy of. Only their owner can read them; files that are there are never overwritten.
worker    runs environments for a trainer on another machine, which listens at that address: the port is open there, and
          none is here. Waits for the trainer, and for the next one when it has ended. Ctrl-C or SIGTERM ends it.

Options of worker:
  --connect ADDRESS   the trainer's: tcp://HOST:PORT
  --key-file FILE     the copy of worker.key, readable by its owner alone
  --python FILE       the Python to use, with the packages of the environments (default: as for local ones, that is
                      $GYMNASIUM_PYTHON, .venv/bin/python in a folder above, python3)

Exit code: 0 where it was asked to stop, 2 where an option, the key or the version will not do; 1 else.
`;

/** Signals that mean the end of a worker. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs the command. @param args Its words, without the command's own name. @returns The exit code. */
export async function main(args: string[]): Promise<number> {
  try {
    const [name, ...rest] = args;
    if (name === 'keys') return keys(rest);
    if (name === 'worker') return await worker(rest);
    if (name === '--help' || name === '-h') {
      process.stdout.write(HELP);
      return 0;
    }
    throw new EnvOptionsError(`${name === undefined ? 'no command' : `no command "${name}"`}: there are keys, worker`);
  } catch (error) {
    const isUsage =
      error instanceof BridgeError || String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE');
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(`gymnasium-js-bridge: ${text.replaceAll(/\s*\n\s*/g, ' ')}\n`);
    return isUsage ? 2 : 1;
  }
}

function keys(args: string[]): number {
  const { values, positionals } = parse(args, {});
  if (values.help) return help();
  const [folder, ...more] = positionals;
  if (folder === undefined || folder === '' || more.length > 0)
    throw new EnvOptionsError('keys takes one folder: gymnasium-js-bridge keys FOLDER');
  const paths = makeKeys(folder);
  process.stdout.write(
    `${paths.trainer}: for the trainer (--env-keys); it leaves this machine never\n` +
      `${paths.worker}: for the workers (--key-file); whoever has it can join as one\n`,
  );
  return 0;
}

async function worker(args: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parse(args, { connect: text, 'key-file': text, python: text });
  if (values.help) return help();
  if (positionals.length > 0) throw new EnvOptionsError(`worker takes options only, and not "${positionals[0]}"`);
  const { connect, 'key-file': keyFile, python } = values as Record<string, string | undefined>;
  if (!connect)
    throw new EnvOptionsError("--connect is missing: the trainer's address, such as tcp://192.168.1.5:7777");
  if (!keyFile) throw new EnvOptionsError('--key-file is missing: the copy of worker.key from the trainer');
  const options = ['--connect', connect, '--key-file', resolvePath(keyFile), '--parent-pid', String(process.pid)];
  const child = spawn(findPython(python), ['-u', '-m', 'gymnasium_js_bridge.worker', ...options], {
    // `-m` looks in the working folder first: let it find the package there, and none of the caller's files.
    cwd: sidecarFolder,
    env: { ...process.env, ...callersPythonPath() },
    // Its standard input is a pipe from here: when this process ends in any way, it closes, and the worker ends.
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  for (const name of STOP_SIGNALS) process.on(name, () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? 'not found' : error.message;
      reject(new EnvOptionsError(`cannot run Python "${child.spawnfile}" (${reason}): name one with --python`));
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });
}

function help(): number {
  process.stdout.write(HELP);
  return 0;
}

function parse(args: string[], options: Record<string, { type: 'string' }>) {
  const all = { ...options, help: { type: 'boolean', short: 'h' } as const };
  return parseArgs({ args, options: all, allowPositionals: true });
}
