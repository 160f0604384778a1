// The README.md beside an exported agent, with the header that Hugging Face reads.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { stringify } from 'yaml';
import type { NetworkOutputs } from '../agent/definition.ts';
import type { StateOptions } from '../agent/states.ts';
import { packageFolder } from '../files/package-folder.ts';
import type { RunDescription } from '../runs/description.ts';
import type { RunEvent } from '../runs/events.ts';
import { trainingScore } from '../runs/training-score.ts';
import { Q_VALUES, STATES } from './agent-graph.ts';
import type { FilmedEpisode } from './film.ts';
import type { ExportFormat } from './formats.ts';
import type { Graph } from './graph.ts';
import { snippet } from './snippets.ts';

/** What a run knows of how well a checkpoint plays. */
export interface RunScores {
  /** The evaluation at this agent step, where the run made one. */
  readonly evaluation?: { readonly episodes: number; readonly mean: number; readonly std: number };
  /** The last episodes of training up to it, with the random actions of training. */
  readonly training?: { readonly episodes: number; readonly mean: number };
}

/** The scores of a run's events for the checkpoint of an agent step. */
export function runScores(events: readonly RunEvent[], agentSteps: number): RunScores {
  let evaluation: RunScores['evaluation'];
  const returns: number[] = [];
  for (const event of events) {
    if (event.position > agentSteps) continue;
    if (event.kind === 'episode') returns.push(event.numbers.episodeReturn);
    if (event.kind !== 'evaluation' || event.position !== agentSteps) continue;
    const { episodes, meanReturn: mean, stdReturn: std } = event.numbers;
    evaluation = { episodes, mean, std };
  }
  const training = trainingScore(returns);
  return { ...(evaluation && { evaluation }), ...(training && { training }) };
}

/** A layer of the network, for the card. */
export interface LayerRow {
  readonly name: string;
  readonly what: string;
  readonly output: readonly (number | null)[];
}

/** The layers of a network. */
export function networkRows(network: tf.LayersModel): LayerRow[] {
  return network.layers.map((layer) => {
    const output = (layer.outputShape as (number | null)[]).slice(1);
    return { name: layer.name, what: layerText(layer), output };
  });
}

function layerText(layer: tf.layers.Layer): string {
  const { kernelSize, strides, padding, activation, normalization } = layer.getConfig() as Record<string, unknown>;
  const words = [layer.getClassName().replace(/^Normalized/, '')];
  if (Array.isArray(kernelSize)) words.push(`${kernelSize.join(' x ')}, stride ${[strides].flat()[0]}, ${padding}`);
  if (typeof activation === 'string' && activation !== 'linear') words.push(activation);
  if (typeof normalization === 'string' && normalization !== 'none') words.push(`learned with ${normalization}`);
  return words.join(', ');
}

export interface ModelCard {
  readonly format: ExportFormat;
  readonly half?: boolean | undefined;
  /** The run folder's name. */
  readonly run: string;
  readonly description: RunDescription;
  readonly environment: string;
  readonly agentSteps: number;
  /** Emulator frames, for Atari games. */
  readonly frames: number | undefined;
  readonly scores: RunScores;
  readonly graph: Graph;
  readonly states: StateOptions;
  readonly outputs: NetworkOutputs;
  readonly rows: readonly LayerRow[];
  readonly video: FilmedEpisode | null;
}

/** The whole text. */
export function modelCard(card: ModelCard): string {
  const { description, agentSteps, frames, format, half, graph } = card;
  const { name, version, commit, preset, settings, environment, packages } = description;
  const game = environmentName(card);
  const parts = [
    `---\n${stringify(header(card))}---`,
    `# ${name} on ${game}`,
    `An agent of weightnorm-rl that learned ${game} for ` +
      `${count(agentSteps)} agent steps${frames === undefined ? '' : ` (${count(frames)} frames of the emulator)`}. ` +
      (format === 'agent'
        ? 'Its network is here as it was trained, alone: it plays, and cannot be trained further.'
        : 'Its network has plain weights here, into which weight normalisation and running averages have gone: it ' +
          'needs nothing of that package.'),
    ...(card.video ? [videoText(card.video)] : []),
    `## Scores\n\n${scoresText(card)}`,
    `## Input and output\n\n${tensorsText(card)}`,
    `## Loading\n\n${snippet({ format, half, graph })}`,
    `## Network\n\n${networkTable(card.rows, graph)}`,
    `## Training\n\n${list({
      run: card.run,
      agent: name,
      preset: preset ?? 'not kept',
      checkpoint: `agent step ${count(agentSteps)}`,
      'weightnorm-rl': `${version}, commit ${commit ?? 'not known'}`,
      packages: pairs({ ...packages, ...environment?.packages }),
      ...(environment?.rom && { ROM: `${environment.rom.name}, SHA-256 ${environment.rom.sha256}` }),
    })}`,
    `Every setting:\n\n\`\`\`yaml\n${stringify(settings)}\`\`\``,
  ];
  return `${parts.join('\n\n')}\n`;
}

