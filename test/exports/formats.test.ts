// Networks of every agent, head and normalization in each format, loaded by who reads that format.
import '../node-backend.ts';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findAgent } from '../../agents/registry.ts';
import { type AgentSettings, stateOptions, statesTensor } from '../../src/agent/index.ts';
import { agentGraph, type Graph, writeGraph } from '../../src/exports/index.ts';
import { allVariables } from '../../src/networks/index.ts';
import { resolveSettings } from '../../src/settings/index.ts';
import { findChromium, NEEDS_CHROMIUM } from '../browser/chromium.ts';
import { askPython } from '../python-oracle.ts';
import { openExports } from './page.ts';

/** What networks are made for: nothing is played here. */
type Spaces = Pick<VectorEnv, 'observationSpace' | 'actionSpace' | 'settings' | 'numEnvs'>;
const spaces = (kind: 'atari' | 'gymnasium', dtype: 'uint8' | 'float32', shape: number[], n: number, high: number) =>
  ({
    numEnvs: 1,
    observationSpace: { dtype, shape, low: 0, high },
    actionSpace: { n },
    settings: { kind, id: 'x' },
  }) as unknown as Spaces;
const atari = spaces('atari', 'uint8', [1, 84, 84], 4, 255);
const vectors = spaces('gymnasium', 'float32', [4], 2, Infinity);
const channels = spaces('gymnasium', 'uint8', [10, 10, 6], 3, 1);

const frames = { network: 'nature', hiddenUnits: [16], frameStack: 4 };
const small = { network: 'minatar', hiddenUnits: [16] };
const flat = { network: 'mlp', hiddenUnits: [12, 8] };
const CASES: { name: string; agent: string; env: Spaces; given: object }[] = [
  { name: 'dqn, mlp, weight norm', agent: 'dqn', env: vectors, given: { ...flat, normalization: 'weight' } },
  { name: 'dqn, nature, weight norm', agent: 'dqn', env: atari, given: { ...frames, normalization: 'weight' } },
  {
    name: 'dqn, nature "same", dueling, noisy, mean-only batch norm',
    agent: 'dqn',
    env: atari,
    given: { ...frames, padding: 'same', dueling: true, noiseScale: 0.5, normalization: 'weight+mean-only-batch' },
  },
  {
    name: 'dqn, mlp, dueling, layer norm, no normalization',
    agent: 'dqn',
    env: vectors,
    given: { ...flat, dueling: true, layerNorm: 'channels', normalization: 'none' },
  },
  { name: 'c51, minatar', agent: 'c51', env: channels, given: { ...small, frameStack: 1, normalization: 'weight' } },
  {
    name: 'rainbow, nature, layer norm over all',
    agent: 'rainbow',
    env: atari,
    given: { ...frames, dueling: true, noiseScale: 0.5, layerNorm: 'all', normalization: 'weight' },
  },
  {
    name: 'qr-dqn, mlp, stacked vectors',
    agent: 'qr-dqn',
    env: vectors,
    given: { ...flat, frameStack: 3, normalization: 'mean-only-batch', quantiles: 7 },
  },
  {
    name: 'iqn, nature, layer norm over channels',
    agent: 'iqn',
    env: atari,
    given: { ...frames, layerNorm: 'channels', normalization: 'weight' },
  },
  { name: 'iqn, mlp', agent: 'iqn', env: vectors, given: { ...flat, normalization: 'weight', policyQuantiles: 5 } },
  { name: 'pqn, minatar, stacked', agent: 'pqn', env: channels, given: { ...small, frameStack: 2, layerNorm: 'all' } },
];
const BATCH = 3;

interface Exported {
  name: string;
  folder: string;
  graph: Graph;
  states: Float32Array;
  /** That of one state. */
  shape: number[];
  qValues: number[];
  numActions: number;
}

let folder: string;
let exported: Exported[];

