import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge';
import { z } from 'zod';
import { createExploration, explorationStateSchema } from '../../src/agent/exploration.ts';
import { DamagedFileError } from '../../src/files/errors.ts';
import { readJson } from '../../src/files/json.ts';
import {
  readSafetensors,
  type SafetensorsTensor,
  type WritableTensor,
  writeSafetensors,
} from '../../src/files/safetensors.ts';
import { assignStored, variableTensors } from '../../src/files/variables.ts';
import { allVariables } from '../../src/networks/variables.ts';
import { Generator } from '../../src/random/index.ts';
import { checkFinite } from '../../src/training/diverged.ts';
import type { LoggedEpisode } from '../../src/training/episode-log.ts';
import { Experience } from '../../src/training/experience.ts';
import { DqnAgent } from './agent.ts';
import type { DqnConfig } from './config.ts';
import { createLearner, experienceOptions, explorationOptions, type Learner } from './create.ts';

const STATE_FILE = 'agent.json';
const TENSORS_FILE = 'agent.safetensors';

const stateSchema = z.strictObject({
  formatVersion: z.literal(1),
  agentSteps: z.int().min(0),
  updates: z.int().min(0),
  underWay: z
    .strictObject({
      epsilon: z.number(),
      actions: z.array(z.int().min(0)),
      learned: z.array(z.strictObject({ loss: z.number(), meanQ: z.number() })),
    })
    .optional(),
  exploration: explorationStateSchema,
  sampling: z.array(z.number()),
  experience: z.strictObject({
    episodesStarted: z.array(z.int()),
    extents: z.array(z.strictObject({ oldest: z.int(), added: z.int() })),
    digest: z.string(),
  }),
});

/**
 * Writes an agent's whole state into an existing, empty folder: `agent.json`, `agent.safetensors`; and the online
 * network as a tfjs model, `network/`, which any backend loads for playing. Call between steps, or after one that was
 * left when its answer did not come.
 * @throws DivergedError where a number of it is not finite: such a checkpoint is worth nothing.
 */
export async function saveAgent(folder: string, agent: DqnAgent, learner: Learner): Promise<void> {
  const { experience, exploration, sampling } = agent.parts;
  const state: z.infer<typeof stateSchema> = {
    formatVersion: 1,
    agentSteps: agent.agentSteps,
    updates: agent.updates,
    ...(agent.underWay && { underWay: { ...agent.underWay, actions: Array.from(agent.underWay.actions) } }),
    exploration: exploration.getState(),
    sampling: sampling.getState(),
    experience: experience.getState(),
  };
  learner.runner.pull();
  const variables = variableTensors(learnerVariables(learner));
  checkFinite(variables);
  const tensors: Record<string, WritableTensor> = { ...variables };
  experience.loggedEpisodes().forEach((episodes, lane) => {
    Object.assign(tensors, packEpisodes(`episodes/${lane}`, episodes));
  });
  await writeSafetensors(join(folder, TENSORS_FILE), tensors);
  await writeFile(join(folder, STATE_FILE), `${JSON.stringify(state, null, 2)}\n`, { flush: true });
  await saveModel(join(folder, 'network'), learner.networks.online);
}

/** `model.json` and `weights.bin`, as `tf.loadLayersModel` takes them. */
async function saveModel(folder: string, model: tf.LayersModel): Promise<void> {
  await mkdir(folder);
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
      const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }];
      const description = { format: 'layers-model', generatedBy: 'weightnorm-rl', modelTopology, weightsManifest };
      const bytes = new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData));
      await writeFile(join(folder, 'weights.bin'), bytes, { flush: true });
      await writeFile(join(folder, 'model.json'), JSON.stringify(description), { flush: true });
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }),
  );
}

/** Reads the weights of a checkpoint's online network; the result writes them into a network of the run's config. */
export async function readNetwork(folder: string): Promise<(network: tf.LayersModel) => void> {
  const path = join(folder, TENSORS_FILE);
  const { tensors } = await readSafetensors(path);
  return (network) => {
    for (const { name, variable } of allVariables(network)) {
      assignStored(variable, tensors[`online/${name}`], `online/${name}`, path);
    }
  };
}

