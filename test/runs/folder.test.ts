import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RunDescription } from '../../src/runs/description.ts';
import { RunFolder } from '../../src/runs/folder.ts';

// `npm run test:faults` takes longer.
const isLong = process.env.WEIGHTNORM_FAULTS === 'long';

let parent: string;
let path: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'run-folder-'));
  path = join(parent, 'run');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const description: RunDescription = {
  ...{ formatVersion: 2, kind: 'agent', name: 'dqn', preset: 'fast', version: '0.1.0', commit: null },
  ...{ settings: { seed: 3 }, machine: null, packages: { node: '20.0.0' } },
  environment: { settings: { kind: 'gymnasium', id: 'CartPole-v1' }, packages: {} },
};
const writeMark = (folder: string) => writeFile(join(folder, 'mark'), 'x');

test('a folder with anything in it is refused and left as it was', async () => {
  mkdirSync(path);
  writeFileSync(join(path, 'thesis.txt'), 'precious');
  await expect(RunFolder.create(path, description)).rejects.toThrow('not empty');
  expect(readdirSync(path)).toEqual(['thesis.txt']);
});

test('the description can be read back', async () => {
  (await RunFolder.create(path, description)).unlock();
  expect(await RunFolder.open(path).describe()).toEqual(description);
});

test('a damaged description, a missing folder and a folder without a run are told apart', async () => {
  expect(() => RunFolder.open(path)).toThrow('does not exist');
  mkdirSync(path);
  expect(() => RunFolder.open(path)).toThrow('no config.json');
  const config = join(path, 'config.json');
  const describing = (text: string) => {
    writeFileSync(config, text);
    return expect(RunFolder.open(path).describe()).rejects;
  };
  await describing('{"seed": ').toThrow('not JSON');
  await describing('null').toThrow('does not describe a run');
  await describing('{}').toThrow('does not describe a run: formatVersion');
  await describing(JSON.stringify({ ...description, kind: 'dragon' })).toThrow('does not describe a run: kind');
});

test('what a run made that failed before its first step is removed, and nothing else', async () => {
  const folder = await RunFolder.create(path, description);
  await folder.discard();
  expect(existsSync(path)).toBe(false);
  mkdirSync(path);
  const again = await RunFolder.create(path, description);
  writeFileSync(join(path, 'notes.txt'), 'mine');
  await again.discard();
  expect(readdirSync(path)).toEqual(['notes.txt']);
});

