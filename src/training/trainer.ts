import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepResult } from 'gymnasium-js-bridge';
import { DivergedError } from './diverged.ts';
import type { MetricsWriter } from './metrics.ts';
import { afterGrace, type Recovery } from './recovery.ts';
import type { RunFolder } from './run-folder.ts';
import { Speedometer } from './speedometer.ts';

/** What the training loop needs of an agent. */
export interface Trainable {
  readonly agentSteps: number;
  /** Whether the state is whole, also in the middle of a step: false where an update failed midway. */
  readonly canBeSaved: boolean;
  /** One action in each environment, and the updates that fall due. */
  step(): Promise<TrainingStep>;
}

export interface TrainingStep {
  agentSteps: number;
  updates: number;
  epsilon: number;
  result: StepResult;
  learned: { loss: number; meanQ: number }[];
}

/**
 * The loop: a stream of steps, to which metrics, progress and checkpoints listen. Ends after `steps`, or when `signal`
 * is aborted: then after the step under way, or in its midst where the environments do not answer: a resumed run takes
 * that up where it was left.
 */
export async function* trainingSteps(
  agent: Trainable,
  { steps, signal }: { steps: number; signal?: AbortSignal | undefined },
): AsyncGenerator<TrainingStep> {
  let leaveStep = () => {};
  const forget = afterGrace(signal, () => leaveStep());
  try {
    while (agent.agentSteps < steps && signal?.aborted !== true) {
      // Not Promise.race with one promise for the whole run: it would remember every step.
      const step = await new Promise<TrainingStep | undefined>((resolve, reject) => {
        leaveStep = () => resolve(undefined);
        agent.step().then(resolve, reject);
      });
      if (step === undefined) return;
      yield step;
    }
  } finally {
    forget();
  }
}

/** What a progress display shows. */
export interface TrainingStatus {
  agentSteps: number;
  steps: number;
  stepsPerSecond: number;
  epsilon: number;
  /** Mean over the last log period; undefined before learning starts. */
  loss: number | undefined;
  /** Unclipped score of the last finished episode, and the mean of the last 100. */
  lastReturn: number | undefined;
  meanReturn: number | undefined;
  episodes: number;
  secondsLeft: number | undefined;
}

/** What the loop itself remembers in a checkpoint. */
export interface TrainerState {
  metricsBytes: number;
  wallSeconds: number;
  episodes: number;
  recentReturns: number[];
  /** What was gathered since the last line of metrics. */
  sums: { loss: number; meanQ: number; updates: number };
  /** How often lost environments were started again. */
  sidecarRestarts?: number;
}

export interface TrainOptions {
  steps: number;
  checkpointPeriodSteps: number;
  keepCheckpoints: number;
  logPeriodSteps: number;
  folder: RunFolder;
  metrics: MetricsWriter;
  /** Writes the agent's state into an empty folder. */
  saveAgent: (folder: string) => Promise<void>;
  /** Of the environments: a checkpoint is written before lost ones are started again. */
  recovery?: Recovery;
  /** Hears what the user should know, a line each. */
  note?: (line: string) => void;
  onStatus?: (status: TrainingStatus) => void;
  onCheckpoint?: (path: string) => void;
  /** More numbers for each line of metrics, with units in their names. */
  measure?: () => Record<string, number>;
  /** Aborted: the loop stops after the step under way and saves. */
  signal?: AbortSignal;
  resumeFrom?: TrainerState;
}

export interface TrainSummary extends TrainingStatus {
  wallSeconds: number;
  /** Stopped before `steps` by the signal. */
  interrupted: boolean;
  checkpoint: string;
}

const TRAINER_FILE = 'trainer.json';
const MEAN_OVER_EPISODES = 100;

/**
 * Runs the loop to its end or interruption. A checkpoint is written however it ends, also when a step fails: the state
 * is then that of the step's beginning. Only what has diverged is not kept.
 */
