// Runs of agents: new ones and resumed ones.
import { join } from 'node:path';
import { EnvOptionsError, type VectorEnv, type VectorEnvOptions } from 'gymnasium-js-bridge';
import { DamagedFileError } from '../files/errors.ts';
import { writeTfjsModel } from '../files/tfjs-model.ts';
import { InterruptedError, RunFolderError } from '../runs/errors.ts';
import { RunFolder } from '../runs/folder.ts';
import { describeMaking } from '../runs/machine.ts';
import { metricsFile } from '../runs/metrics.ts';
import { processNumbers } from '../runs/process.ts';
import { resumeIn } from '../runs/resume.ts';
import { Run } from '../runs/run.ts';
import type { LoopState } from '../runs/state.ts';
import { saveEvery, type Tracker, tolerant } from '../runs/tracker.ts';
import { precisionWarning } from '../runtime/tensorflow.ts';
import { fromFile, parseSettings, resumedSettings, SettingError } from '../settings/index.ts';
import { reportAtEnd } from '../summary/index.ts';
import type { Agent, AgentStep } from './agent.ts';
import type { AgentParts, AnyAgentDefinition } from './definition.ts';
import { diagnoseEvery } from './diagnose.ts';
import { makeEnv, noteEndless } from './environment.ts';
import { evaluateEvery } from './evaluate-every.ts';
import { checkMemory } from './memory.ts';
import { recordEpisodes } from './record-episodes.ts';
import { scores } from './scores.ts';
import { type AgentSettings, checkEnvironment } from './settings.ts';
import { stateOptions } from './states.ts';

export interface AgentRunOptions extends AgentParts {
  /** Where the run is written; without it nothing is. */
  readonly runDir?: string | undefined;
  /** Environments in place of those that the settings name; they stay open. */
  readonly env?: VectorEnv | undefined;
  /** Processes that the environments are divided over, as `makeVectorEnv` takes them. Default: one sidecar. */
  readonly workers?: VectorEnvOptions['workers'] | undefined;
  /** Further trackers, which hear of each step and event before a checkpoint is written. */
  readonly trackers?: readonly Tracker<AgentStep>[] | undefined;
  /** Trackers that write into the run's folder, such as TensorBoard's. */
  readonly folderTrackers?: ((folder: RunFolder, settings: AgentSettings) => readonly Tracker<AgentStep>[]) | undefined;
  /** Asked to stop, the run saves and ends. */
  readonly signal?: AbortSignal | undefined;
  /** Hears what the user should know, a line each. */
  readonly note?: ((line: string) => void) | undefined;
  /** Called once the environments stand, before the first step. */
  readonly onStart?: ((start: { agent: Agent; settings: AgentSettings; env: VectorEnv }) => void) | undefined;
}

/** What a run remembers of environments that were lost, and what it does before they are started again. */
interface Recovery extends Tracker {
  restarts: number;
  save?: () => Promise<void>;
}

/** A new run of an agent, ready to be gone through. Its folder must be new or empty. */
export async function startAgentRun(
  definition: AnyAgentDefinition,
  settings: AgentSettings,
  preset: string | null,
  options: AgentRunOptions,
): Promise<Run<AgentStep>> {
  return prepare(definition, settings, options, async (agent, env) => {
    await agent.begin();
    const { runDir } = options;
    if (runDir === undefined) return {};
    const { packages, rom } = env.info;
    const folder = await RunFolder.create(runDir, {
      ...describeMaking(),
      kind: 'agent',
      name: definition.name,
      preset,
      settings: namedBy(env, settings),
      environment: { settings: { ...env.settings }, packages, ...(rom && { rom }) },
    });
    return { folder, isNew: true };
  });
}

/** The settings with a Gymnasium environment's whole name: one without a version means another after an upgrade. */
function namedBy({ settings: { id } }: VectorEnv, settings: AgentSettings): AgentSettings {
  return settings.game === null ? { ...settings, envId: id } : settings;
}

export interface ResumeOptions extends AgentRunOptions {
  readonly runDir: string;
  /** Takes the folder's lock, whoever has it. */
  readonly forceUnlock?: boolean | undefined;
  /** Whether a Python module that the folder's config.json names may be imported; one that `given` names may. */
  readonly trustModules?: boolean | undefined;
  /** The agent step of the checkpoint to go back to; the newest whole one where undefined. */
  readonly checkpoint?: number | undefined;
}

