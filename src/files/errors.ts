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

/** What the system says of files, in words, with what to do. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'no permission: name a place of yours, or change its permissions',
  EDQUOT: 'your quota is used up: free some space',
  EEXIST: 'a file of that name is there',
  EISDIR: 'it is a folder',
  ELOOP: 'its links go round in a circle',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'there is no such place',
  ENOSPC: 'the disk is full: free some space',
  ENOTDIR: 'something on the way to it is no folder',
  EPERM: 'it is not permitted',
  EROFS: 'the disk is read-only',
};

/** A file or folder could not be used. The message is one line: the path, what was being done, why and what to do. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly path: string;
  /** The system's code, such as ENOSPC. */
  readonly code: string;

  /** @param doing What was being done, such as "the checkpoint cannot be written". */
  constructor(path: string, doing: string, cause: unknown) {
    const { code = 'unknown', message } = cause as NodeJS.ErrnoException;
    super(`${path}: ${doing}: ${REASONS[code] ?? message} (${code})`, { cause });
    this.path = path;
    this.code = code;
  }
}

/** Whether an error comes from the system, about a file or folder. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string' && 'syscall' in error;
}

/** Does something with a file; what the system refuses becomes a `FileError`. */
export async function withFile<T>(path: string, doing: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isSystemError(error) ? new FileError(path, doing, error) : error;
  }
}