export async function train(agent: Trainable, options: TrainOptions): Promise<TrainSummary> {
  const { steps, checkpointPeriodSteps, logPeriodSteps, metrics, signal, recovery } = options;
  const state: TrainerState = structuredClone(options.resumeFrom) ?? {
    metricsBytes: 0,
    wallSeconds: 0,
    episodes: 0,
    recentReturns: [],
    sums: { loss: 0, meanQ: 0, updates: 0 },
  };
  const startMs = performance.now() - state.wallSeconds * 1000;
  const speed = new Speedometer(agent.agentSteps);
  let logged = { agentSteps: agent.agentSteps, ms: performance.now() };
  let lastLoss: number | undefined;
  let savedAt = -1;
  let checkpoint = '';

  const status = (epsilon: number): TrainingStatus => ({
    agentSteps: agent.agentSteps,
    steps,
    stepsPerSecond: speed.perSecond(agent.agentSteps),
    epsilon,
    loss: lastLoss,
    lastReturn: state.recentReturns.at(-1),
    meanReturn: mean(state.recentReturns),
    episodes: state.episodes,
    secondsLeft: (steps - agent.agentSteps) / speed.perSecond(agent.agentSteps),
  });
  const saveNow = async () => {
    if (savedAt === agent.agentSteps) return;
    state.metricsBytes = metrics.position;
    state.wallSeconds = (performance.now() - startMs) / 1000;
    if (recovery) state.sidecarRestarts = recovery.restarts;
    checkpoint = await options.folder.writeCheckpoint(agent.agentSteps, options.keepCheckpoints, async (folder) => {
      await options.saveAgent(folder);
      await writeFile(join(folder, TRAINER_FILE), `${JSON.stringify(state)}\n`, { flush: true });
    });
    savedAt = agent.agentSteps;
    options.onCheckpoint?.(checkpoint);
  };
  // One after the other: a fault of the environments and a request to stop may come together.
  let saving: Promise<void> = Promise.resolve();
  const save = () => {
    saving = saving.catch(() => {}).then(saveNow);
    return saving;
  };
  if (recovery) recovery.beforeRestart = save;

  /** Saves what there is when the loop has failed; the failure itself is what the user must hear last. */
  const saveAfter = async (failure: unknown) => {
    if (failure instanceof DivergedError || !agent.canBeSaved) return;
    try {
      await save();
      options.note?.(`saved at agent step ${agent.agentSteps}: the run can be resumed from there`);
    } catch (error) {
      options.note?.(`nothing could be saved: ${(error as Error).message}`);
    }
  };

  let epsilon = Number.NaN;
  try {
    for await (const step of trainingSteps(agent, { steps, signal })) {
      epsilon = step.epsilon;
      for (const episode of step.result.finished) {
        metrics.episode(step.agentSteps, episode);
        state.episodes += 1;
        state.recentReturns = [...state.recentReturns, episode.return].slice(-MEAN_OVER_EPISODES);
      }
      for (const { loss, meanQ } of step.learned) {
        state.sums.loss += loss;
        state.sums.meanQ += meanQ;
        state.sums.updates += 1;
      }
      if (crossed(step, logPeriodSteps)) {
        const { loss, meanQ, updates } = state.sums;
        const ms = performance.now();
        lastLoss = updates > 0 ? loss / updates : lastLoss;
        metrics.progress({
          agentSteps: step.agentSteps,
          updates: step.updates,
          stepsPerSecond: ((step.agentSteps - logged.agentSteps) / (ms - logged.ms)) * 1000,
          epsilon,
          ...(updates > 0 && { loss: loss / updates, meanQ: meanQ / updates }),
          wallSeconds: (performance.now() - startMs) / 1000,
          ...(recovery && { sidecarRestarts: recovery.restarts }),
          ...options.measure?.(),
        });
        logged = { agentSteps: step.agentSteps, ms };
        state.sums = { loss: 0, meanQ: 0, updates: 0 };
      }
      speed.tick(step.agentSteps);
      options.onStatus?.(status(epsilon));
      if (crossed(step, checkpointPeriodSteps)) await save();
    }
  } catch (error) {
    await saveAfter(error);
    throw error;
  } finally {
    if (recovery) recovery.beforeRestart = undefined;
  }
  await save();
  return {
    ...status(epsilon),
    wallSeconds: (performance.now() - startMs) / 1000,
    interrupted: agent.agentSteps < steps,
    checkpoint,
  };
}

export async function readTrainerState(checkpointFolder: string): Promise<TrainerState> {
  return JSON.parse(await readFile(join(checkpointFolder, TRAINER_FILE), 'utf8'));
}

/** Whether a multiple of the period was reached in this step of one or more agent steps. */
function crossed({ agentSteps, result }: TrainingStep, period: number): boolean {
  return Math.floor(agentSteps / period) > Math.floor((agentSteps - result.rewards.length) / period);
}

function mean(values: number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
