import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeVectorEnv } from 'gymnasium-js-bridge';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findFfmpeg } from '../../src/recording/ffmpeg.ts';
import { type EpisodeRecording, frameHash, renderGif, renderMp4 } from '../../src/recording/index.ts';
import { openScreens, type ShownSteps } from '../../src/recording/screens.ts';
import { ATARI, recordRandomPlay } from './record.ts';

const FRAME_BYTES = 210 * 160 * 3;
let folder: string;
let ffmpeg: string;
let enduro: EpisodeRecording; // 75 agent steps of 4 frames
let frames: Uint8Array[]; // its 301 screens
let out: (name: string) => string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'video-test-'));
  out = (name) => join(folder, name);
  ffmpeg = await findFfmpeg();
  [enduro] = await recordRandomPlay({ ...ATARI, game: 'Enduro', seed: 3, maxEpisodeFrames: 300 });
  frames = await allScreens(enduro);
});
afterAll(() => rm(folder, { recursive: true }));

async function allScreens(recording: EpisodeRecording, shown: ShownSteps = {}): Promise<Uint8Array[]> {
  const copies: Uint8Array[] = [];
  for await (const screen of (await openScreens(recording, shown)).frames) copies.push(Uint8Array.from(screen));
  return copies;
}

function maximum(a: Uint8Array, b: Uint8Array): Uint8Array {
  const result = new Uint8Array(a.length);
  for (let i = 0; i < a.length; i++) result[i] = Math.max(a[i], b[i]);
  return result;
}

/** What ffmpeg says of a file. */
const describeFile = (path: string) => spawnSync(ffmpeg, ['-hide_banner', '-i', path], { encoding: 'utf8' }).stderr;

