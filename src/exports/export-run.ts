// A run's agent as a folder that other programs load.
import { readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge';
import type { AnyAgentDefinition } from '../agent/definition.ts';
import { makeEnv } from '../agent/environment.ts';
import type { NetworkFactory } from '../agent/networks.ts';
import { type AgentSettings, checkEnvironment } from '../agent/settings.ts';
import { stateOptions } from '../agent/states.ts';
import { type ChosenCheckpoint, findCheckpoint, readNetwork } from '../agent/stored-network.ts';
import { readAgentRun } from '../agent/train.ts';
import { checkNewFolder, writeNewFolder } from '../files/new-folder.ts';
import { InterruptedError } from '../runs/errors.ts';
import { readEvents } from '../runs/events.ts';
import { RunFolder } from '../runs/folder.ts';
import { SettingError } from '../settings/index.ts';
import { writeAgentFolder } from './agent-folder.ts';
import { agentGraph } from './agent-graph.ts';
import { type FilmedEpisode, filmEpisode } from './film.ts';
import { checkFormat, type ExportFormat, HALF_FORMATS, writeGraph } from './formats.ts';
import type { Graph } from './graph.ts';
import { modelCard, networkRows, runScores } from './model-card.ts';

/** The film's name: that which Hugging Face shows beside a model. */
const FILM = 'replay.mp4';
/** Emulator frames of an agent step of an Atari game. */
const FRAME_SKIP = 4;

/** What is exported, in which format, and where to. */
export interface ExportAgentOptions {
  readonly runDir: string;
  /** A folder that is not there yet. */
  readonly out: string;
  readonly format: ExportFormat;
  /** Agent step of the checkpoint, or `best` for that of the best evaluation; the newest unless given. */
  readonly checkpoint?: ChosenCheckpoint;
  /** Weights as float16; with `safetensors` and `agent` only. */
  readonly half?: boolean | undefined;
  /** Films nothing; else one greedy episode of an Atari game is filmed. */
  readonly noVideo?: boolean | undefined;
  /** Environments in place of those of the run, such as ones written in TypeScript; they stay open. */
  readonly env?: VectorEnv | undefined;
  /** The factory of the network, where the run was made with one of the user's. */
  readonly network?: NetworkFactory | undefined;
  /** Whether a Python module that the folder's config.json names may be imported. */
  readonly trustModules?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Hears what the user should know, a line each. */
  readonly note?: ((line: string) => void) | undefined;
}

/** A tensor of an exported model. */
export interface ExportedTensor {
  readonly name: string;
  /** -1: any number of states. */
  readonly shape: readonly number[];
  readonly dtype: 'float32';
}

/** What was written, and how the exported graph is called. */
export interface ExportedRun {
  readonly out: string;
  readonly format: ExportFormat;
  /** In `out`, by their paths there. */
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly agent: string;
  readonly environment: string;
  readonly checkpointAgentSteps: number;
  /** Whether that is the checkpoint of the best evaluation while training. */
  readonly isBest: boolean;
  /** Learned numbers. */
  readonly parameters: number;
  readonly inputs: readonly ExportedTensor[];
  readonly outputs: readonly ExportedTensor[];
  /** The episode of the film, where there is one. */
  readonly video: FilmedEpisode | null;
}

/**
 * Writes the agent of a run's checkpoint as a folder of another format, with a model card: its network with plain
 * weights, that takes states as the environment gives them and gives action values.
 * @param find Knows the agents by their names.
 * @throws SettingError for an option that will not do; FileError where `out` is there already; RunFolderError and
 *   DamagedFileError for what cannot be read of the run; ExportError for a network that cannot be exported;
 *   InterruptedError where it was asked to stop: nothing is left then.
 */
export async function exportAgentRun(
  find: (name: string) => AnyAgentDefinition,
  options: ExportAgentOptions,
): Promise<ExportedRun> {
  const { runDir, out, half, network: factory, signal, note } = options;
  const format = checkFormat(options.format);
  if (half && !HALF_FORMATS.includes(format)) {
    const reason = `{half} does nothing with {format} ${format}`;
    const mend = `leave it out, or give {format} ${HALF_FORMATS.join(' or ')}`;
    throw new SettingError({ key: 'half', value: undefined, reason, mend });
  }
  checkNewFolder(out);
  const folder = RunFolder.open(runDir);
  const trust = { env: options.env, trusted: options.trustModules };
  const { definition, settings } = await readAgentRun(folder, find, trust);
  const withVideo = wantsVideo(settings, options.noVideo);
  const checkpoint = await findCheckpoint(folder, options.checkpoint, note);
  const load = await readNetwork(checkpoint);
  const { graph, network, env } = await makeGraph(definition, settings, load, options);
  try {
    throwIfAborted(signal);
    const description = await folder.describe();
    const scores = runScores(await readEvents(folder.metricsPath), checkpoint.step);
    const environment = description.environment?.settings.id ?? env.settings.id;
    let video: FilmedEpisode | null = null;
    let files: ExportedRun['files'] = [];
    await writeNewFolder(out, async (temporary) => {
      const about = { agent: definition.name, environment, agentSteps: String(checkpoint.step) };
      if (format === 'agent') await writeAgentFolder(temporary, { description, step: checkpoint.step, network, half });
      else await writeGraph(temporary, format, graph, { half, metadata: about });
      if (withVideo) {
        video = await filmEpisode(join(temporary, FILM), {
          definition,
          settings,
          load,
          network: factory,
          signal,
          note,
        });
      }
      throwIfAborted(signal);
      const card = modelCard({
        ...{ format, half, description, scores, graph, environment, video },
        run: basename(resolve(runDir)),
        agentSteps: checkpoint.step,
        frames: settings.game === null ? undefined : checkpoint.step * FRAME_SKIP,
        states: stateOptions(settings, env),
        outputs: definition.outputs?.(settings) ?? { kind: 'values' },
        rows: networkRows(network),
      });
      await writeFile(join(temporary, 'README.md'), card);
      files = await filesIn(temporary);
    });
    return {
      ...{ out, format, files, agent: definition.name, environment, video },
      checkpointAgentSteps: checkpoint.step,
      isBest: options.checkpoint === 'best',
      parameters: graph.weights.reduce((sum, { data }) => sum + data.length, 0),
      inputs: tensorsOf(graph.inputs),
      outputs: tensorsOf(graph.outputs),
    };
  } finally {
    network.dispose();
  }
}

/**
 * The graph of the agent, the network that it was made from, which is the caller's to dispose, and the environments,
 * which are closed but for those of the caller: what they say of themselves stays.
 */
async function makeGraph(
  definition: AnyAgentDefinition,
  settings: AgentSettings,
  load: (network: tf.LayersModel) => void,
  options: ExportAgentOptions,
): Promise<{ graph: Graph; network: tf.LayersModel; env: VectorEnv }> {
  const env = options.env ?? (await makeEnv({ ...settings, numEnvs: 1 }, options.note));
  try {
    const problem = checkEnvironment({ ...settings, numEnvs: env.numEnvs }, env) ?? definition.checkEnv(settings, env);
    if (problem !== undefined) throw new SettingError(problem);
    const network = definition.createNetwork(settings, env, options.network);
    try {
      load(network);
      const graph = agentGraph({
        network,
        states: stateOptions(settings, env),
        numActions: env.actionSpace.n,
        outputs: definition.outputs?.(settings) ?? { kind: 'values' },
      });
      return { graph, network, env };
    } catch (error) {
      network.dispose();
      throw error;
    }
  } finally {
    if (options.env === undefined) await env.close();
  }
}

/** @throws SettingError where the choice does nothing. */
function wantsVideo({ game, envId }: AgentSettings, noVideo = false): boolean {
  if (game !== null) return !noVideo;
  if (noVideo) {
    const reason = `{noVideo} does nothing: only Atari games are filmed, and this run is on ${envId}`;
    throw new SettingError({ key: 'noVideo', value: undefined, reason, mend: 'leave it out' });
  }
  return false;
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InterruptedError('interrupted: nothing was written');
}

function tensorsOf(values: Graph['inputs']): ExportedTensor[] {
  return Object.entries(values).map(([name, { shape }]) => ({ name, shape, dtype: 'float32' }));
}

async function filesIn(folder: string): Promise<{ name: string; bytes: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return Promise.all(names.sort().map(async (name) => ({ name, bytes: (await stat(join(folder, name))).size })));
}
