import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors } from '../../src/files/safetensors.ts';
import { type EpisodeRecording, frameHash, writeRecording } from '../../src/recording/index.ts';
import { mainRoot, startCommand } from '../processes.ts';
import { until } from '../until.ts';
import { ATARI, recordRandomPlay } from './record.ts';

const script = join(mainRoot, 'dist/scripts/replay-episode.js');
let folder: string;
let pong: EpisodeRecording;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replay-episode-test-'));
  const game = { ...ATARI, game: 'Pong', seed: 3 };
  [pong] = await recordRandomPlay({ ...game, maxEpisodeFrames: 240 }, { actor: { run: 'R', epsilon: 1 } });
  await writeRecording(at('pong.episode.safetensors'), pong);
  const [long] = await recordRandomPlay({ ...game, maxEpisodeFrames: 2400 });
  await writeRecording(at('long.episode.safetensors'), long);
  const [cartPole] = await recordRandomPlay({ id: 'CartPole-v1', seed: 1 });
  const settings = { kind: 'typescript', id: 'Pole' } as const;
  await writeRecording(at('typescript.episode.safetensors'), { ...cartPole, settings });
  const bytes = await readFile(at('pong.episode.safetensors'));
  bytes[bytes.length - 1] ^= 1;
  await writeFile(at('damaged.episode.safetensors'), bytes);
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the command as a user does. */
async function replayEpisode(
  args: string[],
  { onStart }: { onStart?: (pressCtrlC: () => void) => Promise<void> } = {},
) {
  const { pid, ended } = startCommand('replay-episode', args);
  await onStart?.(() => process.kill(-pid, 'SIGINT')); // to the whole process group, as a terminal does
  const { code, stdout, stderr } = await ended;
  return { code, stdout, stderr };
}

