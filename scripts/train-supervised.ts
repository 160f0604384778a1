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
import { resumeRun, type SupervisedRunOptions, trainNewRun } from '../src/supervised/run.ts';
import { findTask, resolveConfig, tasks } from '../src/supervised/tasks.ts';
import { statusLine, taskSettings } from '../src/supervised/words.ts';
import { duration, type ProgressDisplay, progressDisplay } from '../src/training/progress.ts';
import { openTensorBoard } from '../src/training/tensorboard.ts';

const command = newCommand(
  'train-supervised',
  "Trains the paper's other networks: a classifier of CIFAR-10, convolutional VAEs, DRAW.",
)
  .option('--task <name>', `which: ${Object.keys(tasks).join(', ')}`)
  .option('--recipe <name>', 'named settings of the task, see below (default: paper)')
  .option('--run-dir <folder>', 'where the run is written (default: runs/<task>-<normalization>-seed<seed>)')
  .option('--resume', 'continue the run in --run-dir from its newest checkpoint')
  .option('--print-config', 'print the settings that would be used, as JSON, and stop')
  .option('--json', 'print the result as one JSON object on stdout, and nothing else');

const settings = taskSettings();
for (const { heading, schema, defaults } of settings.groups) {
  command.optionsGroup(heading);
  addSettings(command, schema, defaults);
}
command.addHelpText(
  'after',
  `
Tasks and their recipes:
${Object.entries(tasks)
  .map(
    ([name, { about, recipes }]) =>
      `  ${name.padEnd(13)}${about}\n${Object.entries(recipes)
        .map(([recipe, entry]) => `    ${recipe.padEnd(11)}${entry.about}`)
        .join('\n')}`,
  )
  .join('\n')}

Defaults shown are those of the first recipe. An update is one minibatch; an epoch is one pass over the training examples.
Ctrl-C saves a checkpoint and stops; a second Ctrl-C stops at once.

Examples:
  train-supervised --task vae-mnist --recipe reduced
  train-supervised --task cifar10 --data-dir data --width-multiplier 0.25 --epochs 20
  train-supervised --run-dir runs/vae-mnist-weight-seed1 --resume`,
);

command.action(async ({ task, recipe, runDir, resume, printConfig, json }) => {
  const given = givenSettings(command, settings.schema);
  if (resume && runDir === undefined) throw new UsageError('--resume needs the folder of the run: --run-dir FOLDER');
  if (resume && task !== undefined) throw new UsageError(`--task ${task}: a resumed run keeps its task`);
  if (resume && recipe !== undefined) throw new UsageError(`--recipe ${recipe}: a resumed run keeps its settings`);
  if (resume && printConfig) throw new UsageError(`--print-config: the settings of a run are in ${runDir}/config.json`);
  if (!resume && task === undefined) {
    throw new UsageError(`no task: name one with --task, of ${Object.keys(tasks).join(', ')}`);
  }
  const resolved = resume ? undefined : { task: task as string, ...resolveConfig(task, recipe, given) };
  if (printConfig) {
    await writeResult(`${JSON.stringify(resolved!.config, null, 2)}\n`);
    return;
  }

  const { version, device } = loadTensorFlow();
  let display: ProgressDisplay | undefined;
  const note = (line: string) => (display ? display.note(line) : process.stderr.write(`${line}\n`));
  note(`TensorFlow ${version} on ${device}`);
  const folder: string = runDir ?? defaultRunDir(resolved!.task, resolved!.config);
  const signal = onInterrupt(() => note('stopping: saving a checkpoint (Ctrl-C again stops at once)'));
  let taskName = resolved?.task;
  const options: SupervisedRunOptions = {
    runDir: folder,
    version: packageVersion(),
    signal,
    openBoard: openTensorBoard,
    note,
    onStart: ({ task: name, updates, totalUpdates, parameters }) => {
      taskName = name;
      note(`${name}, ${parameters.toLocaleString('en')} parameters; writing to ${folder}`);
      display = progressDisplay(process.stderr, { done: updates, total: totalUpdates, unit: 'updates' });
    },
    onStatus: (status) => display?.update(status.updates, statusLine(status)),
    onEvaluated: (epoch, metrics) => note(`epoch ${epoch}: ${findTask(taskName!).describe(metrics)}`),
  };
  try {
    const summary = await (resolved === undefined ? resumeRun(given, options) : trainNewRun(resolved, options));
    display?.stop();
    const { interrupted, epoch, wallSeconds, metrics, checkpoint } = summary;
    if (json) {
      await writeResult(`${JSON.stringify({ task: taskName, run: folder, ...summary })}\n`);
      return;
    }
    process.stdout.write(
      `${interrupted ? 'Stopped' : 'Finished'} at epoch ${Number(epoch.toFixed(2))} after ${duration(wallSeconds)}: ${findTask(taskName!).describe(metrics) || 'no epoch finished'}.\n` +
        `Checkpoint: ${checkpoint}\n` +
        (interrupted
          ? `Continue with: npm run train-supervised -- --run-dir ${shellWord(folder)} --resume\n`
          : `Evaluate with: npm run evaluate-supervised -- --run ${shellWord(folder)}\n`),
    );
  } finally {
    display?.stop();
  }
});

function defaultRunDir(task: string, { seed, ...config }: { seed: number }): string {
  return `runs/${task}-${(config as { normalization?: string }).normalization}-seed${seed}`;
}

await runCommand(command);
