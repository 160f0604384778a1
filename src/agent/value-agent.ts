import type * as tf from '@tensorflow/tfjs';
import type { FrameArray } from '../replay/index.ts';
import type { Numbers } from '../runs/events.ts';
import type { State, StoredTensors } from '../runs/trainable.ts';
import { AGENT_STEPS, type Agent, type AgentStep, episodeEvents } from './agent.ts';
import { type Progress, type ReplayAgentParts, restore, type StepUnderWay, stateOf } from './replay-agent.ts';
import { isScheduled, linearDecay, scheduledRate } from './schedules.ts';
import type { ValueSettings } from './value-settings.ts';

/**
 * Deep Q-learning with a target network and experience replay (Mnih et al. 2015, algorithm 1), over several
 * environments at once. What an update computes, and what a value is, is up to the learner: DQN, C51, QR-DQN, Rainbow
 * and IQN differ in nothing else.
 */
export class ValueAgent<S extends ValueSettings = ValueSettings> implements Agent, Progress {
  readonly unit = AGENT_STEPS;
  readonly parts: ReplayAgentParts<S>;
  position = 0;
  updates = 0;
  underWay: StepUnderWay | undefined;
  canBeSaved = true;

  constructor(parts: ReplayAgentParts<S>) {
    this.parts = parts;
  }

  /**
   * One action in each environment, and the updates that fall due meanwhile: the emulators run while the learner
   * learns. A step whose answer never came (the environments were lost, the run was stopped) is taken up where it was
   * left: the same actions are sent again.
   */
  async step(): Promise<AgentStep> {
    const { settings, env, experience } = this.parts;
    const epsilon = this.underWay?.epsilon ?? this.epsilon();
    const actions = this.underWay?.actions ?? this.act(epsilon);
    env.send(actions, { nextSeeds: experience.nextSeeds });
    const learned = this.underWay?.learned ?? this.learn();
    this.underWay = { epsilon, actions, learned };

    const result = await env.receive();
    experience.record(actions, result);
    this.position += env.numEnvs;
    this.underWay = undefined;
    const { position, updates } = this;
    const now = { updates, epsilon, ...(isScheduled(settings) && { learningRate: this.learningRate(position) }) };
    return { position, size: env.numEnvs, now, learned, events: episodeEvents(result), actions, result };
  }

  /** One action for each environment: the exploration policy's where it explores, else the greedy one. */
  private act(epsilon: number): Int32Array {
    const { learner, experience, exploration } = this.parts;
    const actions = exploration.choose(epsilon);
    if (actions.includes(-1)) {
      const greedy = learner.act(experience.states, this.position);
      for (let lane = 0; lane < actions.length; lane++) if (actions[lane] === -1) actions[lane] = greedy[lane];
    }
    return actions;
  }

  private epsilon(): number {
    const { exploration, epsilonStart, epsilonEnd, epsilonDecaySteps, learningStarts } = this.parts.settings;
    if (exploration === 'none') return 0;
    return linearDecay(this.position - learningStarts, epsilonStart, epsilonEnd, epsilonDecaySteps);
  }

  /** That of an update which falls due in this agent step, counted from 1. */
  private learningRate(step: number): number {
    const { settings } = this.parts;
    return scheduledRate(step - 1 - settings.learningStarts, settings);
  }

  /** The updates and the copies to the target network that fall due in this step, on what was stored before it. */
  private learn(): Numbers[] {
    const { settings, env, learner, experience } = this.parts;
    const { learningStarts, updatePeriodSteps, targetUpdatePeriodSteps } = settings;
    const learned: Numbers[] = [];
    this.canBeSaved = false;
    for (let step = this.position + 1; step <= this.position + env.numEnvs; step++) {
      if (step <= learningStarts) continue;
      if (step % updatePeriodSteps === 0) {
        if (this.updates === 0) this.initialize();
        const batch = experience.sample();
        const { statistics, priorities } = learner.learn(batch, this.updates, this.learningRate(step));
        experience.updatePriorities(batch.rows, priorities);
        learned.push(statistics);
        this.updates += 1;
      }
      if (step % targetUpdatePeriodSteps === 0) learner.syncTarget();
    }
    this.canBeSaved = true;
    return learned;
  }

  /** Before the first update: scales and shifts from what was played, where asked for; then both networks are equal. */
  private initialize(): void {
    const { settings, learner, experience, note } = this.parts;
    if (settings.initialization === 'data-dependent') {
      for (const warning of learner.initializeFromData(experience.sample().states)) note?.(warning);
    }
    learner.syncTarget();
  }

  begin(): Promise<void> {
    return this.parts.experience.begin();
  }

  measure(): Numbers {
    return { replaySteps: this.parts.experience.size };
  }

  someStates(count: number): FrameArray {
    return this.parts.experience.someStates(count);
  }

  inputsFor(states: tf.Tensor): tf.Tensor[] {
    return this.parts.learner.inputsFor(states);
  }

  currentNetwork(): tf.LayersModel {
    return this.parts.learner.currentNetwork();
  }

  getState(): State {
    return stateOf(this, this.parts);
  }

  async setState(state: State<StoredTensors>, onProgress?: (done: number, total: number) => void): Promise<void> {
    await restore(this, this.parts, state, onProgress);
    const { settings, learner } = this.parts;
    if (settings.initialization === 'data-dependent' && this.updates > 0) learner.markInitialized();
  }

  dispose(): void {
    this.parts.learner.dispose();
  }
}