describe('the lock', () => {
  const lockPath = () => join(path, 'run.lock');
  const holder = () => JSON.parse(readFileSync(lockPath(), 'utf8'));

  test('keeps a second process out; a dead one does not block', async () => {
    const folder = await RunFolder.create(path, description);
    expect(() => RunFolder.open(path).lock()).toThrow(`in use by process ${process.pid}: wait for it, or end it`);
    const own = holder();
    expect(own).toMatchObject({ host: hostname(), pid: process.pid });
    folder.unlock();
    expect(existsSync(lockPath())).toBe(false);
    const other = spawn('true');
    await new Promise((resolve) => other.once('exit', resolve));
    // The process is gone; one that has its id again started at another time; half a file of a machine that went down.
    for (const left of [
      JSON.stringify({ ...own, pid: other.pid }),
      JSON.stringify({ ...own, started: '123' }),
      '{"host": "so',
      '',
    ]) {
      writeFileSync(lockPath(), left);
      folder.lock();
      expect(holder().pid).toBe(process.pid);
      folder.unlock();
    }
    expect(readdirSync(path).filter((name) => name.includes('lock'))).toEqual([]);
  });

  test('of version 0.1.0 is understood', async () => {
    const folder = await RunFolder.create(path, description);
    const { started } = holder();
    folder.unlock();
    writeFileSync(lockPath(), `${process.pid} ${started}`);
    expect(() => folder.lock()).toThrow(`in use by process ${process.pid}`);
    writeFileSync(lockPath(), `${process.pid} 123`);
    folder.lock();
    folder.unlock();
  });

  test('of another host or container is refused whatever its age, with name and age, unless forced', async () => {
    const folder = await RunFolder.create(path, description);
    const own = holder();
    folder.unlock();
    const since = new Date(Date.now() - 3 * 3_600_000).toISOString();
    writeFileSync(lockPath(), JSON.stringify({ ...own, host: 'gpu-7', pid: 42, since }));
    expect(() => folder.lock()).toThrow(
      /in use by process 42 on the host gpu-7, since .* UTC \(3 h ago\): end it there; .* give --force-unlock$/,
    );
    writeFileSync(lockPath(), JSON.stringify({ ...own, space: 'another container', pid: 42, since }));
    expect(() => folder.lock()).toThrow(`process 42 in another container of ${hostname()}`);
    folder.unlock(); // not ours
    expect(holder().pid).toBe(42);
    folder.lock({ force: true });
    expect(holder().pid).toBe(process.pid);
    folder.unlock();
  });

  test('of an earlier attempt at a job is taken over from wherever it ran; that one writes no more', async () => {
    const folder = await RunFolder.create(path, description);
    const own = holder();
    const elsewhere = (job: string, attempt: number) =>
      writeFileSync(lockPath(), JSON.stringify({ ...own, host: 'gpu-7', pid: 42, job, attempt }));
    const as = { job: 'sweep-1', attempt: 2 };
    for (const [job, attempt] of [
      ['sweep-2', 1],
      ['sweep-1', 2],
      ['sweep-1', 3],
    ] as const) {
      elsewhere(job, attempt);
      expect(() => folder.lock({ as })).toThrow('in use by process 42 on the host gpu-7');
    }
    elsewhere('sweep-1', 1);
    expect(() => folder.lock()).toThrow('in use by process 42 on the host gpu-7');
    const parts = { trainable: { getState: () => ({}) }, loop: {} } as unknown as Parameters<
      RunFolder['writeCheckpoint']
    >[2];
    expect(() => folder.writeCheckpoint(1, { keep: 1 }, parts)).toThrow(
      `run folder ${path} was taken over by process 42 on the host gpu-7: this process writes no more there`,
    );
    expect(existsSync(join(path, 'checkpoints'))).toBe(false);
    folder.lock({ as });
    expect(holder()).toMatchObject({ pid: process.pid, ...as });
    folder.unlock();
  });

  test.each(['no lock', 'the lock of a dead process'])('of %s lets one of four in who come at once', async (what) => {
    const ROUNDS = isLong ? 40 : 15;
    const folders = Array.from({ length: ROUNDS }, (_, i) => join(path, String(i)));
    for (const folder of folders) {
      mkdirSync(folder, { recursive: true });
      if (what !== 'no lock') writeFileSync(join(folder, 'run.lock'), `${process.pid} 123`);
    }
    const start = Date.now() + 3000;
    const script = `
      import { lockRun } from ${JSON.stringify(new URL('../../dist/src/runs/lock.js', import.meta.url).href)};
      const folders = ${JSON.stringify(folders)};
      for (const [round, folder] of folders.entries()) {
        while (Date.now() < ${start} + round * 25);
        try {
          lockRun(folder);
          console.log(round);
        } catch (error) {
          if (!/is in use by process/.test(error.message)) throw error;
        }
      }
      setTimeout(() => {}, ${start} + folders.length * 25 + 3000 - Date.now()); // holds them until all have come`;
    const children = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
        let [output, problem] = ['', ''];
        child.stdout.on('data', (data) => {
          output += data;
        });
        child.stderr.on('data', (data) => {
          problem += data;
        });
        const code = await new Promise((resolve) => child.once('close', resolve));
        return { code, problem, rounds: output.split('\n').filter(Boolean).map(Number) };
      }),
    );
    for (const { code, problem } of children) expect({ code, problem }).toEqual({ code: 0, problem: '' });
    const winners = children.flatMap(({ rounds }) => rounds).sort((a, b) => a - b);
    expect(winners).toEqual(Array.from({ length: ROUNDS }, (_, i) => i));
  });

  test('names the space of process ids', async () => {
    const folder = await RunFolder.create(path, description);
    expect(holder().space).toContain(readlinkSync('/proc/self/ns/pid'));
    folder.unlock();
  });
});