/**
 * The agent as it was saved; the episodes in its replay are played again, which `onProgress` hears of in agent steps.
 */
export async function loadAgent(
  folder: string,
  config: DqnConfig,
  env: VectorEnv,
  onProgress?: (done: number, total: number) => void,
): Promise<{ agent: DqnAgent; learner: Learner }> {
  const state = await readJson(join(folder, STATE_FILE), stateSchema);
  const { tensors } = await readSafetensors(join(folder, TENSORS_FILE));
  const learner = createLearner(config, env);
  for (const [name, variable] of Object.entries(learnerVariables(learner))) {
    assignStored(variable, tensors[name], name, join(folder, TENSORS_FILE));
  }
  learner.runner.push();
  const episodes = Array.from({ length: env.numEnvs }, (_, lane) =>
    unpackEpisodes(`episodes/${lane}`, tensors, folder),
  );
  const options = experienceOptions(config, env);
  const experience = await Experience.restore(env, options, episodes, state.experience, onProgress);
  const { agentSteps, updates } = state;
  const underWay = state.underWay && { ...state.underWay, actions: Int32Array.from(state.underWay.actions) };
  const agent = new DqnAgent(
    {
      config,
      env,
      runner: learner.runner,
      experience,
      exploration: createExploration(explorationOptions(config, env), state.exploration),
      sampling: new Generator(state.sampling),
    },
    { agentSteps, updates, underWay },
  );
  return { agent, learner };
}

/** Every variable of the learner under a name that is stable across runs. */
function learnerVariables({ networks, optimizer }: Learner): Record<string, tf.Variable> {
  const entries = [
    ...allVariables(networks.online).map(({ name, variable }) => [`online/${name}`, variable] as const),
    ...allVariables(networks.target).map(({ name, variable }) => [`target/${name}`, variable] as const),
    ...Object.entries(optimizer.slots).map(([name, variable]) => [`optimizer/${name}`, variable] as const),
  ];
  return Object.fromEntries(entries);
}

/** seeds, firstRows, lengths, ended: one element an episode; actions: all episodes' after each other. */
function packEpisodes(prefix: string, episodes: LoggedEpisode[]): Record<string, WritableTensor> {
  const perEpisode = (values: number[]): WritableTensor => ({
    dtype: 'F64',
    shape: [values.length],
    data: Float64Array.from(values),
  });
  const lengths = episodes.map(({ actions }) => actions.length);
  return {
    [`${prefix}/seeds`]: perEpisode(episodes.map(({ seed }) => seed)),
    [`${prefix}/firstRows`]: perEpisode(episodes.map(({ firstRow }) => firstRow)),
    [`${prefix}/lengths`]: perEpisode(lengths),
    [`${prefix}/ended`]: perEpisode(episodes.map(({ ended }) => Number(ended))),
    [`${prefix}/actions`]: {
      dtype: 'U8',
      shape: [lengths.reduce((sum, length) => sum + length, 0)],
      data: episodes.map(({ actions }) => actions),
    },
  };
}

function unpackEpisodes(prefix: string, tensors: Record<string, SafetensorsTensor>, folder: string): LoggedEpisode[] {
  const read = (part: string) => {
    const tensor = tensors[`${prefix}/${part}`];
    if (tensor === undefined)
      throw new DamagedFileError(join(folder, TENSORS_FILE), `tensor "${prefix}/${part}" is missing`);
    return tensor.data as Float64Array | Uint8Array<ArrayBuffer>;
  };
  const [seeds, firstRows, lengths, ended] = ['seeds', 'firstRows', 'lengths', 'ended'].map(read);
  const actions = read('actions') as Uint8Array<ArrayBuffer>;
  let start = 0;
  return Array.from(seeds, (seed, i) => {
    const end = start + lengths[i];
    const episode = { seed, firstRow: firstRows[i], ended: ended[i] === 1, actions: actions.subarray(start, end) };
    start = end;
    return episode;
  });
}
