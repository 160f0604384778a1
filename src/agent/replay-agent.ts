// What agents that learn from a replay share: their parts, and the state that these make up.
import type { VectorEnv } from 'gymnasium-js-bridge/environments';
import { z } from 'zod';
import type { Experience } from '../experience/index.ts';
import type { Numbers } from '../runs/events.ts';
import { type State, StateError, type StoredTensors } from '../runs/trainable.ts';
import { type Exploration, explorationStateSchema } from './exploration.ts';
import type { ValueLearner } from './value-learner.ts';

/** What an agent that learns values from a replay is made of. */
export interface ReplayAgentParts<S> {
  readonly settings: S;
  readonly env: Pick<VectorEnv, 'numEnvs' | 'send' | 'receive'>;
  readonly experience: Pick<
    Experience,
    | 'states'
    | 'nextSeeds'
    | 'size'
    | 'begin'
    | 'record'
    | 'sample'
    | 'someStates'
    | 'updatePriorities'
    | 'getState'
    | 'setState'
  >;
  readonly learner: ValueLearner;
  readonly exploration: Exploration;
  /** Hears of what the user should know, a line each. */
  readonly note?: ((line: string) => void) | undefined;
}

/** A step whose actions were sent and whose updates were made, and whose answer has not come. */
export interface StepUnderWay {
  readonly epsilon: number;
  readonly actions: Int32Array;
  readonly learned: Numbers[];
}

/** The parts that have a state. */
interface StatefulParts {
  readonly learner: Pick<ValueLearner, 'getState' | 'setState'>;
  readonly exploration: Exploration;
  readonly experience: Pick<Experience, 'getState' | 'setState'>;
}

/** How far an agent has come. */
export interface Progress {
  /** Agent steps. */
  position: number;
  updates: number;
  underWay: StepUnderWay | undefined;
}

const valuesSchema = z.strictObject({
  formatVersion: z.literal(1),
  agentSteps: z.int().min(0),
  updates: z.int().min(0),
  underWay: z
    .strictObject({
      epsilon: z.number(),
      actions: z.array(z.int().min(0)),
      learned: z.array(z.record(z.string(), z.number())),
    })
    .optional(),
  exploration: explorationStateSchema,
  experience: z.record(z.string(), z.unknown()),
  /** The sampler's state, which version 0.1.0 kept here. */
  sampling: z.array(z.number()).optional(),
});

/** The whole state of an agent: each part gives its own. */
export function stateOf(
  { position, updates, underWay }: Progress,
  { learner, exploration, experience }: StatefulParts,
): State {
  const played = experience.getState();
  return {
    values: {
      formatVersion: 1,
      agentSteps: position,
      updates,
      ...(underWay && { underWay: { ...underWay, actions: Array.from(underWay.actions) } }),
      exploration: exploration.getState(),
      experience: played.values,
    },
    tensors: { ...learner.getState().tensors, ...played.tensors },
  };
}

/**
 * Gives each part its state, and the agent its progress.
 * @throws StateError for a state of something else.
 */
export async function restore(
  agent: Progress,
  { learner, exploration, experience }: StatefulParts,
  { values, tensors }: State<StoredTensors>,
  onProgress?: (done: number, total: number) => void,
): Promise<void> {
  const parsed = valuesSchema.safeParse(values);
  if (!parsed.success) throw new StateError(z.prettifyError(parsed.error).replaceAll('\n', ' '));
  const { agentSteps, updates, underWay, sampling, ...parts } = parsed.data;
  learner.setState({ tensors });
  exploration.setState(parts.exploration);
  const played = { ...(sampling && { sampling }), ...parts.experience };
  await experience.setState({ values: played, tensors }, onProgress);
  agent.position = agentSteps;
  agent.updates = updates;
  agent.underWay = underWay && { ...underWay, actions: Int32Array.from(underWay.actions) };
}
