// What the weights and the units of an agent's network do while it learns.
import * as tf from '@tensorflow/tfjs';
import { dormantShare, featureRank, reluActivations } from '../networks/index.ts';
import type { FrameArray } from '../replay/index.ts';
import { gridPicture, type Picture } from '../report/pictures.ts';
import type { NewEvent, Numbers, Shown } from '../runs/events.ts';
import type { Tracker } from '../runs/tracker.ts';
import { crossed } from '../runs/trainable.ts';
import { createDiagnostics, diagnosticScalars } from '../weightnorm/index.ts';
import type { Agent, AgentStep } from './agent.ts';
import type { AgentSettings } from './settings.ts';
import { networkInput, type StateOptions, statesTensor } from './states.ts';

/** The states that units are looked at with. */
const MOST_STATES = 256;
/** Those of them that are shown, below each other. */
const SHOWN_STATES = 4;

/**
 * Looks at the agent's network every so many agent steps, with states that the agent holds to learn from: a
 * `diagnostics` event with the numbers of `diagnose`. It draws nothing and changes nothing.
 * @param learningRate That of the settings; a step's own, where it tells of one, comes first.
 */
export function diagnoseEvery(
  { diagnosticsPeriodSteps }: Pick<AgentSettings, 'diagnosticsPeriodSteps'>,
  learningRate: number,
  states: StateOptions,
): Tracker<AgentStep> {
  return {
    async onStep(step, run) {
      if (!crossed(step, diagnosticsPeriodSteps)) return;
      const agent = run.trainable as Agent;
      const held = agent.someStates?.(MOST_STATES);
      await run.emit(diagnose(agent, step.now.learningRate ?? learningRate, held, states));
    },
  };
}

/**
 * What a network's weights and units do, by layer. Of kernels, as means over their units: `conv1/kernel/norm` (||v||),
 * `conv1/kernel/gain` (g, or ||w||), `conv1/kernel/effectiveLearningRate` (rate g^2/||v||^2). Of layers with a ReLU,
 * over the states: `conv1/dormantShare`, and of dense ones `dense1/featureRank`, both explained in src/networks;
 * besides `diagnosedStates`, how many there were. To be shown: ||v|| and g of each unit as histograms,
 * `conv1/kernel/norms` and `conv1/kernel/gains`, and some of the states as a picture, the frames of each side by side.
 * @param held Stacked states, none where the agent gives none.
 */
export function diagnose(
  agent: Pick<Agent, 'currentNetwork' | 'inputsFor'>,
  learningRate: number,
  held: FrameArray | undefined,
  states: StateOptions,
): NewEvent & { kind: 'diagnostics' } {
  const network = agent.currentNetwork();
  const histograms: Record<string, ArrayLike<number>> = {};
  const kernels = tf.tidy(() => {
    const diagnostics = createDiagnostics(network);
    const rows = diagnostics.measure({ learningRate });
    diagnostics.dispose();
    for (const { layer, kernel, norm, gain } of rows) {
      histograms[`${layer}/${kernel}/norms`] = norm.dataSync();
      histograms[`${layer}/${kernel}/gains`] = gain.dataSync();
    }
    return diagnosticScalars(rows);
  });
  if (held === undefined || held.length === 0) return { kind: 'diagnostics', numbers: kernels, shown: { histograms } };
  const picture = statesPicture(held, states);
  const shown: Shown = { histograms, ...(picture && { pictures: { states: picture } }) };
  return { kind: 'diagnostics', numbers: { ...kernels, ...unitNumbers(agent, network, held, states) }, shown };
}

function unitNumbers(
  agent: Pick<Agent, 'inputsFor'>,
  network: tf.LayersModel,
  held: FrameArray,
  states: StateOptions,
): Numbers {
  return tf.tidy(() => {
    const stacked = statesTensor(held, states);
    const inputs = agent.inputsFor?.(stacked) ?? [networkInput(network, stacked)];
    const units = reluActivations(network, inputs).flatMap(({ layer, values }) => [
      [`${layer}/dormantShare`, dormantShare(values)],
      ...(values.rank === 2
        ? [[`${layer}/featureRank`, featureRank(values.dataSync(), values.shape[1] as number)]]
        : []),
    ]);
    return { ...Object.fromEntries(units), diagnosedStates: stacked.shape[0] };
  });
}

/** The first states, where they are grey pictures of bytes; undefined for others. */
function statesPicture(held: FrameArray, { frameShape, frameStack, dtype }: StateOptions): Picture | undefined {
  const [height, width] = frameShape;
  if (dtype !== 'uint8' || frameShape.length !== 2) return undefined;
  const count = Math.min(SHOWN_STATES, held.length / (height * width * frameStack)) * frameStack;
  const images = held.subarray(0, count * height * width);
  return gridPicture(images, { count, height, width, channels: 1, columns: frameStack, range: 'levels' });
}
