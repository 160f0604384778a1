import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { ResetResult } from 'gymnasium-js-bridge';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DamagedFileError } from '../../src/files/errors.ts';
import { readSafetensors, writeSafetensors } from '../../src/files/safetensors.ts';
import {
  differenceText,
  EpisodeRecorder,
  type EpisodeRecording,
  readRecording,
  summaryLines,
  verifyRecording,
  writeRecording,
} from '../../src/recording/index.ts';
import { ATARI, recordRandomPlay } from './record.ts';

const python = join(import.meta.dirname, '../../.venv/bin/python');
const actor = { run: 'runs/enduro', checkpointAgentSteps: 250_000, epsilon: 0.001 };
let folder: string;
let breakout: EpisodeRecording; // plays until the game is over, second environment of two, second episode
let enduro: EpisodeRecording; // cut off by a time limit in the middle of an agent step
let cartPole: EpisodeRecording;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recording-test-'));
  const twoGames = { ...ATARI, game: 'Breakout', numEnvs: 2, seed: 5, fireReset: true };
  [, breakout] = await recordRandomPlay(twoGames, { lane: 1, episodes: 2, actor });
  [enduro] = await recordRandomPlay({ ...ATARI, game: 'Enduro', seed: 6, maxEpisodeFrames: 1_402 }, { actor });
  [cartPole] = await recordRandomPlay({ id: 'CartPole-v1', seed: 7 });
});
afterAll(() => rm(folder, { recursive: true }));

describe('an episode recording', () => {
  test.each([
    ['of a game that ended', () => breakout],
    ['of a game that a time limit cut off', () => enduro],
    ['of an environment that is no game', () => cartPole],
  ])('%s comes back from its file and verifies', async (_label, get) => {
    const recording = get();
    const path = join(folder, 'a.episode.safetensors');
    await writeRecording(path, recording);
    const read = await readRecording(path);
    expect(read).toEqual(recording);
    const progress: number[] = [];
    expect(await verifyRecording(read, { onProgress: (steps) => progress.push(steps) })).toEqual({
      equal: true,
      packageDifferences: [],
    });
    expect(progress).toEqual(Array.from(recording.actions, (_, step) => step + 1));
  });

  test('holds what happened', () => {
    expect(breakout).toMatchObject({ terminated: true, truncated: false, actor });
    expect(breakout.rewards.reduce((a, b) => a + b)).toBe(breakout.return);
    expect(breakout.rom?.name).toBe('breakout.bin');
    expect(Object.keys(breakout.packages).sort()).toEqual(['ale-py', 'gymnasium', 'numpy']);
    expect(breakout.settings).toMatchObject({
      kind: 'atari',
      id: 'breakout',
      stickyActionProbability: 0.25,
      frameSkip: 4,
    });
    expect(enduro).toMatchObject({ terminated: false, truncated: true, lengthSteps: 351 });
    expect(cartPole).toMatchObject({ terminated: true, settings: { kind: 'gymnasium', id: 'CartPole-v1' } });
    expect(cartPole.rom).toBeUndefined();
    expect(new Set(enduro.frameHashes).size).toBeGreaterThan(300);
  });

  test('is summed up in lines', () => {
    const lines = Object.fromEntries(summaryLines(enduro));
    expect(lines.game).toMatch(/^enduro \(ROM enduro\.bin, SHA-256 [0-9a-f]{64}\)$/);
    expect(lines.length).toMatch(/^351 agent steps, 1,4\d\d frames, 2\d\.\d+ s at 60 frames\/s$/);
    expect(lines['played by']).toBe('run runs/enduro, checkpointAgentSteps 250,000, epsilon 0.001');
    expect(lines.seed).toBe(String(enduro.seed));
    expect(Object.fromEntries(summaryLines(cartPole))).toMatchObject({
      environment: 'CartPole-v1',
      'played by': 'not recorded',
    });
  });

  test('is what ale-py gives when Python drives it alone', async () => {
    const path = join(folder, 'oracle.episode.safetensors');
    await writeRecording(path, enduro);
    const script = `
import hashlib, json, sys
import numpy as np
from ale_py.vector_env import AtariVectorEnv
raw = open(sys.argv[1], 'rb').read()
length = int.from_bytes(raw[:8], 'little')
header, data = json.loads(raw[8:8 + length]), raw[8 + length:]
def tensor(name, dtype):
    begin, end = header[name]['data_offsets']
    return np.frombuffer(data[begin:end], dtype)
episode = json.loads(header['__metadata__']['episode'])
s = episode['settings']
env = AtariVectorEnv(s['id'], 1, frameskip=s['frameSkip'], noop_max=s['maxNoops'], stack_num=s['frameStack'],
    reward_clipping=False, repeat_action_probability=s['stickyActionProbability'], use_fire_reset=s['fireReset'],
    full_action_space=s['fullActionSpace'], max_num_frames_per_episode=s['maxEpisodeFrames'],
    img_height=s['height'], img_width=s['width'], grayscale=s['grayscale'])
digest = lambda frame: int.from_bytes(hashlib.sha256(frame.tobytes()).digest()[:8], 'little')
frame, _ = env.reset(seed=np.array([episode['seed']]))
hashes, rewards = [digest(frame[0])], []
for action in tensor('actions', '<i4'):
    frame, reward, terminated, truncated, info = env.step(np.array([action]))
    hashes.append(digest(frame[0]))
    rewards.append(float(reward[0]))
print(json.dumps({
    'hashes': hashes == tensor('frameHashes', '<u8').tolist(), 'rewards': rewards == tensor('rewards', '<f8').tolist(),
    'end': [bool(terminated[0]), bool(truncated[0])], 'frames': int(info['episode_frame_number'][0]),
}))
`;
    expect(JSON.parse(execFileSync(python, ['-c', script, path], { encoding: 'utf8' }))).toEqual({
      hashes: true,
      rewards: true,
      end: [false, true],
      frames: enduro.lengthFrames,
    });
  });
});

