import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { endLeftovers, leftovers, marker, markerName } from '../../scripts/setup/lock.mjs';
import { until } from '../until.ts';
import { mainRoot, start, temporaryFolder } from './project.ts';

/**
 * A program that takes the lock of its folder, says so in a file, holds it until there is a file `free`, and frees it.
 */
function holder(root: string) {
  const code = `
    import { appendFileSync, existsSync } from 'node:fs';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { takeLock } from ${JSON.stringify(join(mainRoot, 'scripts/setup/lock.mjs'))};
    const free = await takeLock(process.cwd(), () => console.log('waiting'));
    console.log('held');
    appendFileSync('order', 'in ');
    while (!existsSync('free')) await sleep(10);
    appendFileSync('order', 'out ');
    await free();`;
  const started = start(root, ['--input-type=module', '-e', code]);
  onTestFinished(() => void started.child.kill('SIGKILL'));
  return started;
}

const allowFreeing = (root: string) => writeFileSync(join(root, 'free'), '');

describe('the lock of a project folder', () => {
  test('is held by one process at a time', async () => {
    const root = temporaryFolder();
    const order = () => readFileSync(join(root, 'order'), 'utf8');
    const holders = [1, 2, 3].map(() => holder(root));
    // One holds it, and the others say that they wait.
    await Promise.all(holders.map(({ child }) => once(child.stdout!, 'data')));
    await until('one holds it', () => existsSync(join(root, 'order')));
    expect(order()).toBe('in ');
    allowFreeing(root);
    const endings = await Promise.all(holders.map(({ ended }) => ended));
    expect(endings.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(order()).toBe('in out in out in out ');
    expect(endings.map(({ stdout }) => stdout).sort()).toEqual(['held\n', 'waiting\nheld\n', 'waiting\nheld\n']);
  });

  test('is free again when its holder is killed', async () => {
    const root = temporaryFolder();
    const first = holder(root);
    await until('the first one holds it', () => existsSync(join(root, 'order')), first.child);
    const second = holder(root);
    await once(second.child.stdout!, 'data'); // "waiting"
    first.child.kill('SIGKILL');
    await first.ended;
    allowFreeing(root);
    expect(await second.ended).toMatchObject({ code: 0, stdout: 'waiting\nheld\n' });
    expect(readFileSync(join(root, 'order'), 'utf8')).toBe('in in out ');
  });

  test('is another one in another folder', async () => {
    const [root, other] = [temporaryFolder(), temporaryFolder()];
    const first = holder(root);
    await until('the first one holds it', () => existsSync(join(root, 'order')), first.child);
    allowFreeing(other);
    const { code, stdout } = await holder(other).ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'held\n' });
  });
});

describe('leftovers of a killed set-up', () => {
  test('are ended, with what they started, and nothing else is', async () => {
    const [root, other] = [temporaryFolder(), temporaryFolder()];
    const marked = (folder: string) =>
      spawn('sh', ['-c', 'sleep 600 & wait'], {
        detached: true,
        env: { PATH: process.env.PATH!, [markerName]: marker(folder) },
      });
    const left = marked(root);
    const foreign = marked(other);
    onTestFinished(() => {
      process.kill(-foreign.pid!, 'SIGKILL');
    });
    const started = () => leftovers(root).length === 2 && leftovers(other).length === 2;
    await until('both shells started what they start', started);

    const ended = once(left, 'exit');
    await endLeftovers(root);
    await ended;
    expect(leftovers(root)).toEqual([]);
    expect(leftovers(other)).toHaveLength(2);
  });
});