/** A network with weights as if learned, its Q-values for random states, and its graph. */
function exportCase({ name, agent, env, given }: (typeof CASES)[number], number: number): Exported {
  const definition = findAgent(agent);
  const base = { ...(env === atari ? { game: 'Pong' } : { envId: 'X-v0' }), ...given } as Partial<AgentSettings>;
  const { settings } = resolveSettings<AgentSettings>(definition, definition.defaultPreset(base), base);
  const network = definition.createNetwork(settings, env as VectorEnv);
  allVariables(network).forEach(({ name: variable, variable: tensor }, i) => {
    // Scales stay near 1, so that values keep the size that learned ones have.
    const isScale = /gain|gamma|moving_variance/i.test(variable);
    if (!/kernel/i.test(variable)) {
      tf.tidy(() => tensor.assign(tf.randomNormal(tensor.shape, isScale ? 1 : 0, 0.2, 'float32', 100 * number + i)));
    }
  });
  const states = stateOptions(settings, env as VectorEnv);
  const shape = [...(states.frameStack > 1 ? [states.frameStack] : []), ...states.frameShape];
  const top = env.observationSpace.high as number;
  const random = tf.randomUniform(
    [BATCH, ...shape],
    top === Infinity ? -1 : 0,
    top === Infinity ? 1 : top + 1,
    'float32',
    number,
  );
  const values = Float32Array.from(random.dataSync(), (value) => (top === Infinity ? value : Math.floor(value)));
  const qValues = tf.tidy(() => definition.actionValues(network, statesTensor(values, states), settings).dataSync());
  const graph = agentGraph({
    network,
    states,
    numActions: env.actionSpace.n,
    outputs: definition.outputs?.(settings) ?? { kind: 'values' },
  });
  tf.dispose([random]);
  network.dispose();
  return {
    ...{ name, graph, states: values, shape, qValues: [...qValues], numActions: env.actionSpace.n },
    folder: join(folder, String(number)),
  };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'exports-'));
  exported = CASES.map(exportCase);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function expectClose(actual: ArrayLike<number>, expected: readonly number[], what: string): void {
  expect(actual.length, what).toBe(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  expect(scale, what).toBeGreaterThan(1e-3);
  const difference = Math.max(...Array.from(actual, (value, i) => Math.abs(value - expected[i])));
  expect(difference / scale, what).toBeLessThan(1e-5);
  // The best action of each state is the same too.
  expect(Array.from(actual, Number.isFinite)).not.toContain(false);
}

test('ONNX Runtime computes the same, for any number of states', async () => {
  for (const { name, folder: path, graph, states, shape, qValues, numActions } of exported) {
    const at = `${path}-onnx`;
    await writeInto(at, 'onnx', graph);
    const session = await InferenceSession.create(join(at, 'model.onnx'), { logSeverityLevel: 3 });
    const size = states.length / BATCH;
    for (const count of [BATCH, 1]) {
      const input = new Tensor('float32', states.slice(0, count * size), [count, ...shape]);
      const outputs = await session.run({ states: input });
      expectClose(outputs.q_values.data as Float32Array, qValues.slice(0, count * numActions), name);
      expect(outputs.q_values.dims, name).toEqual([count, numActions]);
      for (const [output, { shape: sizes }] of Object.entries(graph.outputs)) {
        expect(outputs[output].dims, `${name}: ${output}`).toEqual([count, ...sizes.slice(1)]);
      }
    }
    await session.release();
  }
});

describe('in Python', () => {
  /** Plain networks of which numpy computes the outputs from the weights alone. */
  const layersOf: Record<string, [string, number | null][]> = {
    'dqn, mlp, weight norm': [
      ['dense1', null],
      ['dense2', null],
      ['q', null],
    ],
    'dqn, nature, weight norm': [
      ['conv1', 4],
      ['conv2', 2],
      ['conv3', 1],
      ['dense1', null],
      ['q', null],
    ],
  };
  let answer: {
    savedModels: Record<string, number[][]>[];
    safetensors: { q_values: number[][]; types: string[]; shapes: Record<string, number[]> }[];
  };
  const plain = () => exported.filter(({ name }) => name in layersOf);

  beforeAll(async () => {
    for (const { folder: path, graph } of exported) await writeInto(`${path}-saved`, 'saved-model', graph);
    for (const { folder: path, graph } of plain()) {
      await writeInto(`${path}-weights`, 'safetensors', graph);
      await writeInto(`${path}-half`, 'safetensors', graph, true);
    }
    const nested = ({ states, shape }: Exported) => tf.tidy(() => tf.tensor(states, [BATCH, ...shape]).arraySync());
    answer = askPython(new URL('./exported_oracle.py', import.meta.url), {
      savedModels: exported.map((one) => ({ folder: `${one.folder}-saved`, states: nested(one) })),
      safetensors: plain().flatMap((one) =>
        ['weights', 'half'].map((kind) => ({
          file: `${one.folder}-${kind}/model.safetensors`,
          states: nested(one),
          layers: layersOf[one.name],
        })),
      ),
    });
  });

  test('TensorFlow serves the same from each SavedModel', () => {
    exported.forEach(({ name, qValues, graph }, i) => {
      expectClose(answer.savedModels[i].q_values.flat(), qValues, name);
      expect(Object.keys(answer.savedModels[i]).sort(), name).toEqual(Object.keys(graph.outputs).sort());
    });
  });

  test('numpy computes the same from the safetensors, and nearly the same from float16', () => {
    plain().forEach(({ name, qValues }, i) => {
      const [whole, half] = answer.safetensors.slice(2 * i, 2 * i + 2);
      expectClose(whole.q_values.flat(), qValues, name);
      expect(whole.types).toEqual(['float32']);
      expect(Object.keys(whole.shapes).sort()).toEqual(
        layersOf[name].flatMap(([layer]) => [`${layer}/bias`, `${layer}/kernel`]),
      );
      expect(half.types).toEqual(['float16']);
      const scale = Math.max(...qValues.map(Math.abs));
      const differences = half.q_values.flat().map((value, j) => Math.abs(value - qValues[j]) / scale);
      expect(Math.max(...differences), name).toBeLessThan(5e-3);
      expect(Math.max(...differences), name).toBeGreaterThan(1e-7);
    });
  });
});

test('tfjs alone computes the same in a browser', async (context) => {
  const browser = findChromium();
  if (!browser) return context.skip(NEEDS_CHROMIUM);
  for (const { folder: path, graph } of exported) await writeInto(`${path}-tfjs`, 'tfjs', graph);
  const page = await openExports(browser, folder);
  for (const { name, states, shape, qValues, numActions, folder: path } of exported) {
    const one = [...states.slice(0, states.length / BATCH)];
    const values = await page.qValues(`${path.slice(folder.length + 1)}-tfjs/model.json`, one, [1, ...shape]);
    expectClose(values, qValues.slice(0, numActions), name);
  }
  expect(page.complaints).toEqual([]);
});

async function writeInto(path: string, format: Parameters<typeof writeGraph>[1], graph: Graph, half = false) {
  mkdirSync(path);
  await writeGraph(path, format, graph, { half });
}
