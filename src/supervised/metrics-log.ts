import type { Picture } from '../report/pictures.ts';
import { JsonLog } from '../training/json-log.ts';
import type { TensorBoardWriter } from '../training/tensorboard.ts';
import type { Metrics } from './task.ts';

/** `metrics.jsonl`, one JSON object a line with units in the keys, and the same for TensorBoard. */
export class MetricsLog {
  private readonly log: JsonLog;
  private readonly board: TensorBoardWriter | undefined;

  /** `keepBytes` as for `JsonLog`. */
  constructor(path: string, board?: TensorBoardWriter, keepBytes = 0) {
    this.log = new JsonLog(path, keepBytes);
    this.board = board;
  }

  /** Length of the file: what a checkpoint remembers. */
  get position(): number {
    return this.log.position;
  }

  /** Means over the updates since the last such line. */
  progress(metrics: Metrics): void {
    this.write('progress', metrics);
  }

  /** Means over an epoch, and what was found on the test set at its end. */
  epoch(metrics: Metrics): void {
    this.write('epoch', metrics);
  }

  picture(name: string, picture: Picture, png: Uint8Array, updates: number): void {
    this.board?.image(name, png, picture, updates);
  }

  close(): void {
    this.board?.close();
    this.log.close();
  }

  private write(event: 'progress' | 'epoch', metrics: Metrics): void {
    this.log.write({ event, ...metrics });
    const { updates, ...values } = metrics;
    for (const [name, value] of Object.entries(values)) this.board?.scalar(`${event}/${name}`, value, updates);
    this.board?.flush();
  }
}
