import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeGif, encodePng, writePicture } from '../report/pictures.ts';
import type { TensorBoardWriter } from '../runs/tensorboard.ts';
import type { Tracker } from '../runs/tracker.ts';
import type { SupervisedTask } from './task.ts';
import type { SupervisedTraining } from './trainable.ts';

/**
 * Evaluates the test set at the end of epochs and draws pictures: an `evaluation` event, and
 * `pictures/<name>-epoch-<epoch>.png` and `.gif`.
 * @param periodEpochs Every so many epochs, and at the end of the run.
 */
export function evaluateEpochs(
  training: SupervisedTraining,
  periodEpochs: number,
  { folder, board }: { folder: string; board?: TensorBoardWriter | undefined },
): Tracker {
  const { task, perEpoch } = training;
  return {
    async onStep({ position }, run) {
      if (position % perEpoch !== 0) return;
      const epoch = position / perEpoch;
      if (epoch % periodEpochs !== 0 && position !== run.total) return;
      const found = task.evaluate();
      await drawPictures(task.pictures(), { folder, board, position, epoch });
      await run.emit({ kind: 'evaluation', numbers: { epoch, ...found } });
    },
  };
}

async function drawPictures(
  { still, moving }: ReturnType<SupervisedTask['pictures']>,
  {
    folder,
    board,
    position,
    epoch,
  }: { folder: string; board?: TensorBoardWriter | undefined; position: number; epoch: number },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = (name: string, extension: string) =>
    join(folder, `${name}-epoch-${String(epoch).padStart(4, '0')}.${extension}`);
  for (const [name, picture] of Object.entries(still)) {
    const png = await encodePng(picture);
    await writePicture(path(name, 'png'), png);
    board?.image(name, png, picture, position);
  }
  for (const [name, frames] of Object.entries(moving)) {
    await writePicture(path(name, 'gif'), encodeGif(frames, { framesPerSecond: 8, lastFrameSeconds: 2 }));
  }
}