describe('verification', () => {
  const alter = (recording: EpisodeRecording, change: (copy: EpisodeRecording) => void) => {
    const copy = structuredClone(recording);
    change(copy);
    return copy;
  };
  const firstDifference = async (recording: EpisodeRecording) => (await verifyRecording(recording)).difference;

  test('names the first frame that another action changed', async () => {
    const altered = alter(enduro, ({ actions }) => {
      actions[200] = actions[200] === 1 ? 0 : 1; // 0: no-op, 1: accelerate
      for (let step = 201; step < 220; step++) actions[step] = actions[200]; // so that a sticky action cannot hide it
    });
    const { equal, difference } = await verifyRecording(altered);
    expect(equal).toBe(false);
    expect(difference!.what).toBe('observation');
    expect(difference!.agentStep).toBeGreaterThan(200);
    expect(difference!.agentStep).toBeLessThan(220);
    expect(difference!.frame).toBe(difference!.agentStep * 4);
  });

  test('names the frame whose hash differs, the first one included', async () => {
    for (const step of [0, 123]) {
      const altered = alter(enduro, ({ frameHashes }) => {
        frameHashes[step] ^= 1n;
      });
      const difference = await firstDifference(altered);
      expect(difference).toMatchObject({ what: 'observation', agentStep: step, frame: step * 4 });
      expect(differenceText(difference!)).toMatch(
        new RegExp(
          `^first difference at frame ${step * 4} \\(agent step ${step}\\): observation [0-9a-f]{16} recorded, ` +
            '[0-9a-f]{16} now$',
        ),
      );
    }
  });

  test('names the step whose reward differs', async () => {
    const step = breakout.lengthSteps - 20;
    const altered = alter(breakout, ({ rewards }) => {
      rewards[step] += 1;
    });
    expect(await firstDifference(altered)).toMatchObject({ what: 'reward', agentStep: step + 1 });
  });

  test('notices another end', async () => {
    const at = { what: 'end', agentStep: cartPole.lengthSteps };
    for (const altered of [
      { return: cartPole.return + 1 },
      { truncated: true },
      { terminated: false },
      { lengthFrames: 1 },
    ]) {
      expect(await firstDifference({ ...cartPole, ...altered })).toMatchObject(at);
    }
    const shortened = alter(cartPole, (copy) => {
      copy.lengthSteps -= 1;
      copy.actions = copy.actions.slice(0, -1);
      copy.rewards = copy.rewards.slice(0, -1);
      copy.frameHashes = copy.frameHashes.slice(0, -1);
    });
    expect(await firstDifference(shortened)).toMatchObject({
      what: 'end',
      agentStep: cartPole.lengthSteps - 1,
      emulated: 'none',
    });
  });

  test('fails where the ROM is another one', async () => {
    const altered = alter(breakout, (copy) => {
      copy.rom = { name: 'breakout.bin', sha256: 'ab'.repeat(32) };
    });
    const { equal, difference } = await verifyRecording(altered);
    expect(equal).toBe(false);
    expect(differenceText(difference!)).toContain(
      `the ROM is another one: breakout.bin (SHA-256 ${'ab'.repeat(32)}) recorded`,
    );
  });

  test('says which package versions differ', async () => {
    const altered = alter(cartPole, (copy) => {
      copy.packages.numpy = '1.0.0';
    });
    expect(await verifyRecording(altered)).toEqual({
      equal: true,
      packageDifferences: [{ name: 'numpy', recorded: '1.0.0', current: cartPole.packages.numpy }],
    });
  });
});

