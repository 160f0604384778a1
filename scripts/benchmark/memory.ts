import * as tf from '@tensorflow/tfjs';
import { makeVectorEnv } from 'gymnasium-js-bridge';
import type { DqnSettings } from '../../agents/dqn/config.ts';
import { createDqn } from '../../agents/dqn/index.ts';
import { dqnPresets } from '../../agents/dqn/presets.ts';
import { envOptions } from '../../src/agent/environment.ts';
import { summarize } from '../../src/report/statistics.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import type { PrepareOptions } from './plan.ts';

/** The allowed growth of resident memory after warm-up. */
const ALLOWED_GROWTH = 0.02;
const ROWS = 10;
/** Tenths of the run that are warm-up: allocators and the JIT compiler have seen everything by then. */
const WARM_UP_ROWS = 1;

export interface MemoryOptions {
  updates: number;
  batchSize: number;
}

export interface MemoryRow {
  updates: number;
  numTensors: number;
  /** Median over the tenth that ends here. */
  rssMegabytes: number;
  seconds: number;
}

export interface MemoryResult {
  settings: Record<string, unknown>;
  rows: MemoryRow[];
  /** How many tensors were added from the end of warm-up on. */
  tensorGrowth: number;
  /**
   * Largest rise of one row's median over an earlier row's, from the end of warm-up on. Memory that goes back to the
   * system is no leak.
   */
  rssGrowth: number;
  constant: boolean;
}

/**
 * Trains the real agent on Enduro for a number of updates, one every agent step with a small batch, so that 50,000 take
 * minutes; the work of each call differs from a real run's in size only. The replay is full before the first row.
 */
export async function measureMemory(
  { updates, batchSize }: MemoryOptions,
  { note, defer }: Pick<PrepareOptions, 'note' | 'defer'>,
  onRow: (row: MemoryRow) => void,
): Promise<MemoryResult> {
  loadTensorFlow();
  const config: DqnSettings = {
    ...dqnPresets.fast.settings,
    game: 'Enduro',
    batchSize,
    updatePeriodSteps: 1,
    learningStarts: 1_000,
    replayCapacity: 1_000,
    targetUpdatePeriodSteps: 500,
    epsilonDecaySteps: 1_000,
  };
  const env = await makeVectorEnv(envOptions(config));
  defer(() => env.close());
  const agent = createDqn(config, env);
  defer(() => agent.dispose());
  await agent.begin();
  note(`filling the replay: ${config.learningStarts} agent steps`);
  while (agent.updates === 0) await agent.step();

  const startMs = performance.now();
  const rows: MemoryRow[] = [];
  let rss: number[] = [];
  while (rows.length < ROWS) {
    await agent.step();
    rss.push(process.memoryUsage.rss() / 1e6);
    if (agent.updates < (updates * (rows.length + 1)) / ROWS) continue;
    const row = {
      updates: agent.updates,
      numTensors: tf.memory().numTensors,
      rssMegabytes: summarize(rss).median,
      seconds: (performance.now() - startMs) / 1000,
    };
    rows.push(row);
    rss = [];
    onRow(row);
  }
  return { settings: { ...config }, rows, ...judge(rows) };
}

/** Whether tensors and resident memory stayed the same from the end of warm-up on. */
export function judge(
  rows: readonly Pick<MemoryRow, 'numTensors' | 'rssMegabytes'>[],
): Pick<MemoryResult, 'tensorGrowth' | 'rssGrowth' | 'constant'> {
  const warm = rows.slice(WARM_UP_ROWS);
  const tensors = summarize(warm.map(({ numTensors }) => numTensors));
  const tensorGrowth = tensors.max - tensors.min;
  let [least, rssGrowth] = [Number.POSITIVE_INFINITY, 0];
  for (const { rssMegabytes } of warm) {
    rssGrowth = Math.max(rssGrowth, rssMegabytes / least - 1);
    least = Math.min(least, rssMegabytes);
  }
  return { tensorGrowth, rssGrowth, constant: tensorGrowth === 0 && rssGrowth <= ALLOWED_GROWTH };
}
