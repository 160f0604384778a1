import { newCommand, path, runCommand, say, wholeNumber, writeResult } from '../src/cli/index.ts';
import { exitOnInterrupt } from '../src/cli/interrupt.ts';
import { progressDisplay } from '../src/cli/progress.ts';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';
import { evaluateTaskRun, findTask } from '../src/supervised/index.ts';

const command = newCommand(
  'evaluate-supervised',
  'Tests a network that train-supervised trained, on the whole test set.',
)
  .requiredOption('--run <folder>', 'the run folder that train-supervised wrote', path)
  .option('--checkpoint <updates>', 'which checkpoint (default: the newest)', wholeNumber(0))
  .option(
    '--importance-samples <count>',
    'VAEs: also the importance-weighted bound from so many samples of z an image (Burda et al. 2016); time grows ' +
      'with it',
    wholeNumber(1, 100_000),
  )
  .option('--test-examples <count>', 'only the first of the test set; 0: all (default: as the run)', wholeNumber(0))
  .option('--data-dir <folder>', 'where the data files lie (default: as the run)')
  .option('--json', 'print one JSON object on stdout, and nothing else')
  .addHelpText(
    'after',
    `
The noise of the test is the same every time: so are the numbers. Bounds are in nats an image.

Examples:
  evaluate-supervised --run runs/vae-mnist-weight-seed1 --importance-samples 100
  evaluate-supervised --run runs/cifar10-weight-seed1 --json`,
  );

command.action(async ({ run, json, checkpoint, importanceSamples, testExamples, dataDir }) => {
  exitOnInterrupt();
  const { version, device } = loadTensorFlow();
  const note = say;
  note(`TensorFlow ${version} on ${device}`);
  let display: ReturnType<typeof progressDisplay> | undefined;
  let evaluation: Awaited<ReturnType<typeof evaluateTaskRun>>;
  try {
    evaluation = await evaluateTaskRun(run, {
      note,
      ...(checkpoint !== undefined && { checkpoint }),
      ...(importanceSamples !== undefined && { importanceSamples }),
      given: { ...(testExamples !== undefined && { testExamples }), ...(dataDir !== undefined && { dataDir }) },
      onProgress: (done, total) => {
        display ??= progressDisplay(process.stderr, { done: 0, total, unit: 'test images' });
        display.update(done, []);
      },
    });
  } finally {
    display?.stop();
  }
  const { task, recipe, metrics, checkpoint: updates } = evaluation;
  await writeResult(
    json
      ? `${JSON.stringify(evaluation)}\n`
      : `${task} (${recipe}), checkpoint of update ${updates}: ${findTask(task).describe(metrics)}\n`,
  );
});

await runCommand(command);
