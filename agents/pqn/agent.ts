import type * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge/environments';
import { AGENT_STEPS, type Agent, type AgentStep, episodeEvents } from '../../src/agent/agent.ts';
import type { Exploration } from '../../src/agent/exploration.ts';
import { type Progress, restore, type StepUnderWay, stateOf } from '../../src/agent/replay-agent.ts';
import { isScheduled, linearDecay, scheduledRate } from '../../src/agent/schedules.ts';
import type { Experience } from '../../src/experience/index.ts';
import type { FrameArray } from '../../src/replay/index.ts';
import type { Minibatch, Rollout } from '../../src/rollout/index.ts';
import type { Numbers } from '../../src/runs/events.ts';
import type { State, StoredTensors } from '../../src/runs/trainable.ts';
import type { PqnSettings } from './config.ts';
import type { PqnLearner } from './learner.ts';

/** What PQN is made of. */
export interface PqnParts {
  readonly settings: PqnSettings;
  readonly env: Pick<VectorEnv, 'numEnvs' | 'send' | 'receive'>;
  /** Writes into the rollout. */
  readonly experience: Pick<
    Experience<Rollout>,
    'states' | 'nextSeeds' | 'begin' | 'record' | 'someStates' | 'getState' | 'setState'
  >;
  readonly rollout: Pick<
    Rollout,
    'isFull' | 'wasCutOff' | 'finalStates' | 'setValues' | 'setFinalValues' | 'trajectories' | 'setReturns' | 'sample'
  >;
  readonly learner: PqnLearner;
  readonly exploration: Exploration;
  /** Hears of what the user should know, a line each. */
  readonly note?: ((line: string) => void) | undefined;
}

/**
 * Parallel Q-learning (Gallici et al. 2025, algorithm 1): many environments, no replay and no target network. The agent
 * plays a rollout, works out its lambda returns with the network that played it, learns from all of it several times
 * and forgets it.
 */
export class PqnAgent implements Agent, Progress {
  readonly unit = AGENT_STEPS;
  readonly parts: PqnParts;
  position = 0;
  updates = 0;
  underWay: StepUnderWay | undefined;
  canBeSaved = true;

  constructor(parts: PqnParts) {
    this.parts = parts;
  }

  /**
   * One action in each environment; and where that fills the rollout, all that is learned from it. A step whose answer
   * never came (the environments were lost, the run was stopped) is taken up where it was left: the same actions are
   * sent again.
   */
  async step(): Promise<AgentStep> {
    const { settings, env, experience, rollout } = this.parts;
    this.underWay ??= this.act();
    const { epsilon, actions } = this.underWay;
    env.send(actions, { nextSeeds: experience.nextSeeds });

    const result = await env.receive();
    this.canBeSaved = false;
    experience.record(actions, result);
    this.valueCutOffEpisodes();
    const learningRate = this.learningRate();
    const learned = rollout.isFull ? this.learn(learningRate) : [];
    this.position += env.numEnvs;
    this.underWay = undefined;
    this.canBeSaved = true;
    const { position, updates } = this;
    const now = { updates, epsilon, ...(isScheduled(settings) && { learningRate }) };
    return { position, size: env.numEnvs, now, learned, events: episodeEvents(result), actions, result };
  }

  /** One action for each environment: the exploration policy's where it explores, else the greedy one. */
  private act(): StepUnderWay {
    const { learner, experience, exploration, rollout } = this.parts;
    const epsilon = this.epsilon();
    const greedy = learner.act(experience.states);
    rollout.setValues(greedy.values);
    const actions = exploration.choose(epsilon);
    for (let lane = 0; lane < actions.length; lane++) if (actions[lane] === -1) actions[lane] = greedy.actions[lane];
    return { epsilon, actions, learned: [] };
  }

  /** An episode that was cut off bootstraps from its own last observation, not from the next episode's first one. */
  private valueCutOffEpisodes(): void {
    const { learner, rollout } = this.parts;
    if (rollout.wasCutOff) rollout.setFinalValues(learner.act(rollout.finalStates).values);
  }

  /** All updates on a full rollout. */
  private learn(learningRate: number): Numbers[] {
    const { settings, learner, experience, rollout } = this.parts;
    const lastValues = learner.act(experience.states).values;
    rollout.setReturns(learner.lambdaReturns(rollout.trajectories(lastValues)));
    const learned: Numbers[] = [];
    for (let update = 0; update < settings.epochs * settings.minibatches; update++) {
      const minibatch = rollout.sample();
      if (this.updates === 0) this.initialize(minibatch);
      learned.push(learner.learn(minibatch, learningRate));
      this.updates += 1;
    }
    return learned;
  }

  /** Before the first update: scales and shifts from what was played, where asked for. */
  private initialize({ states }: Minibatch): void {
    const { settings, learner, note } = this.parts;
    if (settings.initialization !== 'data-dependent') return;
    for (const warning of learner.initializeFromData(states)) note?.(warning);
  }

  private epsilon(): number {
    const { exploration, epsilonStart, epsilonEnd, epsilonDecaySteps } = this.parts.settings;
    if (exploration === 'none') return 0;
    return linearDecay(this.position, epsilonStart, epsilonEnd, epsilonDecaySteps);
  }

  /** That of the rollout under way, which began so many whole rollouts ago. */
  private learningRate(): number {
    const { settings } = this.parts;
    const rollout = settings.numEnvs * settings.rolloutSteps;
    return scheduledRate(this.position - (this.position % rollout), settings, rollout);
  }

  begin(): Promise<void> {
    return this.parts.experience.begin();
  }

  measure(): Numbers {
    return {};
  }

  someStates(count: number): FrameArray {
    return this.parts.experience.someStates(count);
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
