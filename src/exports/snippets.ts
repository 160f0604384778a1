// How each format is loaded, for the model card.
import { Q_VALUES, STATES } from './agent-graph.ts';
import type { ExportFormat } from './formats.ts';
import { BATCH, type Graph } from './graph.ts';

const HALF = 'Weights are float16, rounded to the nearest; computing in float32 keeps the rest.';

/** A text with the code that loads an exported agent and takes the best action of one state of zeros. */
export function snippet({
  format,
  half,
  graph,
}: {
  format: ExportFormat;
  half?: boolean | undefined;
  graph: Graph;
}): string {
  const shape = graph.inputs[STATES].shape.map((size) => (size === BATCH ? 1 : size)).join(', ');
  switch (format) {
    case 'tfjs':
      return code(
        'js',
        "import * as tf from '@tensorflow/tfjs';",
        '',
        "const model = await tf.loadGraphModel('model.json');",
        `const ${STATES} = tf.zeros([${shape}]);`,
        `const [action] = tf.tidy(() => model.execute({ ${STATES} }, '${Q_VALUES}').argMax(1).dataSync());`,
      );
    case 'saved-model':
      return code(
        'python',
        'import tensorflow as tf',
        '',
        'model = tf.saved_model.load(".")',
        `${STATES} = tf.zeros([${shape}])`,
        `q_values = model.signatures["serving_default"](${STATES}=${STATES})["${Q_VALUES}"]`,
        'action = int(tf.argmax(q_values[0]))',
      );
    case 'onnx':
      return code(
        'python',
        'import numpy as np',
        'import onnxruntime',
        '',
        'session = onnxruntime.InferenceSession("model.onnx")',
        `${STATES} = np.zeros([${shape}], np.float32)`,
        `(q_values,) = session.run(["${Q_VALUES}"], {"${STATES}": ${STATES}})`,
        'action = int(q_values[0].argmax())',
      );
    case 'safetensors':
      return [
        'The file holds the weights of the layers below, by their names: kernels of dense layers [inputs, units], of ' +
          'convolutions [height, width, channels, filters], as Keras has them. The network takes frames [n, height, ' +
          'width, frames].',
        code(
          'python',
          'from safetensors.numpy import load_file',
          '',
          'weights = load_file("model.safetensors")',
          'print({name: weight.shape for name, weight in weights.items()})',
        ),
        ...(half ? [HALF] : []),
      ].join('\n\n');
    case 'agent':
      return [
        code('bash', 'npm run evaluate-agent -- --run .', 'npm run view-runs -- .'),
        ...(half ? [HALF] : []),
      ].join('\n\n');
  }
}

function code(language: string, ...lines: string[]): string {
  return [`\`\`\`${language}`, ...lines, '```'].join('\n');
}
