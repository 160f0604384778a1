/**
 * A file that was truncated, altered or is of another kind. The message is one line: the file, then what is wrong with
 * it.
 */
export class DamagedFileError extends Error {
  override readonly name = 'DamagedFileError';
  readonly path: string;

  constructor(path: string, problem: string, options?: ErrorOptions) {
    super(`${path}: ${problem}`, options);
    this.path = path;
  }
}

/** A file that is not there. */
export class MissingFileError extends Error {
  override readonly name = 'MissingFileError';
  readonly path: string;

  constructor(path: string, options?: ErrorOptions) {
    super(`${path}: no such file`, options);
    this.path = path;
  }
}
