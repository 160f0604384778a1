import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors } from '../../src/files/safetensors.ts';
import { Generator } from '../../src/random/index.ts';
import { printed, runCommand, runCommands, startCommand } from '../processes.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'supervised-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TINY_VAE = [
  ...['--task', 'vae-mnist', '--recipe', 'reduced', '--maps', '2,2,2', '--dense-units', '16', '--latent-units', '4'],
  ...['--flow-units', '8', '--batch-size', '50', '--train-examples', '400', '--test-examples', '130'],
  ...['--log-period-updates', '3', '--initialization-examples', '100'],
];

const linesOf = (run: string) =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** Each epoch with what was found on the test set after it. */
const epochsOf = (lines: ReturnType<typeof linesOf>) =>
  lines
    .filter(({ kind }) => kind === 'epoch')
    .map((epoch) => ({
      ...lines.find(({ kind, updates }) => kind === 'evaluation' && updates === epoch.updates),
      ...epoch,
    }));

/** The lines of metrics without what differs from one run to the next: times and memory. */
const numbersOf = (run: string) =>
  linesOf(run).map(({ wallSeconds, examplesPerSecond, rssBytes, numTensors, ...numbers }) => numbers);

const newestVariables = async (run: string) => {
  const newest = Math.max(...readdirSync(join(run, 'checkpoints')).map(Number));
  return (await readSafetensors(join(run, 'checkpoints', String(newest), 'state.safetensors'))).tensors;
};

