import { closeSync, existsSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { FileError } from '../files/errors.ts';

/** A file of one JSON object a line, which a resumed run goes on with. */
export class JsonLog {
  /** How much of what the checkpoint knew of is gone. */
  readonly missingBytes: number;
  private readonly path: string;
  private readonly file: number;
  private bytes: number;

  /**
   * @param keepBytes Where a resumed run's checkpoint stood: what was written after it is cut off, for it is about to
   *   happen again. 0 for a new run.
   */
  constructor(path: string, keepBytes = 0) {
    const size = existsSync(path) ? statSync(path).size : 0;
    this.path = path;
    this.missingBytes = Math.max(0, keepBytes - size);
    if (size > keepBytes) truncateSync(path, keepBytes);
    this.file = openSync(path, 'a');
    this.bytes = Math.min(size, keepBytes);
  }

  /** Length of the file: what a checkpoint remembers. */
  get position(): number {
    return this.bytes;
  }

  write(values: object): void {
    try {
      this.bytes += writeSync(this.file, `${JSON.stringify(values)}\n`);
    } catch (error) {
      throw new FileError(this.path, 'a line cannot be written', error);
    }
  }

  close(): void {
    closeSync(this.file);
  }
}
