import { execFile } from 'node:child_process';
import { InterruptedError } from '../runs/errors.ts';
import { setupScript } from '../runtime/native-packages.ts';
import { UsageError } from './command.ts';

/**
 * The Python of an environment of its own, which is made where it is missing.
 * @param script What makes it, and prints the path of its Python.
 * @param signal Ends the making.
 * @throws UsageError where it cannot be made; what keeps it from that has been said. InterruptedError.
 */
export function ownPython(script: 'tensorboard.mjs' | 'ray.mjs', title: string, signal?: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [setupScript(script)], { signal }, (error, stdout) => {
      if (signal?.aborted) reject(new InterruptedError(`interrupted: ${title} is not installed`));
      if (error) reject(new UsageError(`${title} could not be installed, as said above: mend that and try again`));
      else resolve(stdout.trim());
    });
    child.stderr!.pipe(process.stderr);
  });
}
