import { findAgent } from '../agents/registry.ts';
import { newCommand, path, runCommand, say, UsageError, wholeNumber, writeResult } from '../src/cli/index.ts';
import { onInterrupt } from '../src/cli/interrupt.ts';
import { EXPORT_FORMATS, ExportError, type ExportFormat, exportAgentRun } from '../src/exports/index.ts';
import { FileError } from '../src/files/errors.ts';
import { checkNewFolder } from '../src/files/new-folder.ts';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';

const command = newCommand(
  'export-agent',
  'Writes a trained agent in a format of other programs: its network with plain weights, and a model card.',
)
  .argument('<out>', 'the folder to write, which is not there yet', path)
  .requiredOption('--run <folder>', 'the run folder that train-agent wrote', path)
  .requiredOption('--format <name>', `${EXPORT_FORMATS.join(', ')}: see below`)
  .option(
    '--checkpoint <agent steps|best>',
    'which checkpoint; best: that of the best evaluation while training (default: the newest)',
    (text) => (text === 'best' ? text : wholeNumber(0)(text)),
  )
  .option('--half', 'weights as float16, half the size (safetensors and agent only)')
  .option('--no-video', 'film no episode of an Atari game')
  .option('--trust-modules', 'import the Python module that the run folder names as its environment')
  .option('--json', 'print one JSON object on stdout, and nothing else')
  .addHelpText(
    'after',
    `
Formats:
  tfjs         model.json and weights.bin, for tf.loadGraphModel in any browser
  saved-model  TensorFlow's SavedModel with the signature serving_default
  onnx         model.onnx, opset 17
  safetensors  model.safetensors, the weights alone
  agent        a run folder of the network alone, which evaluate-agent, view-runs and export-agent read: it plays, and
               cannot be trained further

The first three take float32 "states" [n, ...] as the environment gives them, bytes 0 to 255 not scaled, the
oldest frame first, and give "q_values" [n, actions] and, of agents that learn distributions, "logits" or "quantiles".
README.md is a model card as Hugging Face reads it; replay.mp4 one episode of an Atari game without random actions.

Examples:
  export-agent --run runs/Enduro-fast-seed1 --format onnx enduro-onnx
  export-agent --run runs/Enduro-fast-seed1 --format tfjs --checkpoint best --no-video web/enduro`,
  );

command.action(async (out: string, { run, format, video, json, ...options }) => {
  refuseTaken(out);
  const { version, device } = loadTensorFlow();
  say(`TensorFlow ${version} on ${device}`);
  const exported = await exportAgentRun(findAgent, {
    ...options,
    ...{ runDir: run, out, format: format as ExportFormat },
    ...(video === false && { noVideo: true }),
    signal: onInterrupt(() => say('stopping: nothing will be left')),
    note: say,
  }).catch((error) => {
    throw error instanceof ExportError ? new UsageError(error.message) : error;
  });
  if (json) {
    await writeResult(`${JSON.stringify(exported)}\n`);
    return;
  }
  const { agent, environment, checkpointAgentSteps, isBest, files, video: film } = exported;
  const sizes = files.map(({ name, bytes }) => `${name} (${bytes.toLocaleString('en-US')} bytes)`).join(', ');
  await writeResult(
    `${agent} on ${environment}, ${isBest ? 'best ' : ''}checkpoint of agent step ${checkpointAgentSteps}\n` +
      `${film ? `filmed an episode of score ${film.return}\n` : ''}${out}: ${sizes}\n`,
  );
});

/** Finds out before the work begins whether the folder can be made. */
function refuseTaken(out: string): void {
  try {
    checkNewFolder(out);
  } catch (error) {
    throw error instanceof FileError ? new UsageError(error.message) : error;
  }
}

await runCommand(command);