/** The pictures of a file, reduced to the size of the screen. */
function decode(path: string): Uint8Array[] {
  const args = ['-loglevel', 'error', '-i', path, '-vf', 'scale=160:210:flags=neighbor', '-fps_mode', 'passthrough'];
  const raw = execFileSync(ffmpeg, [...args, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'], { maxBuffer: 2 ** 30 });
  return Array.from({ length: raw.length / FRAME_BYTES }, (_, i) =>
    raw.subarray(i * FRAME_BYTES, (i + 1) * FRAME_BYTES),
  );
}

function meanAbsoluteDifference(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / a.length;
}

describe('the screens of an episode', () => {
  // An observation is the maximum of the last two frames of a step, so an agent that saw the whole screen in colour
  // proves every second pair.
  test.each([
    ['breakout', 0.25, true],
    ['pong', 0, false],
    ['seaquest', 0.25, false],
  ])('are those the agent saw: %s, sticky actions %d', async (game, stickyActionProbability, fireReset) => {
    const colour = { grayscale: false, height: 210, width: 160, maxEpisodeFrames: 240 };
    const [recording] = await recordRandomPlay({
      ...ATARI,
      ...colour,
      game,
      stickyActionProbability,
      fireReset,
      seed: 1,
    });
    const shown = await allScreens(recording);
    expect(frameHash(shown[0])).toBe(recording.frameHashes[0]);
    // Where a game ends inside a step, its last observation is made of older frames: leave out the last step.
    const agreeing = Array.from({ length: recording.lengthSteps - 1 }, (_, i) => i + 1).filter(
      (step) => frameHash(maximum(shown[4 * step - 1], shown[4 * step])) === recording.frameHashes[step],
    );
    expect(agreeing).toHaveLength(recording.lengthSteps - 1);
    expect(recording.lengthSteps).toBe(60);
  });

  test('are as many as the emulator made, or as many as are asked for', async () => {
    expect(frames).toHaveLength(301);
    expect(frames.every(({ length }) => length === FRAME_BYTES)).toBe(true);
    const part = await allScreens(enduro, { fromStep: 10, toStep: 12 });
    expect(Buffer.concat(part).equals(Buffer.concat(frames.slice(37, 49)))).toBe(true);
  });

  test('end with an error where the game takes another course', async () => {
    const altered = structuredClone(enduro);
    altered.rewards[40] += 1;
    await expect(renderMp4(altered, { path: out('altered.mp4') })).rejects.toThrow(
      'the game takes another course at agent step 41: reward 1 recorded, reward 0 now',
    );
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('a video', () => {
  test('is H.264 that browsers play, 60 frames a second, shown at 4:3, with the pixels of the game', async () => {
    const path = out('normal.mp4');
    await renderMp4(enduro, { path });
    const text = describeFile(path);
    expect(text).toMatch(/Video: h264 .*yuv420p\(tv, bt709/);
    expect(text).toMatch(/640x420 \[SAR 7:8 DAR 4:3\]/);
    expect(text).toMatch(/ 60 fps/);
    expect(text).toMatch(/Duration: 00:00:05\.0[12]/);
    const bytes = await readFile(path, 'latin1');
    expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat')); // plays while it loads
    const decoded = decode(path);
    expect(decoded).toHaveLength(frames.length);
    const differences = decoded.map((frame, index) => meanAbsoluteDifference(frame, frames[index]));
    expect(Math.max(...differences)).toBeLessThan(3);
    expect(meanAbsoluteDifference(decoded[10], frames[200])).toBeGreaterThan(3); // the measure tells frames apart
  });

  test('has 60 x speed frames a second', async () => {
    const path = out('fast.mp4');
    await renderMp4(enduro, { path, speed: 2 });
    expect(describeFile(path)).toMatch(/ 120 fps/);
    expect(describeFile(path)).toMatch(/Duration: 00:00:02\.5/);
    expect(decode(path)).toHaveLength(frames.length);
    await expect(renderMp4(enduro, { path, speed: 0 })).rejects.toThrow('speed 0: it is from 0.1 to 10');
  });

  test('as a GIF has 20 frames a second, each the maximum of two frames of the game', async () => {
    const path = out('normal.gif');
    await renderGif(enduro, { path });
    const text = describeFile(path);
    expect(text).toMatch(/Video: gif.*320x210/);
    expect(text).toMatch(/ 20 fps/);
    expect(text).toMatch(/Duration: 00:00:05\.0/);
    const decoded = decode(path);
    const pairs = frames.slice(1).map((frame, index) => maximum(frames[index], frame));
    for (const picture of [decoded[1], decoded[40], decoded[90]]) {
      expect(Math.min(...pairs.map((pair) => meanAbsoluteDifference(pair, picture)))).toBeLessThan(0.5);
    }
    expect((await readdir(folder)).filter((name) => name.includes('.tmp.'))).toEqual([]);
  });

  test('of a Gymnasium environment shows what it draws, at its own pace', async () => {
    const [cartPole] = await recordRandomPlay({ id: 'CartPole-v1', seed: 2 });
    const { height, width, framesPerSecond, frames: drawn } = await openScreens(cartPole);
    expect({ height, width, framesPerSecond }).toEqual({ height: 400, width: 600, framesPerSecond: 50 });
    let count = 0;
    const columns = new Set<number>();
    for await (const frame of drawn) {
      expect(frame).toHaveLength(height * width * 3);
      // The cart is black; the line under it is too, but one pixel high.
      const row = frame.subarray((300 - 5) * width * 3, (300 - 4) * width * 3);
      columns.add(row.indexOf(0));
      count++;
    }
    expect(count).toBe(cartPole.lengthSteps + 1);
    expect(columns.size).toBeGreaterThan(3); // it moves

    await renderMp4(cartPole, { path: out('pole.mp4') });
    expect(describeFile(out('pole.mp4'))).toMatch(/Video: h264 .*600x400.* 50 fps/);
    await renderGif(cartPole, { path: out('pole.gif') });
    expect(describeFile(out('pole.gif'))).toMatch(/Video: gif.*320x213.* 20 fps/);
  });

  test('is refused for an environment that draws nothing', async () => {
    const [cartPole] = await recordRandomPlay({ id: 'CartPole-v1', seed: 2 });
    const typescript = { ...cartPole, settings: { kind: 'typescript', id: 'Pole' } } as const;
    await expect(renderMp4(typescript, { path: out('no.mp4') })).rejects.toThrow('Pole has no screen to show');
    process.env.PYTHONPATH = fileURLToPath(new URL('../envs/python', import.meta.url));
    await expect(makeVectorEnv({ id: 'bridge_test_envs:Counting-v0', screen: true })).rejects.toThrow(
      'bridge_test_envs:Counting-v0 has no screen to show: it draws no pictures (render mode rgb_array)',
    );
  });

  test('that ffmpeg cannot make fails with one line and leaves the old file', async () => {
    const path = out('old.mp4');
    await writeFile(path, 'old');
    await expect(renderMp4(enduro, { path, python: '/bin/false' })).rejects.toThrow(
      'no ffmpeg: /bin/false has no package imageio-ffmpeg',
    );
    const limitFileBytes = (limit: string) => execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${limit}:`]);
    limitFileBytes('4096'); // inherited by ffmpeg: as on a full disk
    try {
      await expect(renderMp4(enduro, { path })).rejects.toThrow(/^ffmpeg failed: [^\n]+$/);
    } finally {
      limitFileBytes('unlimited');
    }
    expect(await readFile(path, 'utf8')).toBe('old');
    expect((await readdir(folder)).filter((name) => name.includes('.tmp.'))).toEqual([]);
  });
});