describe('a VAE, from training to evaluation', () => {
  let run: string;
  let whole: { metrics: Record<string, number> };

  test('train-supervised leaves a run folder with metrics, pictures and a checkpoint', async () => {
    run = join(folder, 'vae');
    const { code, stdout, stderr } = await runCommand(
      ...(['train-supervised', ...TINY_VAE, '--epochs', '3', '--run-dir', run, '--json'] as const),
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('parameters; writing to');
    whole = JSON.parse(stdout);
    expect(whole).toMatchObject({ task: 'vae-mnist', run, updates: 24, epoch: 3, interrupted: false });
    const names = ['checkpoints', 'config.json', 'metrics.jsonl', 'pictures', 'report.html', 'tensorboard'];
    expect(readdirSync(run).sort()).toEqual(names);
    expect(readdirSync(join(run, 'pictures'))).toContain('samples-epoch-0003.png');
    expect(readdirSync(join(run, 'pictures'))).toContain('reconstructions-epoch-0003.png');
    expect(JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'))).toMatchObject({
      kind: 'supervised',
      name: 'vae-mnist',
      preset: 'reduced',
      data: { trainExamples: 400, testExamples: 130 },
      settings: { maps: [2, 2, 2], normalization: 'weight', seed: 1 },
    });
    const lines = linesOf(run);
    expect(lines.filter(({ kind }) => kind === 'progress')).toHaveLength(8);
    const epochs = epochsOf(lines);
    expect(epochs.map(({ epoch, updates }) => [epoch, updates])).toEqual([
      [1, 8],
      [2, 16],
      [3, 24],
    ]);
    for (const { bound, reconstruction, kl, loss, testBound, testReconstruction, testKl } of epochs) {
      expect(loss).toBeCloseTo(-bound, 3);
      expect(bound).toBeCloseTo(-(reconstruction + kl), 2);
      expect(testBound).toBeCloseTo(-(testReconstruction + testKl), 2);
    }
    expect(epochs[2].testBound).toBeGreaterThan(epochs[0].testBound);
    expect(new Set(lines.flatMap(({ numTensors }) => numTensors ?? [])).size).toBe(1);
  });

  test('evaluate-supervised finds the same bound, and a tighter one from more samples', async () => {
    const { code, stdout, stderr } = await runCommand(
      ...(['evaluate-supervised', '--run', run, '--importance-samples', '20', '--json'] as const),
    );
    expect(code, stderr).toBe(0);
    const evaluation = JSON.parse(stdout);
    expect(evaluation).toMatchObject({ task: 'vae-mnist', recipe: 'reduced', checkpoint: 24 });
    const { testBound, testImportanceBound } = evaluation.metrics;
    expect(testBound).toBe(whole.metrics.testBound);
    expect(testImportanceBound).toBeGreaterThan(testBound);
    const words = await runCommand('evaluate-supervised', '--run', run, '--test-examples', '50');
    expect(words.stdout).toMatch(/^vae-mnist \(reduced\), checkpoint of update 24: test bound -\d+\.\d\d nats/);
  });

  test('Ctrl-C saves; --resume gives the numbers of a run that was never stopped, to the bit', async () => {
    const stopped = join(folder, 'stopped');
    const args = ['train-supervised', ...TINY_VAE, '--run-dir', stopped] as const;
    const started = startCommand(args[0], [...args.slice(1), '--epochs', '300']);
    await printed(started, 'epoch 1: ');
    started.child.kill('SIGINT');
    const { code, stdout, stderr } = await started.ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(`Continue with: npm run train-supervised -- --run-dir ${stopped} --resume`);
    expect(existsSync(join(stopped, 'run.lock'))).toBe(false);
    const updates = Math.max(...readdirSync(join(stopped, 'checkpoints')).map(Number));
    const epochs = Math.ceil(updates / 8) + 1;

    const resumed = await runCommand('train-supervised', '--run-dir', stopped, '--resume', '--epochs', String(epochs));
    expect(resumed.code, resumed.stderr).toBe(0);
    const straight = join(folder, 'straight');
    await runCommand(
      ...(['train-supervised', ...TINY_VAE, '--epochs', String(epochs), '--run-dir', straight] as const),
    );
    expect(numbersOf(stopped)).toEqual(numbersOf(straight));
    expect(await newestVariables(stopped)).toEqual(await newestVariables(straight));
  });

  test('a killed run goes on from its checkpoint; a line that it wrote after it is written once', async () => {
    const killed = join(folder, 'killed');
    const started = startCommand('train-supervised', [
      ...TINY_VAE,
      ...['--epochs', '300', '--run-dir', killed, '--checkpoint-period-epochs', '5'],
    ]);
    await printed(started, 'epoch 6: ');
    started.child.kill('SIGKILL');
    await started.ended;
    const newest = Math.max(...readdirSync(join(killed, 'checkpoints')).map(Number));
    const last = newest / 8 + 2; // after the newest one it has written at least a line, as it goes on meanwhile
    const { code, stderr } = await runCommand(
      ...(['train-supervised', '--run-dir', killed, '--resume', '--epochs', String(last)] as const),
    );
    expect(code, stderr).toBe(0);
    const epochs = linesOf(killed).filter(({ kind }) => kind === 'epoch');
    expect(epochs.map(({ epoch }) => epoch)).toEqual(Array.from({ length: last }, (_, i) => i + 1));
  });

  test('a truncated checkpoint is named', async () => {
    const path = join(run, 'checkpoints/24/state.safetensors');
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length - 100));
    const { code, stderr } = await runCommand('evaluate-supervised', '--run', run);
    writeFileSync(path, bytes);
    expect(code).toBe(0);
    expect(stderr).toContain(`damaged checkpoint: ${path}: its content has changed since it was written`);
    expect(stderr).toContain('using the checkpoint before it');
  });
});

test('DRAW draws in steps', async () => {
  const run = join(folder, 'draw');
  const { code, stdout, stderr } = await runCommand(
    ...(['train-supervised', '--task', 'draw-mnist', '--recipe', 'reduced', '--steps', '3', '--units', '8'] as const),
    ...['--latent-units', '2', '--train-examples', '300', '--test-examples', '100', '--epochs', '2', '--run-dir', run],
    '--json',
  );
  expect(code, stderr).toBe(0);
  expect(readdirSync(join(run, 'pictures')).sort()).toEqual(
    ['drawing', 'samples'].flatMap((name) =>
      name === 'drawing'
        ? ['drawing-epoch-0001.gif', 'drawing-epoch-0001.png', 'drawing-epoch-0002.gif', 'drawing-epoch-0002.png']
        : ['samples-epoch-0001.png', 'samples-epoch-0002.png'],
    ),
  );
  const { metrics } = JSON.parse(stdout);
  expect(metrics.testBound).toBeLessThan(0);
  expect(metrics.testBound).toBeGreaterThan(-600); // 543 nats: every pixel at 1/2
});