describe('replay-episode', () => {
  test('sums up a recording', async () => {
    const { code, stdout, stderr } = await replayEpisode([at('pong.episode.safetensors')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^game +pong \(ROM pong\.bin/);
    expect(stdout).toMatch(/\nlength +60 agent steps, 2\d\d frames/);
    expect(stdout).toMatch(/\nplayed by +run R, epsilon 1\n/);
  });

  test('verifies and makes a video and a GIF in one go, replacing files when told to', async () => {
    const [mp4, gif] = [at('pong:1 %d.mp4'), at('pong.gif')];
    await writeFile(gif, 'old');
    const args = ['--force', '--verify', '--video', mp4, '--gif', gif, '--speed', '0.5', '--json'];
    const { code, stdout, stderr } = await replayEpisode([at('pong.episode.safetensors'), ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { settings, actor, seed } = pong;
    expect(JSON.parse(stdout)).toMatchObject({
      settings,
      actor,
      seed,
      return: pong.return,
      lengthSteps: 60,
      verification: { equal: true, packageDifferences: [] },
      video: mp4,
      gif,
    });
    expect((await readFile(mp4)).subarray(4, 8).toString()).toBe('ftyp');
    expect((await readFile(gif)).subarray(0, 6).toString()).toBe('GIF89a');
  });

  test('ends with exit code 1, names the first differing frame and makes no video where one differs', async () => {
    const altered = structuredClone(pong);
    altered.frameHashes[7] ^= 1n;
    await writeRecording(at('altered.episode.safetensors'), altered);
    const { code, stdout, stderr } = await replayEpisode([
      at('altered.episode.safetensors'),
      '--verify',
      '--video',
      at('altered.mp4'),
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^replay-episode: .*altered\.\S+: first difference at frame 28 \(agent step 7\): observation .*\n$/,
    );
    expect(await readdir(folder)).not.toContain('altered.mp4');
  });

  test('writes what the agent saw, compressed or not', async () => {
    const [plain, compressed] = [at('seen.safetensors'), at('seen.safetensors.gz')];
    for (const path of [plain, compressed]) {
      const { code, stdout, stderr } = await replayEpisode([at('pong.episode.safetensors'), '--observations', path]);
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${path}: made\n`, stderr: '' });
    }
    expect(gunzipSync(await readFile(compressed)).equals(await readFile(plain))).toBe(true);
    const { tensors, metadata } = await readSafetensors(plain);
    expect(tensors.observations).toMatchObject({ dtype: 'U8', shape: [61, 1, 84, 84] });
    const pixels = tensors.observations.data as Uint8Array;
    const hashes = Array.from({ length: 61 }, (_, i) => frameHash(pixels.subarray(i * 84 * 84, (i + 1) * 84 * 84)));
    expect(hashes).toEqual([...pong.frameHashes]);
    expect([tensors.actions.data, tensors.rewards.data]).toEqual([pong.actions, pong.rewards]);
    expect(metadata).toEqual({
      ...{ environment: 'pong', return: String(pong.return), terminated: 'false' },
      actionMeanings: '["NOOP","FIRE","RIGHT","LEFT","RIGHTFIRE","LEFTFIRE"]',
    });
  });

  test('writes nothing of an episode that takes another course', async () => {
    const altered = structuredClone(pong);
    altered.frameHashes[7] ^= 1n;
    await writeRecording(at('altered.episode.safetensors'), altered);
    const args = [at('altered.episode.safetensors'), '--observations', at('altered.safetensors')];
    const { code, stdout, stderr } = await replayEpisode(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^replay-episode: .*first difference at frame 28 .*nothing was written\n$/);
    expect(await readdir(folder)).not.toContain('altered.safetensors');
  });

  test('refuses to replace a video unless told to', async () => {
    await writeFile(at('mine.mp4'), 'mine');
    const { code, stderr } = await replayEpisode([at('pong.episode.safetensors'), '--video', at('mine.mp4')]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `replay-episode: --video ${at('mine.mp4')}: the file exists; --force replaces it\n`,
    });
    expect(await readFile(at('mine.mp4'), 'utf8')).toBe('mine');
  });

  test.each([
    ['a missing file', () => [at('none.episode.safetensors')], /none\.episode\.safetensors: no such file/],
    [
      'a damaged file',
      () => [at('damaged.episode.safetensors'), '--verify'],
      /damaged\.episode\.safetensors: .*SHA-256/,
    ],
    ['a file of another kind', () => [script], /replay-episode\.js: not a safetensors file/],
    ['no file', () => [], /missing required argument 'file'/],
    ['an unknown option', () => [at('pong.episode.safetensors'), '--verfy'], /unknown option '--verfy'.*--verify/],
    ['an impossible speed', () => [at('pong.episode.safetensors'), '--speed', '0'], /'0' is invalid.*from 0\.1 to 10/],
    [
      'another extension',
      () => [at('pong.episode.safetensors'), '--video', at('pong.episode.safetensors'), '--force'],
      /must end in \.mp4/,
    ],
    [
      'speed for nothing',
      () => [at('pong.episode.safetensors'), '--speed', '2'],
      /--speed does nothing without --video/,
    ],
    [
      'a part of nothing',
      () => [at('pong.episode.safetensors'), '--to-step', '9'],
      /--to-step does nothing without --v/,
    ],
    [
      'a part behind the end',
      () => [at('pong.episode.safetensors'), '--gif', at('part.gif'), '--to-step', '61'],
      /--to-step 61: the episode ends at step 60/,
    ],
    [
      'a part that ends before it begins',
      () => [at('pong.episode.safetensors'), '--gif', at('part.gif'), '--from-step', '9', '--to-step', '8'],
      /--from-step 9: the part ends at step 8/,
    ],
    ['force for nothing', () => [at('pong.episode.safetensors'), '--force'], /--force does nothing without an output/],
    [
      'observations over the recording',
      () => [at('pong.episode.safetensors'), '--observations', at('pong.episode.safetensors'), '--force'],
      /is the recording itself/,
    ],
    ['a folder that is not there', () => [at('pong.episode.safetensors'), '--gif', at('no/x.gif')], /no folder .*no/],
    [
      'a video without a screen',
      () => [at('typescript.episode.safetensors'), '--video', at('pole.mp4')],
      /Pole is written in TypeScript and has no screen to show/,
    ],
  ])('answers %s with one line and exit code 2', async (_case, args, message) => {
    const before = await readdir(folder);
    const { code, stdout, stderr } = await replayEpisode(args());
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^replay-episode: [^\n]+\n$/);
    expect(stderr).toMatch(message);
    expect(await readdir(folder)).toEqual(before);
  });

  test('leaves nothing behind when Ctrl-C stops a video', async () => {
    const before = await readdir(folder);
    const { code, stderr } = await replayEpisode([at('long.episode.safetensors'), '--video', at('stopped.mp4')], {
      onStart: async (pressCtrlC) => {
        const videoBegun = async () => (await readdir(folder)).some((name) => name.includes('.tmp.'));
        await until('the video was begun', videoBegun);
        pressCtrlC();
      },
    });
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'replay-episode: interrupted\n' });
    expect(await readdir(folder)).toEqual(before);
  });
});
