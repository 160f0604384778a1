import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replaceFile } from '../files/atomic.ts';
import type { EpisodeRecording } from './episode-file.ts';
import { findFfmpeg, runFfmpeg } from './ffmpeg.ts';
import { openScreens, type Screens, type ShownSteps } from './screens.ts';
import type { EmulationOptions } from './verify.ts';

/**
 * GIF counts time in hundredths of a second, so 60 frames/s cannot be said; every third frame of a game at normal speed
 * can.
 */
export const GIF_FRAMES_PER_SECOND = 20;

/** How an episode is filmed, and where to. */
export interface VideoOptions extends EmulationOptions, ShownSteps {
  /** File to write; an existing one is replaced once the new one is complete. */
  path: string;
  /** 1 shows a game as fast as it was played on the console, another environment as fast as it says. */
  speed?: number;
}

/**
 * Makes an H.264 video for browsers with every frame, 60 x speed a second of a game. Every pixel of a game becomes 4 x
 * 2 pixels of the video, which are marked as a little narrow (7:8) so that players show the picture at 4:3, as a
 * television did; what other environments draw keeps its size, made even.
 *
 * @throws FfmpegError; what `openScreens` throws; Error when the episode takes another course than the recording.
 */
export async function renderMp4(
  recording: EpisodeRecording,
  { path, speed = 1, ...replay }: VideoOptions,
): Promise<void> {
  checkSpeed(speed);
  const ffmpeg = await findFfmpeg(replay.python);
  const screens = await openScreens(recording, replay);
  const colors = 'out_color_matrix=bt709:out_range=tv';
  const filters = screens.isConsole
    ? `scale=640:420:flags=neighbor:${colors},setsar=7/8`
    : `scale=ceil(iw/2)*2:ceil(ih/2)*2:flags=neighbor:${colors}`;
  const encoder = words('-c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p -movflags +faststart -f mp4');
  const tags = words('-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv');
  await replaceFile(path, (temporary) =>
    runFfmpeg(
      ffmpeg,
      [...rawInput(screens, speed), '-vf', filters, ...encoder, ...tags, `file:${temporary}`],
      screens.frames,
    ),
  );
}

/**
 * Makes a GIF of at most 20 frames/s, of a game at 320 x 210 pixels, of other environments at most 320 wide. Each
 * picture of a game is the maximum of two frames, as in the agent's observations: many games draw a thing in every
 * second frame only. The episode runs twice: first the colours are gathered, then the pictures made.
 *
 * @throws as `renderMp4`.
 */
export async function renderGif(
  recording: EpisodeRecording,
  { path, speed = 1, ...replay }: VideoOptions,
): Promise<void> {
  checkSpeed(speed);
  const ffmpeg = await findFfmpeg(replay.python);
  const folder = await mkdtemp(join(tmpdir(), 'episode-palette-'));
  const palette = join(folder, 'palette.png');
  try {
    const first = await openScreens(recording, replay);
    const rate = Math.min(GIF_FRAMES_PER_SECOND, first.framesPerSecond * speed);
    const pictures = first.isConsole
      ? `tblend=all_mode=lighten,fps=${rate},scale=320:210:flags=neighbor`
      : `fps=${rate},scale='min(320,iw)':-1:flags=area`;
    await runFfmpeg(
      ffmpeg,
      [...rawInput(first, speed), '-vf', `${pictures},palettegen`, ...words('-f image2 -update 1'), palette],
      first.frames,
    );
    const second = await openScreens(recording, replay);
    const withPalette = `${pictures}[p];[p][1:v]paletteuse=dither=none`;
    await replaceFile(path, (temporary) =>
      runFfmpeg(
        ffmpeg,
        [
          ...[...rawInput(second, speed), '-i', palette, '-lavfi', withPalette],
          ...[...words('-loop 0 -f gif'), `file:${temporary}`],
        ],
        second.frames,
      ),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

function checkSpeed(speed: number): void {
  if (!(speed >= 0.1 && speed <= 10)) throw new RangeError(`speed ${speed}: it is from 0.1 to 10`);
}

function rawInput({ height, width, framesPerSecond }: Screens, speed: number): string[] {
  const rate = framesPerSecond * speed;
  return words(`-f rawvideo -pix_fmt rgb24 -video_size ${width}x${height} -framerate ${rate} -i pipe:0`);
}

function words(text: string): string[] {
  return text.split(' ');
}
