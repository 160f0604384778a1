// The command on real runs, and what it refuses.
import '../node-backend.ts';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CartPole, vectorize } from 'gymnasium-js-bridge';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { exportAgent, findAgent, makeEnv, readAgentRun, stateOptions } from '../../agents/index.ts';
import { createPlayer } from '../../src/agent/player.ts';
import { findCheckpoint, readNetwork } from '../../src/agent/stored-network.ts';
import type { ExportedRun } from '../../src/exports/index.ts';
import { RunFolder } from '../../src/runs/index.ts';
import { mainRoot, runCommand, runCommands, signal, startCommand, until } from '../processes.ts';

/** Spares the sidecar where only its spaces are asked for. */
const env = vectorize(() => new CartPole(), { numEnvs: 1 });
let folder: string;
let pong: string;
let cartPole: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'export-agent-'));
  [pong, cartPole] = ['pong', 'cart-pole'].map((name) => join(folder, name));
  const short = ['--learning-starts', '80', '--log-period-steps', '50'];
  const ended = await Promise.all([
    runCommand(
      ...['train-agent', '--game', 'Pong', '--steps', '120', '--run-dir', pong, '--hidden-units', '16', ...short],
      ...['--max-episode-frames', '300', '--replay-capacity', '1000'],
    ),
    runCommand(
      ...[
        'train-agent',
        '--env-id',
        'CartPole-v1',
        '--agent',
        'qr-dqn',
        '--steps',
        '300',
        '--run-dir',
        cartPole,
        ...short,
      ],
      ...['--evaluation-period-steps', '150', '--evaluation-episodes', '3', '--checkpoint-period-steps', '100'],
    ),
  ]);
  for (const { code, stderr } of ended) expect(code, stderr).toBe(0);
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await env.close();
});

/** The header and the rest of a model card. */
function readCard(out: string) {
  const [, header, text] = /^---\n([\s\S]*?)---\n([\s\S]*)$/.exec(readFileSync(join(out, 'README.md'), 'utf8'))!;
  return { header: parse(header), text };
}

/** What evaluate-agent's network would do, for an exported ONNX model of the same checkpoint, in random states. */
async function expectSameActions(runDir: string, model: string): Promise<void> {
  const run = RunFolder.open(runDir);
  const { definition, settings } = await readAgentRun(run, findAgent, {});
  const count = 8;
  const played = await makeEnv({ ...settings, numEnvs: count });
  const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
  try {
    const player = createPlayer(definition, settings, played, await readNetwork(await findCheckpoint(run, undefined)));
    const { frameShape, frameStack, dtype } = stateOptions(settings, played);
    const shape = [count, ...(frameStack > 1 ? [frameStack] : []), ...frameShape];
    const length = shape.reduce((product, size) => product * size, 1);
    const values = Array.from({ length }, (_, i) => (dtype === 'uint8' ? (i * 7919) % 256 : Math.sin(i)));
    const actions = player.act(dtype === 'uint8' ? Uint8Array.from(values) : Float32Array.from(values));
    const { q_values: q } = await session.run({ states: new Tensor('float32', Float32Array.from(values), shape) });
    const numActions = q.dims[1];
    const best = Array.from({ length: count }, (_, state) => {
      const row = [...(q.data as Float32Array).slice(state * numActions, (state + 1) * numActions)];
      return row.indexOf(Math.max(...row));
    });
    expect(best).toEqual([...Array.from(actions)]);
    player.dispose();
  } finally {
    await session.release();
    await played.close();
  }
}

test('a game as ONNX, with a film and a card without a score that the run does not have', async () => {
  const out = join(folder, 'pong-onnx');
  const { code, stdout, stderr } = await runCommand('export-agent', '--run', pong, '--format', 'onnx', '--json', out);
  expect(code, stderr).toBe(0);
  const exported = JSON.parse(stdout) as ExportedRun;
  expect(exported).toMatchObject({
    ...{ out, format: 'onnx', agent: 'dqn', environment: 'pong', checkpointAgentSteps: 120, isBest: false },
    inputs: [{ name: 'states', shape: [-1, 4, 84, 84], dtype: 'float32' }],
    outputs: [{ name: 'q_values', shape: [-1, 6], dtype: 'float32' }],
    video: { return: expect.any(Number), lengthFrames: expect.any(Number) },
  });
  expect(exported.files.map(({ name }) => name)).toEqual(['README.md', 'model.onnx', 'replay.mp4']);
  expect(readdirSync(out).sort()).toEqual(['README.md', 'model.onnx', 'replay.mp4']);
  for (const { name, bytes } of exported.files) expect(statSync(join(out, name)).size).toBe(bytes);
  expect(readFileSync(join(out, 'replay.mp4')).toString('latin1', 4, 8)).toBe('ftyp');
  expect(exported.video!.lengthFrames).toBeLessThanOrEqual(300 + 30); // with the no-ops at its start
  const { header, text } = readCard(out);
  expect(header).toEqual({
    library_name: 'weightnorm-rl',
    license: 'apache-2.0',
    tags: ['reinforcement-learning', 'deep-reinforcement-learning', 'weight-normalization', 'dqn', 'Pong', 'onnx'],
  });
  expect(text).toContain('for 120 agent steps (480 frames of the emulator)');
  expect(text).toContain('The run did not evaluate this checkpoint.');
  expect(text).not.toContain(folder);
  await expectSameActions(pong, join(out, 'model.onnx'));
});

