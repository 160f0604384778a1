import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';

/** Writes a model as `model.json` and `weights.bin` into a new folder, as `tf.loadLayersModel` takes them. */
export async function writeTfjsModel(folder: string, model: tf.LayersModel): Promise<void> {
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
