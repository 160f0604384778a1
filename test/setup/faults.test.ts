import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { asFault, checkDiskSpace, SetupFault, ToolFailure } from '../../scripts/setup/faults.mjs';
import { prepareWorkFolder, runTool } from '../../scripts/setup/tools.mjs';
import { temporaryFolder } from './project.ts';

/** Runs a shell command as a tool of set-up and gives the line that a user would read. */
async function lineOf(script: string): Promise<string> {
  const root = temporaryFolder();
  prepareWorkFolder(root);
  try {
    await runTool({ root, tool: 'Shell', doing: 'do its work', command: ['sh', '-c', script] });
  } catch (error) {
    expect(error).toBeInstanceOf(ToolFailure);
    const fault = asFault(error) as SetupFault;
    expect(fault).toBeInstanceOf(SetupFault);
    expect(fault.message).not.toContain('\n');
    return fault.message;
  }
  throw new Error('the tool did not fail');
}

describe('faults', () => {
  test('a disk that is too small is named before the work starts, with what is needed and what is free', () => {
    const folder = temporaryFolder();
    expect(() => checkDiskSpace(folder, 1e18, 'the Python packages')).toThrow(
      /^Not enough disk space in .*: the Python packages need about 1000000000\.0 GB and \d+\.\d GB are free\. .*df -h/,
    );
    checkDiskSpace(folder, 1, 'nothing');
  });

  test('a disk that fills up under a tool is named', async () => {
    expect(await lineOf('cat /proc/version > /dev/full')).toMatch(
      /Shell could not do its work: the disk is full.*df -h/,
    );
  });

  test('a tool that fails in another way is named with its exit code, its first error and the log', async () => {
    const line = await lineOf('echo fine; echo "Error: no such planet, see http://example.invalid/x"; exit 7');
    expect(line).toBe(
      'Shell could not do its work (exit code 7: Error: no such planet, see <address>): see .setup/setup.log, ' +
        'then run "npm run setup" again.',
    );
  });

  test("what npm fetches, such as http-errors, is not npm's error", async () => {
    const line = await lineOf(
      'echo "npm http cache http-errors@2.0.0 12ms"; echo "npm warn old lockfile error"; echo "npm error code EINVAL"; ' +
        'echo "npm error syscall mkdir"; echo "npm error Invalid name: \\"a b\\""; exit 1',
    );
    expect(line).toContain('(exit code 1: npm error Invalid name: "a b"): see .setup/setup.log');
  });

  test('a tool that is killed is named with the signal', async () => {
    expect(await lineOf('kill -9 $$')).toContain('Shell could not do its work (signal SIGKILL)');
  });

  test('a program that is not there is named', async () => {
    const root = temporaryFolder();
    prepareWorkFolder(root);
    const failing = runTool({ root, tool: 'npm', doing: 'start', command: ['/no/such/npm'] });
    await expect(failing).rejects.toThrow('npm could not start (ENOENT)');
  });

  test('a file that cannot be written is named', () => {
    const path = '/sys/weightnorm-rl'; // Nobody can make files there.
    let error: unknown;
    try {
      writeFileSync(path, '');
    } catch (caught) {
      error = caught;
    }
    expect((asFault(error) as SetupFault).message).toMatch(
      /^No permission to write \/sys\/weightnorm-rl \(E[A-Z]+\): /,
    );
  });

  test('an error of this program stays what it is', () => {
    const error = new TypeError('x is not a function');
    expect(asFault(error)).toBe(error);
  });
});
