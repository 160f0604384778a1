import { closeSync, existsSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';

/** A file of one JSON object a line, which a resumed run goes on with. */
export class JsonLog {
  private readonly file: number;
  private bytes: number;

  /**
   * @param keepBytes Where a resumed run's checkpoint stood: what was written after it is cut off, for it is about to
   *   happen again. 0 for a new run.
   */
  constructor(path: string, keepBytes = 0) {
    const size = existsSync(path) ? statSync(path).size : 0;
    if (size > keepBytes) truncateSync(path, keepBytes);
    this.file = openSync(path, 'a');
    this.bytes = Math.min(size, keepBytes);
  }

  /** Length of the file: what a checkpoint remembers. */
  get position(): number {
    return this.bytes;
  }

  write(values: object): void {
    this.bytes += writeSync(this.file, `${JSON.stringify(values)}\n`);
  }

  close(): void {
    closeSync(this.file);
  }
}