/** Hugging Face's metadata of a model. */
function header(card: ModelCard): object {
  const { description, format, scores } = card;
  const game = environmentName(card);
  const { evaluation } = scores;
  const result = evaluation && {
    task: { type: 'reinforcement-learning', name: 'reinforcement-learning' },
    dataset: { name: game, type: game },
    metrics: [
      {
        type: 'mean_reward',
        value: `${evaluation.mean.toFixed(2)} +/- ${evaluation.std.toFixed(2)}`,
        name: 'mean_reward',
        verified: false,
      },
    ],
  };
  return {
    library_name: 'weightnorm-rl',
    license: packageLicense().toLowerCase(),
    tags: [
      'reinforcement-learning',
      'deep-reinforcement-learning',
      'weight-normalization',
      description.name,
      game,
      format,
    ],
    ...(result && { 'model-index': [{ name: `${description.name}-${game}`, results: [result] }] }),
  };
}

function packageLicense(): string {
  return JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')).license;
}

/** A game by its name in the settings, which is spelled as people do. */
function environmentName({ description: { settings }, environment }: ModelCard): string {
  return typeof settings.game === 'string' ? settings.game : environment;
}

function videoText({ return: score, lengthFrames }: FilmedEpisode): string {
  return (
    `<video src="replay.mp4" controls muted></video>\n\n[One episode](replay.mp4) without random actions: ` +
    `score ${number(score)}, ${count(lengthFrames)} frames.`
  );
}

function scoresText({ scores: { evaluation, training }, description: { settings } }: ModelCard): string {
  const lines = [
    evaluation
      ? `Evaluated by the run at this agent step: mean ${number(evaluation.mean)}, standard deviation ` +
        `${number(evaluation.std)} over ${evaluation.episodes} episodes, random action ` +
        `${settings.evaluationEpsilon}, otherwise as it was trained.`
      : 'The run did not evaluate this checkpoint.',
    training
      ? `The last ${training.episodes} episodes of training before it, with the random actions of training: mean ` +
        `${number(training.mean)}.`
      : 'No episode of training had ended before it.',
  ];
  return lines.join(' ');
}

function tensorsText(card: ModelCard): string {
  const { graph, states, outputs, description } = card;
  const rows = [...Object.entries(graph.inputs), ...Object.entries(graph.outputs)].map(([name, { shape }]) => {
    const sizes = shape.map((size) => (size === -1 ? 'n' : size)).join(', ');
    return [`\`${name}\``, `float32 [${sizes}]`, tensorText(name, states, outputs)];
  });
  const preprocessing =
    description.settings.game === null
      ? 'Observations are those of the environment as it is.'
      : 'An observation is the maximum of the last two of 4 emulator frames, in which the action is held, in grey, ' +
        "84 x 84 (`gymnasium.wrappers.AtariPreprocessing`). Actions are numbered as in the game's minimal set in ALE.";
  return `${table(['tensor', 'type', 'what'], rows)}\n\n${preprocessing}`;
}

function tensorText(name: string, { frameStack, dtype }: StateOptions, outputs: NetworkOutputs): string {
  switch (name) {
    case STATES: {
      const values = dtype === 'uint8' ? 'bytes 0 to 255 as they are, not scaled' : 'values as they are, not scaled';
      const stack = `the newest ${frameStack} observations, the oldest first, zeros before the first of an episode; `;
      return `${frameStack > 1 ? stack : 'the observation; '}${values}`;
    }
    case Q_VALUES:
      return 'the value of each action; the agent takes the largest';
    case 'logits': {
      const { atoms, vMin, vMax } = outputs as Extract<NetworkOutputs, { kind: 'categorical' }>;
      return `the softmax of the last axis is the probability of ${atoms} returns, evenly from ${vMin} to ${vMax}`;
    }
    default: {
      const { count: parts } = outputs as Extract<NetworkOutputs, { kind: 'quantiles' }>;
      return `quantiles of the return at the probabilities (i + 1/2) / ${parts}, i = 0 to ${parts - 1}`;
    }
  }
}

function networkTable(rows: readonly LayerRow[], { weights }: Graph): string {
  return table(
    ['layer', 'what', 'output', 'weights'],
    rows.map(({ name, what, output }) => [
      `\`${name}\``,
      what,
      output.map((size) => size ?? 'any').join(' x '),
      weights
        .filter((weight) => weight.name.startsWith(`${name}/`))
        .map((weight) => `${weight.name.slice(name.length + 1)} [${weight.shape.join(', ')}]`)
        .join(', '),
    ]),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function list(entries: Readonly<Record<string, string>>): string {
  return Object.entries(entries)
    .map(([key, value]) => `- ${key}: ${value}`)
    .join('\n');
}

function pairs(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map((entry) => entry.join(' '))
    .join(', ');
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 2 });
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
