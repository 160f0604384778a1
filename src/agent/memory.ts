import type { VectorEnv } from 'gymnasium-js-bridge';
import { MINATAR_CONVOLUTIONS, NATURE_CONVOLUTIONS } from '../networks/q-networks.ts';
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
    const convolutions = network === 'nature' ? NATURE_CONVOLUTIONS : MINATAR_CONVOLUTIONS;
    for (const { filters, kernelSize, strides } of convolutions) {
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
