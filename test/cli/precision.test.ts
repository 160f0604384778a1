import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cpuBfloat16 } from '../../src/runtime/bfloat16.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { startCommand } from '../processes.ts';
import { NO_BFLOAT16 } from '../runtime/learning-steps.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'precision-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** oneDNN without the newer instructions, as one sets it to compare machines. */
const HELD = { ONEDNN_MAX_CPU_ISA: 'AVX2' };
const { bfloat16: support, usesGpu } = loadTensorFlow();
const heldSupport = usesGpu ? 'native' : cpuBfloat16(undefined, { ...process.env, ...HELD });

function train(precision: string, runDir: string, env?: Record<string, string>) {
  const args = ['--env-id', 'CartPole-v1', '--precision', precision, '--run-dir', runDir];
  const length = ['--steps', '200', '--learning-starts', '100', '--log-period-steps', '10'];
  return startCommand('train-agent', [...args, ...length], env).ended;
}

test('bfloat16 reaches the compiled steps, is kept, and is said to be slow where it is', async ({ skip }) => {
  skip(support === 'none', NO_BFLOAT16);
  const firstLoss = async (precision: string) => {
    const runDir = join(folder, precision);
    const { code, stderr } = await train(precision, runDir);
    expect(code, stderr).toBe(0);
    expect(/no instructions for it/.test(stderr)).toBe(precision === 'bfloat16' && support === 'emulated');
    const { settings } = JSON.parse(readFileSync(join(runDir, 'config.json'), 'utf8'));
    expect(settings.precision).toBe(precision);
    const lines = readFileSync(join(runDir, 'metrics.jsonl'), 'utf8').trim().split('\n');
    return lines.map((line) => JSON.parse(line).loss).find((loss) => loss !== undefined);
  };
  const [exact, rounded] = [await firstLoss('float32'), await firstLoss('bfloat16')];
  expect(rounded).not.toBe(exact);
  expect(Math.abs(rounded / exact - 1)).toBeLessThan(0.05);
  expect(await firstLoss('auto')).toBe(support === 'native' && !usesGpu ? rounded : exact);
});

test('bfloat16 with a oneDNN held to older instructions is refused where it would end the process', async () => {
  const runDir = join(folder, 'held');
  const { code, stderr } = await train('bfloat16', runDir, HELD);
  if (heldSupport === 'none') {
    expect(stderr.trim().split('\n').at(-1)).toBe(
      'train-agent: precision bfloat16: oneDNN is held to AVX2 by ONEDNN_MAX_CPU_ISA, where it has no products of ' +
        'bfloat16 numbers: unset ONEDNN_MAX_CPU_ISA, or use float32',
    );
    expect(code).toBe(2);
    expect(existsSync(runDir)).toBe(false);
  } else {
    expect(code, stderr).toBe(0);
  }
  const auto = await train('auto', join(folder, 'held-auto'), HELD);
  expect(auto.code, auto.stderr).toBe(0);
});

test('so is the evaluation of a run in bfloat16', async ({ skip }) => {
  skip(support === 'none', NO_BFLOAT16);
  const run = join(folder, 'bfloat16-run');
  const { code, stderr } = await train('bfloat16', run);
  expect(code, stderr).toBe(0);
  const evaluation = await startCommand('evaluate-agent', ['--run', run, '--episodes', '1'], HELD).ended;
  expect(evaluation.code, evaluation.stderr).toBe(heldSupport === 'none' ? 2 : 0);
  if (heldSupport === 'none') expect(evaluation.stderr).toContain('evaluate-agent: precision bfloat16: ');
});
