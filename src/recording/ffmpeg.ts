import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { findPython } from 'gymnasium-js-bridge';
import { setupCommand } from '../runtime/native-packages.ts';

/** ffmpeg is missing or failed. The message is one line. */
export class FfmpegError extends Error {
  override readonly name = 'FfmpegError';
}

/**
 * Path of the ffmpeg that comes with the Python package `imageio-ffmpeg` (with x264 inside).
 *
 * @param python The interpreter that has the package; by default the one that the sidecar runs on.
 */
export async function findFfmpeg(python = findPython()): Promise<string> {
  const script = 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())';
  try {
    const { stdout } = await promisify(execFile)(python, ['-c', script], { timeout: 60_000 });
    return stdout.trim();
  } catch (error) {
    throw new FfmpegError(`no ffmpeg: ${python} has no package imageio-ffmpeg; \`${setupCommand()}\` installs it`, {
      cause: error,
    });
  }
}

/**
 * Runs ffmpeg with `frames` on its standard input, asking for the next one when the last is in the pipe. Ends ffmpeg
 * when the frames fail.
 *
 * @throws FfmpegError with ffmpeg's last line; whatever `frames` throws.
 */
export async function runFfmpeg(ffmpeg: string, args: string[], frames: AsyncIterable<Uint8Array>): Promise<void> {
  const child = spawn(ffmpeg, ['-hide_banner', '-nostdin', '-loglevel', 'error', ...args], {
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true, // Ctrl-C is for this process, which then ends ffmpeg
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-10_000);
  });
  child.stdin.on('error', () => {}); // a broken pipe: ffmpeg has ended, and its exit code and log say why
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => {
      const lastLine = log.trim().split('\n').at(-1);
      resolve(code === 0 ? undefined : lastLine || (signal ? `ended by ${signal}` : `exit code ${code}`));
    });
  });
  let running = true;
  void ended.then(() => {
    running = false;
  });
  try {
    for await (const frame of frames) {
      // The callback comes once the frame is in the pipe, also when the pipe is broken.
      await new Promise((resolve) => child.stdin.write(frame, resolve));
      if (!running) break;
    }
    child.stdin.end();
    const problem = await ended;
    if (problem !== undefined) throw new FfmpegError(`ffmpeg failed: ${problem}`);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
