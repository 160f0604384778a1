import { InvalidArgumentError } from 'commander';
import { isListenAddress, type VectorEnvOptions } from 'gymnasium-js-bridge';
import { agents, DEFAULT_AGENT, findAgent } from '../agents/registry.ts';
import type { AgentSettings } from '../src/agent/settings.ts';
import { resumeAgentRun, startAgentRun } from '../src/agent/train.ts';
import { addAllSettings, listPresets } from '../src/cli/all-settings.ts';
import {
  givenSettings,
  newCommand,
  numberIn,
  path,
  runCommand,
  UsageError,
  wholeNumber,
  writeResult,
} from '../src/cli/index.ts';
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
  .option('--preset <name>', 'named settings, see below (default: fast; with --env-id classic-control, or minatar)')
  .option(
    '--env-workers <count>',
    'divide the environments over so many processes, on this machine or with --env-listen on others; the numbers ' +
      'do not depend on it (default: 1)',
    wholeNumber(1),
  )
  .option(
    '--env-listen <address>',
    'wait for workers that connect here from other machines, such as tcp://*:7777; needs --env-keys',
    listenAddress,
  )
  .option('--env-keys <file>', "trainer.key, from 'npx gymnasium-js-bridge keys FOLDER'; workers have worker.key", path)
  .option(
    '--env-wait-seconds <seconds>',
    'with --env-listen: longest wait for a worker, at the start and after a loss (default: 600)',
    numberIn(0.001, 1e6),
  );
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
  train-agent --agent pqn --env-id MinAtar/Breakout-v1
  train-agent --game Enduro --num-envs 8 --env-workers 2 --env-listen 'tcp://*:7777' --env-keys keys/trainer.key
    and on each of two other machines:
    npx gymnasium-js-bridge worker --connect tcp://HOST:7777 --key-file worker.key`,
);
const schema = addAllSettings(command, agents);

interface AgentOptions extends WorkerOptions {
  agent?: string;
  preset?: string;
  trustModules?: true;
}

interface WorkerOptions {
  envWorkers?: number;
  envListen?: string;
  envKeys?: string;
  envWaitSeconds?: number;
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
  const workers = workersOf(options);
  if (options.printConfig && workers !== undefined)
    throw new UsageError('--env-workers and --env-listen do nothing with --print-config, which starts no run');
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
      workers: typeof workers === 'object' ? { ...workers, onNote: note } : workers,
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

/** Where the environments run. @throws UsageError where options do not go together. */
function workersOf({ envWorkers, envListen, envKeys, envWaitSeconds }: WorkerOptions): VectorEnvOptions['workers'] {
  if (envListen === undefined) {
    if (envKeys !== undefined) throw new UsageError(`--env-keys ${envKeys} does nothing without --env-listen`);
    if (envWaitSeconds !== undefined)
      throw new UsageError(`--env-wait-seconds ${envWaitSeconds} does nothing without --env-listen`);
    return envWorkers;
  }
  if (envKeys === undefined) {
    const make = 'make one with "npx gymnasium-js-bridge keys FOLDER"';
    throw new UsageError(`--env-listen ${envListen} needs --env-keys FOLDER/trainer.key: ${make}`);
  }
  return {
    count: envWorkers ?? 1,
    listen: envListen,
    keyFile: envKeys,
    ...(envWaitSeconds !== undefined && { waitMs: Math.ceil(envWaitSeconds * 1000) }),
  };
}

function listenAddress(text: string): string {
  if (!isListenAddress(text)) throw new InvalidArgumentError('It takes tcp://ADDRESS:PORT, such as tcp://*:7777.');
  return text;
}

function defaultRunDir(
  agent: string,
  { preset, settings: { game, envId, seed } }: { preset: string; settings: AgentSettings },
): string {
  const parts = [game ?? envId!, ...(agent === DEFAULT_AGENT ? [] : [agent]), preset, `seed${seed}`];
  return `runs/${parts.join('-').replaceAll('/', '-')}`;
}

await runCommand(command);
