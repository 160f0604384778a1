import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, test } from 'vitest';
import { cpuBfloat16 } from '../../src/runtime/bfloat16.ts';
import { describeGpu, loadTensorFlow } from '../../src/runtime/tensorflow.ts';

const folder = mkdtempSync(join(tmpdir(), 'weightnorm-rl-runtime-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('loadTensorFlow', () => {
  test('makes the C library the backend of the one tfjs instance', () => {
    const runtime = loadTensorFlow();
    expect(runtime.version).toMatch(/^2\.\d+\.\d+$/);
    expect(tf.getBackend()).toBe('tensorflow');
    const before = tf.memory().numTensors;
    const product = runtime.tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync());
    expect([...product]).toEqual([11]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('says where the kernels run', () => {
    const { device, usesGpu } = loadTensorFlow();
    if (usesGpu) expect(device).toMatch(/^GPU/);
    else expect(device).toBe(`CPU (${availableParallelism()} cores)`);
  });

  test('loads once', () => {
    expect(loadTensorFlow()).toBe(loadTensorFlow());
  });

  test('serves the kernels that call util.isNullOrUndefined, which new Node.js versions lack or warn about', () => {
    const values = tf.tidy(() => tf.topk(tf.tensor1d([3, 1, 2]), 2).values.dataSync());
    expect([...values]).toEqual([3, 2]);
  });

  test.each<[level: string | undefined, isQuiet: boolean]>([
    [undefined, true],
    ['0', false],
  ])('logs as TF_CPP_MIN_LOG_LEVEL says: %s', (level, isQuiet) => {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const script = `
      import { loadTensorFlow } from './dist/src/runtime/tensorflow.js';
      const { tf } = loadTensorFlow();
      tf.tidy(() => tf.topk([3, 1, 2], 2).values.dataSync());`;
    const { TF_CPP_MIN_LOG_LEVEL: _, ...env } = process.env;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: root,
      encoding: 'utf8',
      env: { ...env, ...(level !== undefined && { TF_CPP_MIN_LOG_LEVEL: level }) },
    });
    expect(status).toBe(0);
    if (isQuiet) expect(stderr).toBe('');
    else expect(stderr).toContain('oneDNN');
  });
});

describe('describeGpu', () => {
  const writeGpus = (name: string, models: string[]) => {
    for (const [i, model] of models.entries()) {
      mkdirSync(join(folder, name, `0000:0${i}:00.0`), { recursive: true });
      writeFileSync(join(folder, name, `0000:0${i}:00.0/information`), `Model: \t\t ${model}\nIRQ:   \t\t 42\n`);
    }
    return join(folder, name);
  };

  test('names the model where all GPUs are of one model', () => {
    expect(describeGpu(writeGpus('one', ['NVIDIA H200']))).toBe('GPU (NVIDIA H200)');
    expect(describeGpu(writeGpus('two', ['NVIDIA H200', 'NVIDIA H200']))).toBe('GPU (NVIDIA H200)');
  });

  test('names none where the driver says nothing or several models', () => {
    expect(describeGpu(join(folder, 'no-such-folder'))).toBe('GPU');
    expect(describeGpu(writeGpus('mixed', ['NVIDIA H200', 'NVIDIA L4']))).toBe('GPU');
  });
});

describe('bfloat16', () => {
  const cpu = (flags: string) => `processor\t: 0\nflags\t\t: fpu ${flags} sse\n`;
  const [avx2, avx512, newest] = ['avx avx2', 'avx2 avx512f', 'avx2 avx512f avx512_bf16 amx_bf16 amx_tile'].map(cpu);

  test.each([
    [cpu('avx512_bf16'), 'native'],
    [newest, 'native'],
    [avx512, 'emulated'],
    [avx2, 'emulated'],
    ['model name : avx512_bf16\n', 'emulated'],
    ['', 'emulated'],
  ])('is found among the flags of a CPU, whole words only: %j', (cpuInfo, expected) => {
    expect(cpuBfloat16(cpuInfo, {})).toBe(expected);
  });

  test.each([
    [newest, { ONEDNN_MAX_CPU_ISA: 'AVX2' }, 'none'],
    [newest, { DNNL_MAX_CPU_ISA: 'sse41' }, 'none'],
    [avx512, { ONEDNN_MAX_CPU_ISA: 'AVX2_VNNI' }, 'none'],
    [cpu('avx2 avx_ne_convert'), { ONEDNN_MAX_CPU_ISA: 'AVX' }, 'none'],
    [avx2, { ONEDNN_MAX_CPU_ISA: 'SSE41' }, 'emulated'],
    [newest, { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE' }, 'emulated'],
    [newest, { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_BF16' }, 'native'],
    [newest, { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_AMX', DNNL_MAX_CPU_ISA: 'AVX2' }, 'native'],
    [newest, { ONEDNN_MAX_CPU_ISA: 'AVX2', TF_ENABLE_ONEDNN_OPTS: '0' }, 'emulated'],
  ])('depends on what oneDNN may use: %#', (cpuInfo, env, expected) => {
    expect(cpuBfloat16(cpuInfo, env)).toBe(expected);
  });
});