describe('CIFAR-10', () => {
  let data: string;

  /** Ten classes of plain colours with noise: learned in a few updates. */
  beforeAll(() => {
    data = join(folder, 'cifar');
    mkdirSync(data);
    const generator = new Generator(1, 'colours');
    const records = Buffer.alloc(10_000 * 3073);
    for (let record = 0; record < 10_000; record++) {
      const label = record % 10;
      records[record * 3073] = label;
      for (let channel = 0; channel < 3; channel++) {
        const level = ((label * (channel + 3)) % 10) * 22 + generator.integer(20);
        const from = record * 3073 + 1 + channel * 1024;
        records.fill(level, from, from + 1024);
        records[from + generator.integer(1024)] = 255;
      }
    }
    for (const name of ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch']) {
      writeFileSync(join(data, `${name}.bin`), records);
    }
  });

  const SMALL = ['--preprocessing', 'standardise', '--train-examples', '600', '--test-examples', '120'];

  for (const [name, args] of Object.entries({
    'the modern recipe': ['--recipe', 'modern', '--width-multiplier', '0.1', '--batch-size', '50', '--epochs', '4'],
    "the paper's network with batch norm": [
      ...['--normalization', 'batch', '--width-multiplier', '0.05', '--batch-size', '50', '--epochs', '1'],
    ],
  })) {
    test(`${name} learns colours`, async () => {
      const run = join(folder, name.replaceAll(/\W+/g, '-'));
      const { code, stdout, stderr } = await runCommand(
        ...(['train-supervised', '--task', 'cifar10', '--data-dir', data, ...SMALL, ...args] as const),
        ...['--initialization-examples', '100', '--run-dir', run, '--json'],
      );
      expect(code, stderr).toBe(0);
      const { metrics } = JSON.parse(stdout);
      expect(metrics.testError).toBeLessThan(0.8); // 0.9 by chance
      const evaluation = await runCommand('evaluate-supervised', '--run', run, '--json');
      expect(evaluation.code, evaluation.stderr).toBe(0);
      expect(JSON.parse(evaluation.stdout).metrics.testError).toBe(metrics.testError);
    });
  }

  test('the plain network gets the learning rate of its arm', async () => {
    const config = async (...args: string[]) =>
      JSON.parse((await runCommand('train-supervised', '--task', 'cifar10', '--print-config', ...args)).stdout);
    expect((await config()).learningRate).toBe(0.003);
    expect((await config('--normalization', 'none')).learningRate).toBe(0.0003);
    expect((await config('--normalization', 'none', '--learning-rate', '0.01')).learningRate).toBe(0.01);
  });

  test('a label out of range is named', async () => {
    const other = join(folder, 'wrong-label');
    mkdirSync(other);
    const bytes = readFileSync(join(data, 'test_batch.bin'));
    for (const name of ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch']) {
      writeFileSync(join(other, `${name}.bin`), bytes);
    }
    const file = openSync(join(other, 'data_batch_2.bin'), 'r+');
    writeSync(file, Uint8Array.of(77), 0, 1, 3073 * 5);
    closeSync(file);
    const { code, stderr } = await runCommand('train-supervised', '--task', 'cifar10', '--data-dir', other);
    rmSync(other, { recursive: true });
    expect(code).toBe(2);
    expect(stderr).toContain('data_batch_2.bin: record 5 has the label 77, not 0 to 9');
  });
});

