/** The last lines that a sidecar wrote to its standard error, and how it ended. */
export interface SidecarExit {
  /** Exit code, or null where a signal ended it. */
  exitCode: number | null;
  /** The signal that ended it, or null. */
  signal: string | null;
  /** The last lines of standard error. */
  stderr: string[];
}

/** Base of every error that this package throws on purpose. */
export class BridgeError extends Error {
  override name = 'BridgeError';
}

/** An option or argument has an impossible value; nothing was started or sent. */
export class EnvOptionsError extends BridgeError {
  override name = 'EnvOptionsError';
}

/** No game or environment of this name; `suggestions` holds the nearest known names, nearest first. */
export class UnknownEnvError extends BridgeError {
  override name = 'UnknownEnvError';
  readonly envName: string;
  readonly suggestions: string[];

  constructor(message: string, envName: string, suggestions: string[]) {
    super(message);
    this.envName = envName;
    this.suggestions = suggestions;
  }
}

/** The environment exists, but its spaces are not ones this bridge carries (discrete actions, box observations). */
export class UnsupportedEnvError extends BridgeError {
  override name = 'UnsupportedEnvError';
}

/** Python or one of its packages is missing; the message names the command that mends it. */
export class SidecarStartError extends BridgeError {
  override name = 'SidecarStartError';
  /** Names of the missing packages on PyPI; empty where Python itself is the trouble. */
  readonly missingPackages: string[];

  constructor(message: string, missingPackages: string[] = []) {
    super(message);
    this.missingPackages = missingPackages;
  }
}

/** Client and sidecar speak different versions of the protocol. */
export class ProtocolMismatchError extends BridgeError {
  override name = 'ProtocolMismatchError';
}

/** Where in Python an exception came from. */
export interface PythonOrigin {
  /** The innermost file and line of the traceback, where it has one. */
  file?: string | undefined;
  line?: number | undefined;
  /** What was asked of the sidecar: "make", "reset" or "step". */
  op?: string | undefined;
  /** The environment, as the user spelled it. */
  envName?: string | undefined;
}

/**
 * A Python exception inside the sidecar; its message is Python's. The sidecar lives on; `reset()` before the next
 * `step()`.
 */
export class SidecarError extends BridgeError {
  override name = 'SidecarError';
  /** Class of the Python exception, for example "ValueError". */
  readonly pythonType: string;
  /** The Python traceback, one string with line breaks. */
  readonly traceback: string;
  readonly origin: PythonOrigin;

  constructor(message: string, pythonType: string, traceback: string, origin: PythonOrigin = {}) {
    super(message);
    this.pythonType = pythonType;
    this.traceback = traceback;
    this.origin = origin;
  }

  /** One line for a user: which environment raised what, doing what, and in which file and line. */
  describe(): string {
    const { envName, op, file, line } = this.origin;
    const who = envName === undefined ? 'the sidecar' : `the environment ${envName}`;
    const where = file === undefined ? '' : ` (${file}, line ${line})`;
    return `${who} raised ${this.pythonType}${op === undefined ? '' : ` in ${op}`}: ${this.message}${where}`;
  }
}

/**
 * An environment gave what no learner can use: a number that is not finite or of absurd size, or (where it is written
 * in TypeScript) a result of another form than its spaces say.
 */
export class EnvValueError extends BridgeError {
  override name = 'EnvValueError';
}

/** Episodes that were played again from their seeds and actions took another course. */
export class NotReproducibleError extends BridgeError {
  override name = 'NotReproducibleError';
}

/** The sidecar process ended while it was needed. Later requests fail with the same error. */
export class SidecarDiedError extends BridgeError {
  override name = 'SidecarDiedError';
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stderr: string[];

  constructor(message: string, exit: SidecarExit) {
    super(message);
    this.exitCode = exit.exitCode;
    this.signal = exit.signal;
    this.stderr = exit.stderr;
  }
}

/**
 * The sidecar did not answer in time. It is killed, since its state is unknown; later requests fail with the same
 * error.
 */
export class SidecarTimeoutError extends BridgeError {
  override name = 'SidecarTimeoutError';
  /** The request that was not answered. */
  readonly op: string;
  readonly timeoutMs: number;

  constructor(message: string, op: string, timeoutMs: number) {
    super(message);
    this.op = op;
    this.timeoutMs = timeoutMs;
  }
}

/** What a sidecar or worker sent is no answer of this protocol; it is given up, since its state is unknown. */
export class SidecarReplyError extends BridgeError {
  override name = 'SidecarReplyError';
}

/** A worker on another machine is lost: its connection has ended, or it was given up. */
export class WorkerLostError extends BridgeError {
  override name = 'WorkerLostError';
}

/** No worker came in time to run environments. */
export class NoWorkerError extends BridgeError {
  override name = 'NoWorkerError';
}

/** A call on an environment after its `close()`. */
export class EnvClosedError extends BridgeError {
  override name = 'EnvClosedError';
}
