// What the weights and the units of an agent's network do while it learns.
import * as tf from '@tensorflow/tfjs';
import { dormantShare, featureRank, reluActivations } from '../networks/index.ts';
import type { FrameArray } from '../replay/index.ts';
import type { Numbers } from '../runs/events.ts';
import type { Tracker } from '../runs/tracker.ts';
import { crossed } from '../runs/trainable.ts';
import { createDiagnostics, diagnosticScalars } from '../weightnorm/index.ts';
import type { Agent, AgentStep } from './agent.ts';
import type { AgentSettings } from './settings.ts';
import { networkInput, type StateOptions, statesTensor } from './states.ts';

/** The states that units are looked at with. */
const MOST_STATES = 256;

/**
 * Looks at the agent's network every so many agent steps, with states that the agent holds to learn from: a `diagnostics`
 * event with the numbers of `diagnose`. It draws nothing and changes nothing.
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
      const numbers = diagnose(agent, step.now.learningRate ?? learningRate, held, states);
      await run.emit({ kind: 'diagnostics', numbers });
    },
  };
}

/**
 * What a network's weights and units do, by layer. Of kernels, as means over their units: `conv1/kernel/norm` (||v||),
 * `conv1/kernel/gain` (g, or ||w||), `conv1/kernel/effectiveLearningRate` (rate g^2/||v||^2). Of layers with a ReLU, over the
 * states: `conv1/dormantShare`, and of dense ones `dense1/featureRank`, both explained in src/networks; besides
 * `diagnosedStates`, how many there were.
 * @param held Stacked states, none where the agent gives none.
 */
export function diagnose(
  agent: Pick<Agent, 'currentNetwork' | 'inputsFor'>,
  learningRate: number,
  held: FrameArray | undefined,
  states: StateOptions,
): Numbers {
  return tf.tidy(() => {
    const network = agent.currentNetwork();
    const diagnostics = createDiagnostics(network);
    const kernels = diagnosticScalars(diagnostics.measure({ learningRate }));
    diagnostics.dispose();
    if (held === undefined || held.length === 0) return kernels;
    const stacked = statesTensor(held, states);
    const inputs = agent.inputsFor?.(stacked) ?? [networkInput(network, stacked)];
    const units = reluActivations(network, inputs).flatMap(({ layer, values }) => [
      [`${layer}/dormantShare`, dormantShare(values)],
      ...(values.rank === 2
        ? [[`${layer}/featureRank`, featureRank(values.dataSync(), values.shape[1] as number)]]
        : []),
    ]);
    return { ...kernels, ...Object.fromEntries(units), diagnosedStates: stacked.shape[0] };
  });
}