/**
 * Goes on with the run in a folder from its newest whole checkpoint, or from its beginning where it has none, with the
 * numbers that it would have had without the stop.
 * @param find Knows the agents by their names.
 * @param given Settings in place of the stored ones, where they may change.
 */
export async function resumeAgentRun(
  find: (name: string) => AnyAgentDefinition,
  given: Partial<AgentSettings>,
  options: ResumeOptions,
): Promise<Run<AgentStep>> {
  const { runDir, note, forceUnlock, checkpoint } = options;
  const folder = RunFolder.open(runDir);
  const { definition, settings: stored } = await readAgentRun(folder, find, {
    env: options.env,
    trusted: options.trustModules || given.envId !== undefined,
  });
  const settings = resumedSettings(definition, stored, given);
  const from = { force: forceUnlock, note, checkpoint, settings: stored, changeable: definition.changeable };
  return resumeIn(folder, from, (point) =>
    prepare(definition, settings, options, async (agent) => {
      if (point === undefined) await agent.begin();
      else await agent.setState(point.state, everyFewSeconds(note));
      return { folder, state: point?.loop };
    }),
  );
}

/**
 * The agent of the run in a folder, and its settings.
 * @param folder The run folder.
 * @param find Gives the definition of an agent by its name.
 * @param options What the folder alone does not decide.
 * @param options.env Environments that were handed in: a run in one that is written in TypeScript needs it.
 * @param options.trusted Whether a Python module that the folder names may be imported.
 * @throws SettingError; DamagedFileError; RunFolderError.
 */
export async function readAgentRun(
  folder: RunFolder,
  find: (name: string) => AnyAgentDefinition,
  { env, trusted = false }: { env?: VectorEnv | undefined; trusted?: boolean | undefined },
): Promise<{ definition: AnyAgentDefinition; settings: AgentSettings }> {
  const { kind, name, settings, environment } = await folder.describe();
  if (kind !== 'agent') {
    throw new DamagedFileError(
      folder.path,
      `it is the run of the supervised task ${name}: use train-supervised and evaluate-supervised for it`,
    );
  }
  if (environment?.settings.kind === 'typescript' && env === undefined) {
    throw new RunFolderError(
      `${folder.path} is a run in ${environment.settings.id}, an environment written in TypeScript: go on with ` +
        'it, or evaluate it, from the program that has this environment',
    );
  }
  const definition = fromFile(folder.configPath, () => find(name));
  const parsed = parseSettings(definition, settings, folder.configPath) as AgentSettings;
  const module = /^(.*):/.exec(parsed.envId ?? '')?.[1];
  if (module !== undefined && env === undefined && !trusted) {
    const reason = `makes Python import and run the module ${module}, which this folder names`;
    const mend = 'give {trustModules} if the folder is yours or from someone whom you trust';
    throw new SettingError({ key: 'envId', value: parsed.envId, reason, mend }, folder.configPath);
  }
  return { definition, settings: parsed };
}

type Place = { folder?: RunFolder; state?: LoopState | undefined; isNew?: boolean };