describe('a recording file', () => {
  const whole = () => join(folder, 'whole.episode.safetensors');
  const copy = () => join(folder, 'copy.episode.safetensors');
  beforeAll(() => writeRecording(whole(), cartPole));

  test('is refused when any one byte has changed', async () => {
    const bytes = await readFile(whole());
    const unnoticed: number[] = [];
    for (let position = 0; position < bytes.length; position++) {
      const changed = Buffer.from(bytes);
      // A space becomes a line break, which JSON would not mind; any other byte gets one bit flipped.
      changed[position] ^= bytes[position] === 0x20 ? 0x2a : 1 << (position % 8);
      await writeFile(copy(), changed);
      const error = await readRecording(copy()).catch((caught: unknown) => caught);
      if (!(error instanceof DamagedFileError) || error.message.includes('\n')) unnoticed.push(position);
    }
    expect(unnoticed).toEqual([]);
  });

  test('is refused when it was cut short anywhere', async () => {
    const bytes = await readFile(whole());
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length - 1 }), async (cutAt) => {
        await writeFile(copy(), bytes);
        await truncate(copy(), cutAt);
        await expect(readRecording(copy())).rejects.toThrow(DamagedFileError);
      }),
      { numRuns: 40, seed: 3 },
    );
  });

  test('of another kind or of a later version is named as such', async () => {
    const { tensors, metadata } = await readSafetensors(whole());
    await writeSafetensors(copy(), tensors, {});
    await expect(readRecording(copy())).rejects.toThrow(`${copy()}: not an episode recording`);
    await writeSafetensors(copy(), tensors, { ...metadata, formatVersion: '2' });
    await expect(readRecording(copy())).rejects.toThrow(
      `${copy()}: episode format version "2"; this program reads version 1`,
    );
    await writeSafetensors(copy(), tensors, { ...metadata, note: 'x' });
    await expect(readRecording(copy())).rejects.toThrow(`${copy()}: unknown entry "note"`);
  });

  test('is not written from arrays that do not fit', async () => {
    await expect(writeRecording(copy(), { ...cartPole, actions: cartPole.actions.slice(1) })).rejects.toThrow(
      /agent steps, but \d+ actions/,
    );
  });
});

describe('EpisodeRecorder', () => {
  const env = {
    settings: { kind: 'gymnasium', id: 'X' },
    info: { protocolVersion: 1, pid: 1, python: '3', packages: {} },
  } as const;
  const observation: ResetResult['observations'] = Float32Array.of(1, 2);

  test('cannot name code to import', async () => {
    const importing = { ...cartPole, settings: { ...cartPole.settings, id: 'os:CartPole-v1' } };
    await expect(writeRecording(join(folder, 'b.episode.safetensors'), importing)).rejects.toThrow(
      'names a Python module',
    );
  });

  test('tells the caller who forgot start', () => {
    expect(() => new EpisodeRecorder(env).step(0, 1, observation)).toThrow('call start()');
  });

  test('refuses an episode of another length than it was shown', () => {
    const recorder = new EpisodeRecorder(env);
    recorder.start(observation);
    recorder.step(0, 1, observation);
    const ended = { env: 0, seed: 1, index: 0, return: 1, lengthFrames: 2, terminated: true, truncated: false };
    expect(() => recorder.finish({ ...ended, lengthSteps: 2, finalObservation: observation })).toThrow(
      'the episode has 2 agent steps, 1 were recorded',
    );
  });
});
