import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeGif, encodePng, writePicture } from '../report/pictures.ts';
import type { TensorBoardWriter } from '../runs/tensorboard.ts';
import type { Tracker } from '../runs/tracker.ts';
import type { SupervisedTask } from './task.ts';

/** Draws pictures with each evaluation: `<name>-epoch-<epoch>.png` and `.gif` in a folder, and in TensorBoard. */
export function drawPictures(
  task: SupervisedTask,
  { folder, board }: { folder: string; board?: TensorBoardWriter | undefined },
): Tracker {
  return {
    async onEvent({ kind, numbers, position }) {
      if (kind !== 'evaluation') return;
      const { still, moving } = task.pictures();
      await mkdir(folder, { recursive: true });
      const path = (name: string, extension: string) =>
        join(folder, `${name}-epoch-${String(numbers.epoch).padStart(4, '0')}.${extension}`);
      for (const [name, picture] of Object.entries(still)) {
        const png = await encodePng(picture);
        await writePicture(path(name, 'png'), png);
        board?.image(name, png, picture, position);
      }
      for (const [name, frames] of Object.entries(moving)) {
        await writePicture(path(name, 'gif'), encodeGif(frames, { framesPerSecond: 8, lastFrameSeconds: 2 }));
      }
    },
  };
}
