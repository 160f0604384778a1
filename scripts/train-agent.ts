import { agents, DEFAULT_AGENT, findAgent } from '../agents/registry.ts';
import type { AgentSettings } from '../src/agent/settings.ts';
import { resumeAgentRun, startAgentRun } from '../src/agent/train.ts';
import { addAllSettings, listPresets } from '../src/cli/all-settings.ts';
import { givenSettings, newCommand, runCommand, writeResult } from '../src/cli/index.ts';
import {
  addTrainingOptions,
  checkTrainingOptions,
  runTraining,
  type TrainingOptions,
  type TrainingWords,
} from '../src/cli/training.ts';
import { openTolerantTensorBoard, tensorBoardEvents } from '../src/runs/tensorboard.ts';
import { resolveSettings } from '../src/settings/index.ts';

const command = newCommand(
  'train-agent',
  'Trains a weight-normalised agent on an Atari game or a Gymnasium environment.',
)
  .option('--agent <name>', `which: ${Object.keys(agents).join(', ')} (default: ${DEFAULT_AGENT})`)
  .option('--trust-modules', 'with --resume: import the Python module that the run folder names as its environment')
  .option('--preset <name>', 'named settings, see below (default: fast; with --env-id classic-control, or minatar)');
addTrainingOptions(command, 'runs/<environment>[-<agent>]-<preset>-seed<seed>').addHelpText(
  'after',
  `
Agents and their presets:
${listPresets(agents)}

An agent step is one decision: 4 emulator frames, 1/15 s of play. Defaults shown are those of the preset "fast".
A switch is turned off with --no-, such as --no-double-q.
Ctrl-C saves a checkpoint and stops; a second Ctrl-C stops at once.

Examples:
  train-agent --game Enduro
  train-agent --game pong --preset dopamine --run-dir runs/pong
  train-agent --run-dir runs/pong --resume
  train-agent --env-id CartPole-v1
  train-agent --agent pqn --env-id MinAtar/Breakout-v1`,
);
const schema = addAllSettings(command, agents);

interface AgentOptions {
  agent?: string;
  preset?: string;
  trustModules?: true;
}

const words: TrainingWords = {
  command: 'train-agent',
  evaluate: 'evaluate-agent',
  where: ({ position }) => `agent step ${position}`,
  result: ({ numbers: { episodes, meanReturn, bestMeanReturn, bestAgentSteps } }) =>
    [
      meanReturn === undefined
        ? 'no episode finished'
        : `mean score ${meanReturn.toFixed(1)} over the last ${Math.min(episodes, 100)} episodes`,
      ...(bestMeanReturn === undefined
        ? []
        : [`best evaluation ${bestMeanReturn.toFixed(1)}, at agent step ${bestAgentSteps} (kept in best/)`]),
    ].join('; '),
  json: ({ position, numbers, interrupted, wallSeconds, checkpoint }) => ({
    agentSteps: position,
    ...numbers,
    interrupted,
    wallSeconds,
    checkpoint,
  }),
};

command.action(async ({ agent, preset, trustModules, ...options }: TrainingOptions & AgentOptions) => {
  checkTrainingOptions(options, { '--agent': agent, '--preset': preset });
  const given = givenSettings(command, schema) as Partial<AgentSettings>;
  const definition = findAgent(agent ?? DEFAULT_AGENT);
  const resolved = options.resume
    ? undefined
    : resolveSettings<AgentSettings>(definition, preset ?? definition.defaultPreset(given), given);
  if (options.printConfig) {
    await writeResult(`${JSON.stringify(resolved!.settings, null, 2)}\n`);
    return;
  }
  const runDir = options.runDir ?? defaultRunDir(definition.name, resolved!);
  await runTraining(runDir, words, options, ({ signal, note, tracker, begin }) => {
    const runOptions: Parameters<typeof startAgentRun>[3] = {
      runDir,
      signal,
      note,
      trackers: [tracker],
      folderTrackers: (folder, settings) => [
        tensorBoardEvents(openTolerantTensorBoard(folder.tensorBoardPath, note), settings),
      ],
      onStart: ({ agent: made, settings: { steps }, env }) => {
        const environments = `${env.numEnvs} ${env.numEnvs === 1 ? 'environment' : 'environments'}`;
        const line = `${env.settings.id}, ${environments}, ${env.actionSpace.n} actions; writing to ${runDir}`;
        begin(line, made.position, steps, made.unit);
      },
    };
    const { forceUnlock, checkpoint } = options;
    if (resolved !== undefined) return startAgentRun(definition, resolved.settings, resolved.preset, runOptions);
    return resumeAgentRun(findAgent, given, { ...runOptions, runDir, forceUnlock, checkpoint, trustModules });
  });
});

function defaultRunDir(
  agent: string,
  { preset, settings: { game, envId, seed } }: { preset: string; settings: AgentSettings },
): string {
  const parts = [game ?? envId!, ...(agent === DEFAULT_AGENT ? [] : [agent]), preset, `seed${seed}`];
  return `runs/${parts.join('-').replaceAll('/', '-')}`;
}

await runCommand(command);