describe('bad input ends with one line and exit code 2', () => {
  const cases: Record<string, [string[], string]> = {
    'no task': [[], 'no task: name one with --task, of cifar10, vae-mnist'],
    'an unknown task': [['--task', 'cifar'], '--task cifar is unknown, did you mean cifar10?; there are '],
    'an unknown recipe': [
      ['--task', 'cifar10', '--recipe', 'moderne'],
      '--recipe moderne is unknown, did you mean modern?',
    ],
    'a width of 0': [
      ['--task', 'cifar10', '--width-multiplier', '0'],
      "option '--width-multiplier <factor>' argument '0' is invalid",
    ],
    'a setting of another task': [
      ['--task', 'draw-mnist', '--free-bits', '1'],
      '--free-bits 1 is no setting of draw-mnist',
    ],
    'another normalization': [['--task', 'vae-mnist', '--normalization', 'batch'], '--normalization batch: '],
    'no data': [['--task', 'cifar10', '--data-dir', '/nowhere'], '/nowhere/cifar-10-binary.tar.gz: no such file'],
    'a run folder that is not there': [['--run-dir', '/nowhere', '--resume'], 'run folder /nowhere does not exist'],
    'a resumed task': [
      ['--run-dir', '/nowhere', '--resume', '--task', 'cifar10'],
      '--task cifar10: a resumed run keeps its settings',
    ],
    'a warm-up beyond the decay': [
      ['--task', 'cifar10', '--warm-up', '0.6'],
      '--warm-up 0.6 ends after --decay-start 0.5: give a share of the run that is not larger',
    ],
  };
  const endings = runCommands(Object.values(cases).map(([args]) => ['train-supervised', ...args]));
  for (const [i, [name, [, message]]] of Object.entries(cases).entries()) {
    test(name, async () => {
      const { code, stdout, stderr } = (await endings())[i];
      expect(code, stderr).toBe(2);
      expect(stdout).toBe('');
      const lines = stderr.split('\n').filter((line) => line.startsWith('train-supervised: '));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain(message);
    });
  }

  test('a pixel that is not a number', async () => {
    const data = join(folder, 'nan');
    mkdirSync(data);
    const image = `${Array.from({ length: 784 }, (_, i) => (i === 300 ? 'nan' : '0')).join(' ')}\n`;
    for (const set of ['train', 'valid', 'test']) writeFileSync(join(data, `binarized_mnist_${set}.amat`), image);
    const { code, stderr } = await runCommand(
      ...(['train-supervised', '--task', 'vae-mnist', '--binarisation', 'larochelle', '--data-dir', data] as const),
    );
    expect(code).toBe(2);
    expect(stderr.trim().split('\n').at(-1)).toMatch(/^train-supervised: .*binarized_mnist_train\.amat: .*line 1/);
  });

  test('the folder of an agent, and importance samples of what has none', async () => {
    const agent = join(folder, 'agent');
    mkdirSync(agent);
    writeFileSync(join(agent, 'config.json'), readFileSync('test/fixtures/runs-0.1.0/cartpole/config.json'));
    const wrongKind = await runCommand('evaluate-supervised', '--run', agent);
    expect(wrongKind.code).toBe(2);
    expect(wrongKind.stderr).toContain('is the run of an agent: use train-agent and evaluate-agent for it');
    const noBound = await runCommand('evaluate-supervised', '--run', join(folder, 'draw'), '--importance-samples', '5');
    expect(noBound.code).toBe(2);
    expect(noBound.stderr).toContain('--importance-samples 5: draw-mnist has no such bound; leave it out');
  });
});

test('a rate at which the loss leaves the numbers ends with exit code 1 and keeps the checkpoints', async () => {
  const run = join(folder, 'diverged');
  const { code, stderr } = await runCommand(
    ...(['train-supervised', ...TINY_VAE, '--epochs', '50', '--learning-rate', '1e30', '--run-dir', run] as const),
  );
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /train-supervised: learning has diverged at update \d+: \S+ is \S+, .*; give a --learning-rate below 1e\+30;/,
  );
  expect(existsSync(join(run, 'run.lock'))).toBe(false);
});