async function prepare(
  definition: AnyAgentDefinition,
  settings: AgentSettings,
  options: AgentRunOptions,
  place: (agent: Agent, env: VectorEnv) => Promise<Place>,
): Promise<Run<AgentStep>> {
  const { note, signal, workers, trackers = [], folderTrackers, onStart, ...parts } = options;
  if (options.env !== undefined && workers !== undefined)
    throw new EnvOptionsError('"workers" does nothing beside "env", whose environments run already: leave one out');
  const slow = precisionWarning(settings.precision);
  if (slow !== undefined) note?.(slow);
  const recovery = recoveryTracker();
  const { learningRate } = settings as { learningRate?: number };
  const env =
    options.env ??
    (await whileStarting(signal, (starting) =>
      stillWaiting(note, 'the environments start', () =>
        makeEnv(settings, note, () => beforeRestart(recovery, note), {
          ...(workers !== undefined && { workers }),
          signal: starting,
        }),
      ),
    ));
  const closeEnv = async () => {
    if (options.env === undefined) await env.close();
  };
  let agent: Agent | undefined;
  let placed: Place = {};
  try {
    const problem = checkEnvironment(settings, env) ?? definition.checkEnv(settings, env);
    if (problem !== undefined) throw new SettingError(problem);
    checkMemory(settings, env, { hasOwnNetwork: parts.network !== undefined, note });
    if (settings.evaluationPeriodSteps > 0) noteEndless(env, note);
    const made = definition.create(settings, env, { ...parts, note });
    agent = made;
    placed = await untilAborted(signal, closeEnv, () => place(made, env));
    const { folder, state } = placed;
    const run = new Run<AgentStep>({
      trainable: made,
      total: settings.steps,
      settings: namedBy(env, settings),
      reportPeriod: settings.logPeriodSteps,
      folder,
      keepCheckpoints: settings.keepCheckpoints,
      // The network that plays, in a form that any backend loads.
      saveExtras: (path) => writeTfjsModel(join(path, 'network'), made.currentNetwork()),
      trackers: [
        scores(),
        recovery,
        ...(folder ? [metricsFile(folder.metricsPath, note), ...(folderTrackers?.(folder, settings) ?? [])] : []),
        ...trackers,
        ...(folder && settings.recordPeriodEpisodes > 0
          ? [tolerant(recordEpisodes(env, folder, settings), 'recording episodes', note)]
          : []),
        ...(settings.diagnosticsPeriodSteps > 0
          ? [tolerant(diagnoseEvery(settings, learningRate ?? 0, stateOptions(settings, env)), 'diagnosing', note)]
          : []),
        ...(settings.evaluationPeriodSteps > 0 ? [evaluateEvery(definition, settings, options)] : []),
        saveEvery(settings.checkpointPeriodSteps),
        ...(folder ? [reportAtEnd(folder, note)] : []),
      ],
      measure: () => ({ ...made.measure(), sidecarRestarts: recovery.restarts, ...processNumbers() }),
      divergedMend: learningRate === undefined ? undefined : `give a {learningRate} below ${learningRate}`,
      signal,
      note,
      state,
      close: async () => {
        made.dispose();
        await closeEnv();
        folder?.unlock();
      },
    });
    recovery.save = () => run.save({ interim: true });
    onStart?.({ agent: made, settings, env });
    return run;
  } catch (error) {
    agent?.dispose();
    await closeEnv();
    if (placed.isNew) await placed.folder?.discard();
    throw error;
  }
}

/** Starts environments; a request to stop ends that, and nothing once they stand. */
async function whileStarting<T>(
  signal: AbortSignal | undefined,
  start: (starting: AbortSignal) => Promise<T>,
): Promise<T> {
  const starting = new AbortController();
  const onAbort = () => starting.abort(stoppedBeforeStart());
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    return await start(starting.signal);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

const stoppedBeforeStart = () => new InterruptedError('stopped before its first step: nothing has changed');

/**
 * Does work that waits for environments, such as playing hours of episodes again; a request to stop ends it.
 * @throws InterruptedError where it was ended so.
 */
async function untilAborted<T>(
  signal: AbortSignal | undefined,
  close: () => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  const onAbort = () => void close();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const result = await work();
    if (!signal?.aborted) return result;
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
  throw stoppedBeforeStart();
}

function recoveryTracker(): Recovery {
  const recovery: Recovery = {
    name: 'recovery',
    restarts: 0,
    getState: () => ({ restarts: recovery.restarts }),
    setState(state) {
      recovery.restarts = (state as { restarts: number }).restarts;
    },
  };
  return recovery;
}

/** Saves what is not saved; a full disk, say, is no reason to give up what a start may bring back. */
async function beforeRestart(recovery: Recovery, note: AgentRunOptions['note']): Promise<void> {
  recovery.restarts += 1;
  await recovery.save?.().catch((error) => note?.(`could not save before that: ${error.message}`));
}

const WAIT_MS = 5000;

/** Tells every few seconds what is being waited for. */
async function stillWaiting<T>(note: AgentRunOptions['note'], what: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const timer = setInterval(() => {
    note?.(`waiting until ${what}: ${Math.round((performance.now() - began) / 1000)} s`);
  }, WAIT_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Tells how far playing again has come, every few seconds and at the end. */
function everyFewSeconds(note: AgentRunOptions['note']): (done: number, total: number) => void {
  let toldMs = performance.now();
  return (done, total) => {
    if (performance.now() - toldMs < 5000 && done < total) return;
    toldMs = performance.now();
    note?.(`playing the logged episodes again to fill the replay: ${done} of ${total} agent steps`);
  };
}
