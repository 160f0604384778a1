import type { StepResult, VectorEnv } from 'gymnasium-js-bridge';
import type { Exploration } from '../../src/agent/exploration.ts';
import type { Generator } from '../../src/random/index.ts';
import type { Experience } from '../../src/training/experience.ts';
import { linearDecay } from '../../src/training/schedules.ts';
import type { DqnConfig } from './config.ts';
import type { DqnRunner, LearnResult } from './runner.ts';

/** What one `step()` of the agent did. */
export interface AgentStep {
  /** Decisions taken so far, over all environments. */
  agentSteps: number;
  /** Updates of the online network so far. */
  updates: number;
  /** The probability that an environment began to explore in this step. */
  epsilon: number;
  /** What the environments answered; its episodes carry unclipped scores. */
  result: StepResult;
  /** One entry for each update made in this step. */
  learned: LearnResult[];
}

/** The parts an agent is built from; see `createDqn`. */
export interface DqnParts {
  config: DqnConfig;
  env: VectorEnv;
  runner: DqnRunner;
  experience: Experience;
  exploration: Exploration;
  sampling: Generator;
  /** Hears of what the user should know, a line each. */
  note?: ((line: string) => void) | undefined;
}

/** A step whose actions were sent and whose updates were made, and whose answer has not come yet. */
export interface StepUnderWay {
  epsilon: number;
  actions: Int32Array;
  learned: LearnResult[];
}

/** How far an agent has come. */
export interface DqnProgress {
  agentSteps: number;
  updates: number;
  underWay?: StepUnderWay | undefined;
}

/**
 * Deep Q-learning with a target network and experience replay (Mnih et al. 2015, algorithm 1), over several
 * environments at once.
 */
export class DqnAgent {
  readonly parts: Readonly<DqnParts>;
  agentSteps: number;
  updates: number;
  /** The step that was begun and not finished, if any. */
  underWay: StepUnderWay | undefined;
  /** Whether the state is whole: false where an update failed midway. */
  canBeSaved = true;

  constructor(parts: DqnParts, { agentSteps, updates, underWay }: DqnProgress = { agentSteps: 0, updates: 0 }) {
    this.parts = parts;
    this.agentSteps = agentSteps;
    this.updates = updates;
    this.underWay = underWay;
  }

  /**
   * One action in each environment, and the updates that fall due meanwhile: the emulators run while the learner
   * learns. A step whose answer never came (the environments were lost, the run was stopped) is taken up where it was
   * left: the same actions are sent again.
   */
  async step(): Promise<AgentStep> {
    const { env, experience } = this.parts;
    const epsilon = this.underWay?.epsilon ?? this.epsilon();
    const actions = this.underWay?.actions ?? this.act(epsilon);
    env.send(actions);
    const learned = this.underWay?.learned ?? this.learn();
    this.underWay = { epsilon, actions, learned };

    const result = await env.receive();
    experience.record(actions, result);
    this.agentSteps += env.numEnvs;
    this.underWay = undefined;
    return { agentSteps: this.agentSteps, updates: this.updates, epsilon, result, learned };
  }

  /** The updates that fall due in this step, on what was stored before it. */
  private learn(): LearnResult[] {
    const { config, env, runner, experience, sampling } = this.parts;
    const learned: LearnResult[] = [];
    this.canBeSaved = false;
    for (let step = this.agentSteps + 1; step <= this.agentSteps + env.numEnvs; step++) {
      if (step <= config.learningStarts) continue;
      if (step % config.targetUpdatePeriodSteps === 0) runner.syncTarget();
      if (step % config.updatePeriodSteps === 0) {
        if (this.updates === 0) this.initialize();
        learned.push(runner.learn(experience.replay.sample(sampling)));
        this.updates += 1;
      }
    }
    this.canBeSaved = true;
    return learned;
  }

  /**
   * Before the first update: scales and shifts from what was played, where asked for; then both networks are the same.
   */
  private initialize(): void {
    const { config, runner, experience, sampling } = this.parts;
    if (config.initialization === 'data-dependent') {
      const batch = experience.replay.sample(sampling);
      const { warnings } = runner.initializeFromData(batch, experience.replay.options);
      for (const warning of warnings) this.parts.note?.(warning);
    }
    runner.syncTarget();
  }

  /** One action for each environment: the exploration policy's where it explores, else the greedy one. */
  private act(epsilon: number): Int32Array {
    const { runner, experience, exploration } = this.parts;
    const actions = exploration.choose(epsilon);
    if (actions.includes(-1)) {
      const greedy = runner.act(experience.stacks.states);
      for (let lane = 0; lane < actions.length; lane++) if (actions[lane] === -1) actions[lane] = greedy[lane];
    }
    return actions;
  }

  private epsilon(): number {
    const { epsilonStart, epsilonEnd, epsilonDecaySteps, learningStarts } = this.parts.config;
    return linearDecay(this.agentSteps - learningStarts, epsilonStart, epsilonEnd, epsilonDecaySteps);
  }
}
