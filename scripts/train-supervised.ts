import { addAllSettings, listPresets } from '../src/cli/all-settings.ts';
import { givenSettings, newCommand, runCommand, UsageError, writeResult } from '../src/cli/index.ts';
import {
  addTrainingOptions,
  checkTrainingOptions,
  runTraining,
  type TrainingOptions,
  type TrainingWords,
} from '../src/cli/training.ts';
import { openTolerantTensorBoard } from '../src/runs/tensorboard.ts';
import { resolveSettings } from '../src/settings/index.ts';
import {
  type AnyTask,
  findTask,
  resumeTaskRun,
  startTaskRun,
  type TaskSettings,
  tasks,
} from '../src/supervised/index.ts';

const command = newCommand(
  'train-supervised',
  "Trains the paper's other networks: a classifier of CIFAR-10, convolutional VAEs, DRAW.",
)
  .option('--task <name>', `which: ${Object.keys(tasks).join(', ')}`)
  .option('--recipe <name>', 'named settings of the task, see below (default: paper)');
addTrainingOptions(command, 'runs/<task>-<normalization>-seed<seed>').addHelpText(
  'after',
  `
Tasks and their recipes:
${listPresets(tasks)}

Defaults shown are those of the first recipe. An update is one minibatch; an epoch is one pass over the training
examples.
Ctrl-C saves a checkpoint and stops; a second Ctrl-C stops at once.

Examples:
  train-supervised --task vae-mnist --recipe reduced
  train-supervised --task cifar10 --data-dir data --width-multiplier 0.25 --epochs 20
  train-supervised --run-dir runs/vae-mnist-weight-seed1 --resume`,
);
const schema = addAllSettings(command, tasks);

command.action(async ({ task, recipe, ...options }: TrainingOptions & { task?: string; recipe?: string }) => {
  checkTrainingOptions(options, { '--task': task, '--recipe': recipe });
  const given = givenSettings(command, schema) as Partial<TaskSettings>;
  if (!options.resume && task === undefined) {
    throw new UsageError(`no task: name one with --task, of ${Object.keys(tasks).join(', ')}`);
  }
  let definition: AnyTask | undefined = task === undefined ? undefined : findTask(task);
  const resolved = definition && resolveSettings<TaskSettings>(definition, recipe, given, 'recipe');
  if (options.printConfig) {
    await writeResult(`${JSON.stringify(resolved!.settings, null, 2)}\n`);
    return;
  }
  const runDir = options.runDir ?? defaultRunDir(task!, resolved!.settings);
  let perEpoch = 1;
  const words: TrainingWords = {
    command: 'train-supervised',
    evaluate: 'evaluate-supervised',
    where: ({ position }) => `epoch ${Number((position / perEpoch).toFixed(2))}`,
    result: ({ latest }) => definition!.describe({ ...latest.epoch, ...latest.evaluation }) || 'no epoch finished',
    json({ position, latest, interrupted, wallSeconds, checkpoint }) {
      const { epoch: _, ...metrics } = { ...latest.epoch, ...latest.evaluation };
      const epoch = position / perEpoch;
      return { task: definition!.name, updates: position, epoch, interrupted, wallSeconds, metrics, checkpoint };
    },
  };
  await runTraining(runDir, words, options, ({ signal, note, tracker, begin }) => {
    const runOptions: Parameters<typeof startTaskRun>[3] = {
      runDir,
      signal,
      note,
      forceUnlock: options.forceUnlock,
      checkpoint: options.checkpoint,
      openBoard: (folder) => openTolerantTensorBoard(folder, note),
      trackers: [
        tracker,
        {
          onEvent({ kind, numbers }, run) {
            if (kind !== 'evaluation') return;
            note(`epoch ${numbers.epoch}: ${definition!.describe({ ...run.latest.epoch, ...numbers })}`);
          },
        },
      ],
      onStart({ definition: found, training, total }) {
        definition = found;
        perEpoch = training.perEpoch;
        const parameters = training.task.parameters.toLocaleString('en');
        begin(`${found.name}, ${parameters} parameters; writing to ${runDir}`, training.position, total, training.unit);
      },
    };
    if (resolved === undefined) return resumeTaskRun(given, runOptions);
    return startTaskRun(definition!, resolved.settings, resolved.preset, runOptions);
  });
});

function defaultRunDir(task: string, { seed, ...rest }: TaskSettings): string {
  return `runs/${task}-${(rest as { normalization?: string }).normalization}-seed${seed}`;
}

await runCommand(command);