describe('checkpoints', () => {
  test('the newest are kept and found', async () => {
    const { checkpoints } = await RunFolder.create(path, description);
    await expect(checkpoints.find(undefined)).rejects.toThrow('no checkpoint yet');
    for (const step of [100, 200, 1000]) await checkpoints.write(step, { keep: 2 }, writeMark);
    expect((await checkpoints.list()).map((entry) => entry.step)).toEqual([200, 1000]);
    expect((await checkpoints.find(undefined)).step).toBe(1000);
    expect((await checkpoints.find(200)).path).toBe(join(path, 'checkpoints', '200'));
    await expect(checkpoints.find(7)).rejects.toThrow('there are 200, 1000');
  });

  test('may be larger than the 2 GiB that Node.js reads at once', async ({ skip }) => {
    skip(!isLong, 'writes 2 GiB: npm run test:faults');
    const { checkpoints } = await RunFolder.create(path, description);
    // Its zeros take no room on the disk.
    await checkpoints.write(100, { keep: 1 }, (target) => {
      writeFileSync(join(target, 'weights'), '');
      truncateSync(join(target, 'weights'), 2 ** 31 + 1);
      return Promise.resolve();
    });
    expect((await checkpoints.find(undefined)).step).toBe(100);
  });

  test('one that fails to be written leaves the older ones and no trace', async () => {
    const { checkpoints } = await RunFolder.create(path, description);
    await checkpoints.write(100, { keep: 1 }, writeMark);
    const failing = checkpoints.write(200, { keep: 1 }, async (target) => {
      await writeMark(target);
      throw new Error('ENOSPC: no space left on device');
    });
    await expect(failing).rejects.toThrow('no space left');
    expect(readdirSync(join(path, 'checkpoints'))).toEqual(['100']);
  });

  test('what a killed process left of one is not taken for one, and goes with the next', async () => {
    const { checkpoints } = await RunFolder.create(path, description);
    await checkpoints.write(100, { keep: 3 }, writeMark);
    mkdirSync(join(path, 'checkpoints', '.tmp-killed'));
    expect((await checkpoints.find(undefined)).step).toBe(100);
    await checkpoints.write(200, { keep: 3 }, writeMark);
    expect(readdirSync(join(path, 'checkpoints')).sort()).toEqual(['100', '200']);
  });

  test.each(['99999999999999999999', '007', 'notes'])('a folder %s among them is none', async (name) => {
    const { checkpoints } = await RunFolder.create(path, description);
    await checkpoints.write(100, { keep: 3 }, writeMark);
    mkdirSync(join(path, 'checkpoints', name));
    expect((await checkpoints.find(undefined)).step).toBe(100);
  });

  test('a damaged one is named, and the one before it is used', async () => {
    const { checkpoints } = await RunFolder.create(path, description);
    const nested = async (folder: string) => {
      await writeMark(folder);
      mkdirSync(join(folder, 'network'));
      await writeFile(join(folder, 'network', 'weights.bin'), Uint8Array.of(1, 2, 3));
    };
    for (const step of [100, 200, 300]) await checkpoints.write(step, { keep: 3 }, nested);
    writeFileSync(join(path, 'checkpoints/300/network/weights.bin'), Uint8Array.of(1, 2, 2));
    rmSync(join(path, 'checkpoints/200/mark'));
    const notes: string[] = [];
    expect((await checkpoints.find(undefined, (line) => notes.push(line))).step).toBe(100);
    expect(notes).toEqual([
      expect.stringMatching(/300\/network\/weights\.bin: its content has changed since it was written/),
      expect.stringMatching(/200\/mark: it is missing/),
      expect.stringMatching(/^using the checkpoint before it: .+100$/),
    ]);
    await expect(checkpoints.find(300)).rejects.toThrow('weights.bin: its content has changed');
    writeFileSync(join(path, 'checkpoints/100/mark'), 'y');
    await expect(checkpoints.find(undefined)).rejects.toThrow('weights.bin: its content has changed');
  });

  test.each([
    ['without checksums', (path: string) => rmSync(join(path, 'checksums.json')), 'checksums.json: it is missing'],
    ['with empty ones', (path: string) => writeFileSync(join(path, 'checksums.json'), '{}'), 'does not list it'],
    [
      'with a file too many',
      (path: string) => writeFileSync(join(path, 'x'), ''),
      'x: checksums.json does not list it',
    ],
  ])('one %s is damaged', async (_, damage, problem) => {
    const { checkpoints } = await RunFolder.create(path, description);
    await checkpoints.write(100, { keep: 3 }, writeMark);
    damage(join(path, 'checkpoints/100'));
    await expect(checkpoints.find(undefined)).rejects.toThrow(problem);
  });

  test('a whole one of the same step stays; a damaged one gives way', async () => {
    const { checkpoints } = await RunFolder.create(path, description);
    await checkpoints.write(100, { keep: 3 }, writeMark);
    const other = (folder: string) => writeFile(join(folder, 'other'), 'y');
    await checkpoints.write(100, { keep: 3 }, other);
    expect(readdirSync(join(path, 'checkpoints/100')).sort()).toEqual(['checksums.json', 'mark']);
    writeFileSync(join(path, 'checkpoints/100/mark'), 'z');
    await checkpoints.write(100, { keep: 3 }, other);
    expect(readdirSync(join(path, 'checkpoints/100')).sort()).toEqual(['checksums.json', 'other']);
  });
});
