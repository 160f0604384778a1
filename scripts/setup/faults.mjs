// @ts-check

// What can go wrong with a machine, each told in one line that names the thing and the command that mends it.

import { statfsSync } from 'node:fs';
import { setupCommand } from './place.mjs';

export const setupLog = '.setup/setup.log';
const again = `run "${setupCommand}" again`;

/** A fault of the machine or the project folder, not of this program: one line for the user, exit code 2. */
export class SetupFault extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message.replace(/\s+/g, ' ').trim());
    this.name = 'SetupFault';
  }
}

/** A tool (npm, pip, the compiler, ...) that ended badly. `output` is the end of what it said. */
export class ToolFailure extends Error {
  /**
   * @param {string} doing what the tool was doing, as in "npm could not <doing>"
   * @param {string} tool its name for the user
   * @param {string} ending "exit code 1", "signal SIGKILL" or an error code
   * @param {string} output
   */
  constructor(doing, tool, ending, output) {
    super(`${tool} could not ${doing} (${ending})`);
    this.name = 'ToolFailure';
    this.doing = doing;
    this.tool = tool;
    this.ending = ending;
    this.output = output;
  }
}

const diskFull = /No space left on device|ENOSPC|EDQUOT|Disk quota exceeded|\[Errno (28|122)\]/;

const networkTrouble = new RegExp(
  [
    'ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|EPROTO',
    'UNABLE_TO_[A-Z_]+|SELF_SIGNED_CERT_IN_CHAIN|CERT_[A-Z_]+|CERTIFICATE_VERIFY_FAILED',
    'NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|ProxyError|SSLError|IncompleteRead',
    'ConnectionResetError|Connection refused|Temporary failure in name resolution|Network is unreachable',
    '(?<=npm error code )E[45]\\d\\d',
  ].join('|'),
);

/**
 * The one line that explains a failed tool.
 * @param {ToolFailure} failure
 * @returns {SetupFault}
 */
export function explainToolFailure(failure) {
  const could = `${failure.tool} could not ${failure.doing}`;
  const { output } = failure;
  if (diskFull.test(output)) {
    return new SetupFault(`${could}: the disk is full. Free some space (see "df -h .") and ${again}.`);
  }
  if (/DO NOT MATCH THE HASHES/.test(output)) {
    return new SetupFault(
      `${could}: a download differs from its recorded hash. Run "python3 -m pip cache purge" and ${again}; ` +
        `details: ${setupLog}`,
    );
  }
  const trouble = networkTrouble.exec(output);
  if (trouble) {
    return new SetupFault(
      `${could}: the network or the package registry cannot be reached (${trouble[0]}). Check the connection and ` +
        `the proxy settings, and ${again}; details: ${setupLog}`,
    );
  }
  if (/No matching distribution found/.test(output)) {
    return new SetupFault(
      `${could}: the package index cannot be reached, or has no build for this Python and machine. Check the ` +
        `connection, or set WEIGHTNORM_PYTHON to another Python, and ${again}; details: ${setupLog}`,
    );
  }
  const said = firstError(output);
  return new SetupFault(`${could} (${failure.ending}${said && `: ${said}`}): see ${setupLog}, then ${again}.`);
}

/**
 * System errors that are the machine's, as faults; anything else unchanged.
 * @param {unknown} error
 * @returns {unknown}
 */
export function asFault(error) {
  if (error instanceof ToolFailure) return explainToolFailure(error);
  if (!(error instanceof Error)) return error;
  const { code, path } = /** @type {NodeJS.ErrnoException} */ (error);
  const where = path ? ` (${path})` : '';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new SetupFault(`The disk is full${where}: free some space (see "df -h .") and ${again}.`);
  }
  if (path && (code === 'EACCES' || code === 'EROFS' || code === 'EPERM')) {
    return new SetupFault(
      `No permission to write ${path} (${code}): take it back with "sudo chown -R $USER ." or work in a folder of ` +
        'yours.',
    );
  }
  return error;
}

/**
 * @param {string} folder
 * @param {number} neededBytes
 * @param {string} purpose what needs the space
 */
export function checkDiskSpace(folder, neededBytes, purpose) {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= neededBytes) return;
  const gigabytes = (/** @type {number} */ bytes) => (bytes / 1e9).toFixed(1);
  throw new SetupFault(
    `Not enough disk space in ${folder}: ${purpose} need about ${gigabytes(neededBytes)} GB and ` +
      `${gigabytes(bavail * bsize)} GB are free. Free some (see "df -h .") and ${again}.`,
  );
}

/** The first line that tells of an error, without addresses. @param {string} output */
function firstError(output) {
  // npm also tells which packages it fetches, and some are called "http-errors".
  const lines = output.split('\n').filter((text) => /error/i.test(text) && !/^npm (?!err)/i.test(text));
  const npmDetail = /^npm err(or|!) (code|errno|path|syscall) /i;
  const line = lines.find((text) => !npmDetail.test(text)) ?? lines[0] ?? '';
  return line
    .replace(/\w+:\/\/\S+/g, '<address>')
    .trim()
    .slice(0, 300);
}
