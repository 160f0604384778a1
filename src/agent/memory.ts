import type { VectorEnv } from 'gymnasium-js-bridge';
import { IMAGE_NETWORKS } from '../networks/q-networks.ts';
import { type ReplayOptions, replayBytes } from '../replay/index.ts';
import { activationBytes, checkMachineMemory, weightBytes } from '../runs/machine-memory.ts';
import type { AgentSettings } from './settings.ts';
import { type StateOptions, stateOptions } from './states.ts';

interface LearningSettings {
  replayCapacity?: number;
  replayCompression?: ReplayOptions['replayCompression'];
  batchSize?: number;
  rolloutSteps?: number;
  minibatches?: number;
  atoms?: number;
  quantiles?: number;
  targetQuantiles?: number;
  cosines?: number;
}

/** Above it making the network takes more than some seconds: tfjs draws its weights one by one. */
const MANY_WEIGHTS = 1e7;

/**
 * Refuses a replay, a network or a batch that the machine cannot hold, before the hours after which it would fill up.
 * @param options.hasOwnNetwork The network was handed in: its size is not known here.
 * @param options.note Hears of a network that takes long to make.
 * @param options.machineBytes The memory in place of this machine's.
 * @throws SettingError with what fits.
 */
export function checkMemory(
  settings: AgentSettings & LearningSettings,
  env: VectorEnv,
  {
    hasOwnNetwork = false,
    machineBytes,
    note,
  }: { hasOwnNetwork?: boolean; machineBytes?: number; note?: ((line: string) => void) | undefined } = {},
): void {
  const { replayCapacity: capacity = 0, replayCompression = 'none', hiddenUnits } = settings;
  const { rolloutSteps = 0, minibatches = 1, batchSize = (rolloutSteps * env.numEnvs) / minibatches } = settings;
  const states = stateOptions(settings, env);
  const { weights, activations } = hasOwnNetwork
    ? { weights: 0, activations: 0 }
    : networkSize(settings, states, env.actionSpace.n);
  checkMachineMemory(
    [
      { key: 'replayCapacity', value: capacity, bytes: replayBytes({ capacity, replayCompression, ...states }) },
      { key: 'rolloutSteps', value: rolloutSteps, bytes: rolloutSteps * replayBytes(rolloutOf(states, env)) },
      { key: 'hiddenUnits', value: hiddenUnits, bytes: weightBytes(weights) },
      { key: 'batchSize', value: batchSize, bytes: batchSize * activationBytes(activations) },
      ...distributionNeeds(settings, batchSize, env.actionSpace.n),
    ],
    machineBytes,
  );
  if (weights > MANY_WEIGHTS) {
    note?.(`making a network of ${Math.round(weights / 1e6)} million weights: some seconds for each 10 million`);
  }
}

/** One step of all environments, with its frames stacked. */
function rolloutOf({ frameShape, frameStack, dtype }: StateOptions, { numEnvs }: VectorEnv) {
  return { capacity: numEnvs * frameStack, frameShape, dtype, replayCompression: 'none' } as const;
}

/** What atoms or quantiles need beside values: each of a batch's is compared with each of its targets. */
function distributionNeeds(settings: AgentSettings & LearningSettings, batchSize: number, actions: number) {
  const { atoms, quantiles, targetQuantiles, cosines, hiddenUnits } = settings;
  const count = atoms ?? quantiles;
  if (count === undefined) return [];
  const width = hiddenUnits.at(-1) ?? 0;
  const pairs = activationBytes(count * (targetQuantiles ?? count));
  // An implicit quantile network works once for each quantile; another one has an output for each.
  const outputs = activationBytes(cosines === undefined ? 2 * actions * count : 2 * count * (width + actions));
  const weights = cosines === undefined ? weightBytes(width * actions * count) : 0;
  const key = atoms === undefined ? 'quantiles' : 'atoms';
  return [{ key, value: count, bytes: batchSize * (pairs + outputs) + weights }];
}

/** Weights, and activations of one state and the next one, of a network of the settings. */
function networkSize(
  { network, padding, hiddenUnits }: AgentSettings,
  { frameShape, frameStack }: StateOptions,
  outputs: number,
): { weights: number; activations: number } {
  const inputs = frameShape.reduce((product, size) => product * size, frameStack);
  let weights = 0;
  let activations = inputs;
  let width = inputs;
  if (network !== 'mlp') {
    const [height, breadth] = frameShape;
    const after = (size: number, kernel: number, stride: number) =>
      padding === 'same' ? Math.ceil(size / stride) : Math.floor((size - kernel) / stride) + 1;
    let [rows, columns] = [height, breadth];
    for (const { filters, kernelSize, strides } of IMAGE_NETWORKS[network]) {
      [rows, columns] = [after(rows, kernelSize, strides), after(columns, kernelSize, strides)];
      width = rows * columns * filters;
      activations += width;
    }
  }
  for (const units of [...hiddenUnits, outputs]) {
    weights += width * units;
    activations += units;
    width = units;
  }
  return { weights, activations: 2 * activations };
}
