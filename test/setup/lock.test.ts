import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { endLeftovers, leftovers, marker, markerName } from '../../scripts/setup/lock.mjs';
import { mainRoot, start, temporaryFolder } from './project.ts';

/** A program that takes the lock of its folder, says so in a file, holds it for a while and frees it. */
function holder(root: string, holdMs: number) {
  const code = `
    import { appendFileSync } from 'node:fs';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { takeLock } from ${JSON.stringify(join(mainRoot, 'scripts/setup/lock.mjs'))};
    const free = await takeLock(process.cwd(), () => console.log('waiting'));
    console.log('held');
    appendFileSync('order', 'in ');
    await sleep(${holdMs});
    appendFileSync('order', 'out ');
    await free();`;
  return start(root, ['--input-type=module', '-e', code]);
}

describe('the lock of a project folder', () => {
  it('is held by one process at a time', async () => {
    const root = temporaryFolder();
    const endings = await Promise.all([1, 2, 3].map(() => holder(root, 300).ended));
    expect(endings.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(readFileSync(join(root, 'order'), 'utf8')).toBe('in out in out in out ');
    expect(endings.filter(({ stdout }) => stdout.includes('waiting')).length).toBeGreaterThanOrEqual(1);
  });

  it('is free again when its holder is killed', async () => {
    const root = temporaryFolder();
    const first = holder(root, 60_000);
    await once(first.child.stdout!, 'data');
    const second = holder(root, 0);
    await once(second.child.stdout!, 'data'); // "waiting"
    first.child.kill('SIGKILL');
    expect((await second.ended).code).toBe(0);
    await first.ended;
    expect(readFileSync(join(root, 'order'), 'utf8')).toBe('in in out ');
  });

  it('is another one in another folder', async () => {
    const first = holder(temporaryFolder(), 60_000);
    onTestFinished(() => {
      first.child.kill('SIGKILL');
    });
    await once(first.child.stdout!, 'data');
    const { code, stdout } = await holder(temporaryFolder(), 0).ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'held\n' });
  });
});

describe('leftovers of a killed set-up', () => {
  it('are ended, with what they started, and nothing else is', async () => {
    const [root, other] = [temporaryFolder(), temporaryFolder()];
    const marked = (folder: string) =>
      spawn('sh', ['-c', 'sleep 60 & wait'], {
        detached: true,
        env: { PATH: process.env.PATH!, [markerName]: marker(folder) },
      });
    const left = marked(root);
    const foreign = marked(other);
    onTestFinished(() => {
      process.kill(-foreign.pid!, 'SIGKILL');
    });
    while (leftovers(root).length < 2 || leftovers(other).length < 2) await sleep(20);

    const ended = once(left, 'exit');
    await endLeftovers(root);
    await ended;
    expect(leftovers(root)).toEqual([]);
    expect(leftovers(other)).toHaveLength(2);
  });
});
