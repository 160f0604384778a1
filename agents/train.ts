// Training and evaluating agents from a program, by their names.

import type * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge';
import type { AgentStep } from '../src/agent/agent.ts';
import type { AnyAgentDefinition } from '../src/agent/definition.ts';
import { type EvaluateAgentOptions, type Evaluation, evaluateAgentRun } from '../src/agent/evaluate.ts';
import type { NetworkFactory } from '../src/agent/networks.ts';
import type { AgentSettings } from '../src/agent/settings.ts';
import { type AgentRunOptions, type ResumeOptions, resumeAgentRun, startAgentRun } from '../src/agent/train.ts';
import { type ExportAgentOptions, type ExportedRun, exportAgentRun } from '../src/exports/index.ts';
import type { Run } from '../src/runs/run.ts';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';
import { resolveSettings, SettingError } from '../src/settings/index.ts';
import type { C51Settings } from './c51/config.ts';
import type { DqnSettings } from './dqn/config.ts';
import type { IqnSettings } from './iqn/config.ts';
import type { PqnSettings } from './pqn/config.ts';
import type { QrDqnSettings } from './qr-dqn/config.ts';
import { DEFAULT_AGENT, findAgent } from './registry.ts';

/** The settings of all agents: those of Rainbow are C51's. */
type AnySettings = DqnSettings & C51Settings & QrDqnSettings & IqnSettings & PqnSettings;

/** What `train` takes: what to train on, any setting of the agent, and what is handed in. */
export interface TrainOptions
  extends Partial<Omit<AnySettings, 'game' | 'envId' | 'network' | 'loss'>>,
    Omit<AgentRunOptions, 'env' | 'network' | 'loss'> {
  /** An agent's name, `dqn` where it is left out, or the definition of one of your own. */
  readonly agent?: string | AnyAgentDefinition;
  /** A Gymnasium id such as `CartPole-v1`, or environments such as those of `vectorize`, which stay open. */
  readonly env?: string | VectorEnv;
  /** An Atari game, in any spelling, instead of `env`. */
  readonly game?: string;
  /** Named settings; those for the kind of environment where it is left out. */
  readonly preset?: string;
  /** A setting, or what makes networks of your own: any `tf.LayersModel`. */
  readonly network?: DqnSettings['network'] | NetworkFactory;
  /** A setting, or a loss of your own: that of each error, [batch] to [batch]. */
  readonly loss?: DqnSettings['loss'] | ((errors: tf.Tensor1D) => tf.Tensor1D);
}

/**
 * Starts a run; go through it with `for await (const step of run)`, or to its end with `await run.finish()`.
 * @throws SettingError for a setting that will not do; RunFolderError for a `runDir` that has anything in it.
 */
export async function train(options: TrainOptions): Promise<Run<AgentStep>> {
  const { agent = DEFAULT_AGENT, env, game, preset, network, loss, ...rest } = options;
  const { runDir, workers, trackers, folderTrackers, signal, note, onStart, replay, ...settings } = rest;
  const definition = typeof agent === 'string' ? findAgent(agent) : agent;
  loadTensorFlow();
  const given = {
    ...settings,
    ...environmentOf(env, game),
    ...(typeof network === 'string' && { network }),
    ...(typeof loss === 'string' && { loss }),
  } as Partial<AgentSettings>;
  const resolved = resolveSettings<AgentSettings>(definition, preset ?? definition.defaultPreset(given), given);
  return startAgentRun(definition, resolved.settings, resolved.preset, {
    ...{ runDir, workers, trackers, folderTrackers, signal, note, onStart, replay },
    env: typeof env === 'string' ? undefined : env,
    network: typeof network === 'function' ? network : undefined,
    loss: typeof loss === 'function' ? loss : undefined,
  });
}

/** What `resume` takes: the run's folder, settings that a resumed run may change, and what was handed in. */
export interface ResumeRunOptions extends Partial<Omit<AnySettings, 'network' | 'loss'>>, ResumeOptions {
  /** Definitions of your own, beside those that are known. */
  readonly definitions?: readonly AnyAgentDefinition[];
}

/**
 * Goes on with the run in a folder, with the numbers that it would have had without the stop.
 * @throws As `train`; DamagedFileError where nothing can be read from the folder.
 */
export async function resume(options: ResumeRunOptions): Promise<Run<AgentStep>> {
  const { runDir, env, workers, network, loss, replay, trackers, folderTrackers, ...rest } = options;
  const { signal, note, onStart, forceUnlock, checkpoint, trustModules, definitions = [], ...given } = rest;
  loadTensorFlow();
  const runOptions = {
    ...{ runDir, env, workers, network, loss, replay, trackers },
    ...{ folderTrackers, signal, note, onStart },
  };
  return resumeAgentRun(finder(definitions), given, { ...runOptions, forceUnlock, checkpoint, trustModules });
}

/**
 * Plays whole episodes with the agent of a run's checkpoint. The same seed gives the same scores.
 * @throws As `resume`; InterruptedError where it was asked to stop before an episode ended.
 */
export async function evaluate({
  episodes = 10,
  seed = 1,
  definitions = [],
  ...options
}: Omit<EvaluateAgentOptions, 'episodes' | 'seed'> & {
  episodes?: number;
  seed?: number;
  definitions?: readonly AnyAgentDefinition[];
}): Promise<Evaluation> {
  loadTensorFlow();
  return evaluateAgentRun(finder(definitions), { ...options, episodes, seed });
}

/**
 * Writes the agent of a run's checkpoint in a format of other programs.
 * @param options What is exported, and where to.
 * @param options.format `tfjs`, `saved-model`, `onnx` or `safetensors`.
 * @returns What was written.
 * @throws As `resume`; FileError where `out` is there already; ExportError for a network that cannot be exported;
 *   InterruptedError where it was asked to stop: nothing is left then.
 */
export async function exportAgent({
  definitions = [],
  ...options
}: ExportAgentOptions & { readonly definitions?: readonly AnyAgentDefinition[] }): Promise<ExportedRun> {
  loadTensorFlow();
  return exportAgentRun(finder(definitions), options);
}

function finder(definitions: readonly AnyAgentDefinition[]): (name: string) => AnyAgentDefinition {
  return (name) => definitions.find((definition) => definition.name === name) ?? findAgent(name);
}

function environmentOf(env: string | VectorEnv | undefined, game: string | undefined): Partial<AgentSettings> {
  if (env === undefined) return game === undefined ? {} : { game };
  if (game !== undefined) {
    throw new SettingError({ key: 'game', value: game, reason: 'and {env} exclude each other', mend: 'give one' });
  }
  if (typeof env === 'string') return { envId: env };
  const { kind, id, envOptions = {} } = env.settings;
  const { numEnvs } = env;
  if (kind === 'atari') return { numEnvs, game: id };
  // What makes the environments again, for who goes on without handing them in.
  return { numEnvs, envId: id, ...(kind === 'gymnasium' && { envOptions: envOptions as AgentSettings['envOptions'] }) };
}
