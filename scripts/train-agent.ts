import { type DqnConfig, dqnConfigSchema, presets } from '../agents/dqn/config.ts';
import { defaultPreset, resolveConfig } from '../agents/dqn/resolve.ts';
import { resumeDqn, trainDqn } from '../agents/dqn/train.ts';
import {
  addSettings,
  givenSettings,
  newCommand,
  runCommand,
  shellWord,
  UsageError,
  writeResult,
} from '../src/cli/index.ts';
import { onInterrupt } from '../src/cli/interrupt.ts';
import { packageVersion } from '../src/cli/version.ts';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';
import { duration, type ProgressDisplay, progressDisplay, trainingStatusLine } from '../src/training/progress.ts';
import { openTensorBoard } from '../src/training/tensorboard.ts';

const command = newCommand(
  'train-agent',
  'Trains a weight-normalised DQN agent on an Atari game or a Gymnasium environment.',
)
  .option(
    '--preset <name>',
    `named settings: ${Object.keys(presets).join(', ')} (default: fast; classic-control with --env-id)`,
  )
  .option('--run-dir <folder>', 'where the run is written (default: runs/<environment>-<preset>-seed<seed>)')
  .option('--resume', 'continue the run in --run-dir from its newest checkpoint')
  .option('--print-config', 'print the settings that would be used, as JSON, and stop')
  .addHelpText(
    'after',
    `
Presets:
${Object.entries(presets)
  .map(([name, { about }]) => `  ${name.padEnd(17)}${about}`)
  .join('\n')}

An agent step is one decision: 4 emulator frames, 1/15 s of play. Defaults shown are those of the preset "fast".
A switch is turned off with --no-, such as --no-double-q.
Ctrl-C saves a checkpoint and stops; a second Ctrl-C stops at once.

Examples:
  train-agent --game Enduro
  train-agent --game pong --preset dopamine --run-dir runs/pong
  train-agent --run-dir runs/pong --resume
  train-agent --env-id CartPole-v1`,
  );
addSettings(command, dqnConfigSchema, presets.fast.config);

command.action(async ({ preset, runDir, resume, printConfig }) => {
  const given = givenSettings(command, dqnConfigSchema);
  if (resume && runDir === undefined) throw new UsageError('--resume needs the folder of the run: --run-dir FOLDER');
  if (resume && preset !== undefined) throw new UsageError(`--preset ${preset}: a resumed run keeps its settings`);
  if (resume && printConfig) throw new UsageError(`--print-config: the settings of a run are in ${runDir}/config.json`);
  const config = resume ? undefined : resolveConfig(preset, given);
  if (printConfig) {
    await writeResult(`${JSON.stringify(config, null, 2)}\n`);
    return;
  }

  const { version, device } = loadTensorFlow();
  let display: ProgressDisplay | undefined;
  const note = (line: string) => (display ? display.note(line) : process.stderr.write(`${line}\n`));
  note(`TensorFlow ${version} on ${device}`);
  const folder = runDir ?? defaultRunDir(config!, preset ?? defaultPreset(given));
  const signal = onInterrupt(() => note('stopping: saving a checkpoint (Ctrl-C again stops at once)'));
  const options = {
    runDir: folder,
    version: packageVersion(),
    signal,
    openScalars: openTensorBoard,
    note,
    onStart: ({ agentSteps, steps, env }) => {
      note(
        `${env.settings.id}, ${env.numEnvs} ${env.numEnvs === 1 ? 'environment' : 'environments'}, ${env.actionSpace.n} actions; writing to ${folder}`,
      );
      display = progressDisplay(process.stderr, { done: agentSteps, total: steps, unit: 'agent steps' });
    },
    onStatus: (status) => display?.update(status.agentSteps, trainingStatusLine(status)),
  } satisfies Parameters<typeof trainDqn>[1];
  try {
    const summary = await (config === undefined ? resumeDqn(given, options) : trainDqn(config, options));
    display?.stop();
    const { interrupted, agentSteps, episodes, meanReturn, wallSeconds, checkpoint } = summary;
    const score =
      meanReturn === undefined
        ? 'no episode finished'
        : `mean score ${meanReturn.toFixed(1)} over the last ${Math.min(episodes, 100)} episodes`;
    process.stdout.write(
      `${interrupted ? 'Stopped' : 'Finished'} at agent step ${agentSteps} after ${duration(wallSeconds)}: ${score}.\n` +
        `Checkpoint: ${checkpoint}\n` +
        (interrupted
          ? `Continue with: npm run train-agent -- --run-dir ${shellWord(folder)} --resume\n`
          : `Evaluate with: npm run evaluate-agent -- --run ${shellWord(folder)}\n`),
    );
  } finally {
    display?.stop();
  }
});

function defaultRunDir({ game, envId, seed }: DqnConfig, preset: string): string {
  return `runs/${(game ?? envId!).replaceAll('/', '-')}-${preset}-seed${seed}`;
}

await runCommand(command);