test('CartPole in each format, with the scores that the run has', async () => {
  const events = readFileSync(join(cartPole, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { meanReturn, stdReturn } = events.find((line) => line.kind === 'evaluation' && line.agentSteps === 300);
  const written = { tfjs: ['model.json', 'weights.bin'], 'saved-model': ['saved_model.pb'] } as const;
  for (const [format, files] of Object.entries({
    ...written,
    onnx: ['model.onnx'],
    safetensors: ['model.safetensors'],
  })) {
    const out = join(folder, `cart-pole-${format}`);
    const exported = await exportAgent({ env, runDir: cartPole, format: format as keyof typeof written, out });
    expect(exported.video).toBe(null);
    expect(readdirSync(out).sort()).toEqual(['README.md', ...files]);
    expect(readCard(out).header['model-index'][0].results[0]).toEqual({
      task: { type: 'reinforcement-learning', name: 'reinforcement-learning' },
      dataset: { name: 'CartPole-v1', type: 'CartPole-v1' },
      metrics: [
        {
          ...{ type: 'mean_reward', name: 'mean_reward', verified: false },
          value: `${meanReturn.toFixed(2)} +/- ${stdReturn.toFixed(2)}`,
        },
      ],
    });
  }
  await expectSameActions(cartPole, join(folder, 'cart-pole-onnx/model.onnx'));
});

test('an agent alone plays as its run does, and is not trained further', async () => {
  const [whole, half] = ['agent', 'agent-half'].map((name) => join(folder, name));
  const { files } = await exportAgent({ env, runDir: cartPole, format: 'agent', out: whole });
  expect(files.map(({ name }) => name)).toEqual([
    ...['README.md', 'checkpoints/300/checksums.json', 'checkpoints/300/network.safetensors', 'config.json'],
  ]);
  await exportAgent({ env, runDir: cartPole, format: 'agent', half: true, out: half });
  const bytes = (out: string) => statSync(join(out, 'checkpoints/300/network.safetensors')).size;
  expect(bytes(half) / bytes(whole)).toBeLessThan(0.6);
  const evaluate = (run: string) => ['evaluate-agent', '--run', run, '--episodes', '3', '--json'];
  const resume = ['train-agent', '--run-dir', whole, '--resume', '--steps', '400'];
  const [asRun, alone, resumed] = await runCommands([evaluate(cartPole), evaluate(whole), resume])();
  const scores = ({ stdout }: { stdout: string }) =>
    JSON.parse(stdout).episodes.map((episode: { return: number }) => episode.return);
  expect(scores(alone)).toEqual(scores(asRun));
  expect([resumed.code, resumed.stderr.trim().split('\n').at(-1)]).toEqual([
    2,
    `train-agent: ${join(whole, 'checkpoints/300')} holds the network alone: its agent plays, ` +
      'and cannot be trained further',
  ]);
  // Half of the precision: the values differ in their fourth digit.
  const onnx = join(folder, 'agent-half-onnx');
  await exportAgent({ env, runDir: half, format: 'onnx', out: onnx });
  const values = async (model: string) => {
    const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
    const states = new Tensor(
      'float32',
      Float32Array.from({ length: 40 }, (_, i) => Math.sin(i)),
      [10, 4],
    );
    const { q_values: q } = await session.run({ states });
    await session.release();
    return [...(q.data as Float32Array)];
  };
  const [expected, found] = [
    await values(join(folder, 'cart-pole-onnx/model.onnx')),
    await values(join(onnx, 'model.onnx')),
  ];
  const largest = Math.max(...expected.map(Math.abs));
  const error = Math.max(...found.map((value, i) => Math.abs(value - expected[i]))) / largest;
  expect(error).toBeGreaterThan(0);
  expect(error).toBeLessThan(2e-3);
});

test('--checkpoint chooses, and another checkpoint has no score of this one', async () => {
  const out = join(folder, 'earlier');
  const exported = await exportAgent({ env, runDir: cartPole, format: 'safetensors', out, checkpoint: 200 });
  expect(exported.checkpointAgentSteps).toBe(200);
  expect(readCard(out).header).not.toHaveProperty('model-index');
  const best = await exportAgent({
    env,
    runDir: cartPole,
    format: 'safetensors',
    out: join(folder, 'best'),
    checkpoint: 'best',
  });
  expect(best.isBest).toBe(true);
  expect([150, 300]).toContain(best.checkpointAgentSteps);
});

describe('refused in one line, and nothing is written', () => {
  const fixtures = join(mainRoot, 'test/fixtures/runs-0.1.0');

  test('by the command, with exit code 2', async () => {
    const taken = join(folder, 'taken');
    mkdirSync(taken);
    const run = (out: string, ...args: string[]) => ['export-agent', join(folder, out), ...args];
    const cases = [
      [run('a', '--run', cartPole, '--format', 'onxn'), '--format onxn is no format: did you mean onnx?'],
      [run('a', '--run', cartPole, '--format', 'excel'), 'use one of tfjs, saved-model, onnx, safetensors, agent'],
      [run('taken', '--run', cartPole, '--format', 'onnx'), 'taken: cannot be made: a file of that name is there'],
      [run('no/where', '--run', cartPole, '--format', 'onnx'), 'no: is to hold a new folder: there is no such place'],
      [run('a', '--run', cartPole, '--format', 'onnx', '--half'), '--half does nothing with --format onnx'],
      [run('a', '--run', cartPole, '--format', 'onnx', '--no-video'), '--no-video does nothing: only Atari games'],
      [run('a', '--run', cartPole, '--format', 'onnx', '--checkpoint', '7'), 'has no checkpoint at step 7: there are'],
      [run('a', '--run', join(fixtures, 'vae-mnist'), '--format', 'onnx'), 'the run of the supervised task vae-mnist'],
      [run('a', '--run', folder, '--format', 'onnx'), 'is not the folder of a run: it has no config.json'],
    ] as const;
    const endings = await runCommands(cases.map(([args]) => args))();
    for (const [i, { code, stdout, stderr }] of endings.entries()) {
      expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
      expect(stderr.trim().split('\n').at(-1)).toContain(cases[i][1]);
    }
    expect(existsSync(join(folder, 'a'))).toBe(false);
    expect(readdirSync(taken)).toEqual([]);
  });

  test('a run without a checkpoint, and one whose checkpoint was changed', async () => {
    const [none, damaged] = ['none', 'damaged'].map((name) => join(folder, name));
    cpSync(cartPole, none, { recursive: true });
    rmSync(join(none, 'checkpoints'), { recursive: true });
    const out = join(folder, 'out');
    await expect(exportAgent({ runDir: none, format: 'onnx', out })).rejects.toThrow('has no checkpoint yet');
    cpSync(cartPole, damaged, { recursive: true });
    appendFileSync(join(damaged, 'checkpoints/300/state.safetensors'), 'x');
    await expect(exportAgent({ runDir: damaged, format: 'onnx', out, checkpoint: 300 })).rejects.toThrow(
      'its content has changed since it was written',
    );
    expect(existsSync(out)).toBe(false);
  });
});

test('Ctrl-C leaves nothing', async () => {
  const place = join(folder, 'interrupted');
  mkdirSync(place);
  const started = startCommand('export-agent', ['--run', pong, '--format', 'tfjs', join(place, 'out')]);
  await until('the export to begin', () => readdirSync(place).length > 0, started);
  signal(started.pid, 'SIGINT');
  const { code, stderr } = await started.ended;
  expect(code, stderr).toBe(130);
  expect(stderr).toContain('stopping: nothing will be left');
  expect(readdirSync(place)).toEqual([]);
});

test('runs of version 0.1.0 are exported too', async () => {
  const out = join(folder, 'old');
  const exported = await exportAgent({
    env,
    runDir: join(mainRoot, 'test/fixtures/runs-0.1.0/cartpole'),
    format: 'tfjs',
    out,
  });
  expect(exported).toMatchObject({ agent: 'dqn', checkpointAgentSteps: 350 });
  expect(readCard(out).text).toContain('commit not known');
});
