import type * as tf from '@tensorflow/tfjs';
import type { StepResult } from 'gymnasium-js-bridge/environments';
import type { FrameArray } from '../replay/index.ts';
import type { NewEvent, Numbers } from '../runs/events.ts';
import type { RunStep, State, StoredTensors, Trainable, Unit } from '../runs/trainable.ts';

/** What the runs of agents count. */
export const AGENT_STEPS: Unit = {
  key: 'agentSteps',
  singular: 'agent step',
  plural: 'agent steps',
  rate: { key: 'stepsPerSecond', factor: 1 },
};

/** One action in each environment, and the updates that fell due. */
export interface AgentStep extends RunStep {
  readonly actions: Int32Array;
  /** What the environments answered; its episodes carry unclipped scores. */
  readonly result: StepResult;
}

/** An agent: a run trains it, whatever its algorithm. */
export interface Agent extends Trainable<AgentStep> {
  /** Starts the first episodes; called once before the first step of a new run. */
  begin(): Promise<void>;
  /**
   * Takes up a state that `getState` gave, in place of `begin`; what was played is played again.
   * @param onProgress Hears how many agent steps of how many have been played.
   */
  setState(state: State<StoredTensors>, onProgress?: (done: number, total: number) => void): Promise<void>;
  /** Further numbers for the lines of means, with units in their names. */
  measure(): Numbers;
  /**
   * Up to so many of the states that it learns from, evenly spread over those that it holds, stacked: [n, frameStack,
   * ...frameShape]. What is drawn later does not depend on it.
   */
  someStates?(count: number): FrameArray;
  /** What its network takes for stacked states; the states alone, in the network's shape, where undefined. */
  inputsFor?(states: tf.Tensor): tf.Tensor[];
  /** The network that plays, with the weights that it has now. */
  currentNetwork(): tf.LayersModel;
  /** Frees every tensor; the environments stay. */
  dispose(): void;
}

/** The episodes that ended with a step, as events. */
export function episodeEvents({ finished }: StepResult): NewEvent[] {
  return finished.map((episode) => ({
    kind: 'episode',
    numbers: {
      episodeReturn: episode.return,
      episodeLengthSteps: episode.lengthSteps,
      episodeLengthFrames: episode.lengthFrames,
      episodeSeed: episode.seed,
      episodeIndex: episode.index,
      env: episode.env,
      truncated: episode.truncated,
    },
  }));
}
