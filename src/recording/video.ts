import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replaceFile } from '../files/atomic.ts';
import type { EpisodeRecording } from './episode-file.ts';
import { findFfmpeg, runFfmpeg } from './ffmpeg.ts';
import { SCREEN, screens } from './screens.ts';
import type { EmulationOptions } from './verify.ts';

/** The console drew 60 frames a second. */
export const GAME_FRAMES_PER_SECOND = 60;
/**
 * GIF counts time in hundredths of a second, so 60 frames/s cannot be said; every third frame of a game at normal speed
 * can.
 */
export const GIF_FRAMES_PER_SECOND = 20;

export interface VideoOptions extends EmulationOptions {
  /** File to write; an existing one is replaced once the new one is complete. */
  path: string;
  /** 1 shows the game as fast as it was played on the console. */
  speed?: number;
}

/**
 * Makes an H.264 video for browsers with every frame of the game, 60 x speed a second. Every pixel of the game becomes
 * 4 x 2 pixels of the video, which are marked as a little narrow (7:8) so that players show the picture at 4:3, as a
 * television did.
 *
 * @throws FfmpegError; NoScreenError; Error when the game takes another course than the recording.
 */
export async function renderMp4(
  recording: EpisodeRecording,
  { path, speed = 1, ...replay }: VideoOptions,
): Promise<void> {
  const ffmpeg = await findFfmpeg(replay.python);
  const filters = 'scale=640:420:flags=neighbor:out_color_matrix=bt709:out_range=tv,setsar=7/8';
  const encoder = words('-c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p -movflags +faststart -f mp4');
  const colors = words('-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv');
  await replaceFile(path, (temporary) =>
    runFfmpeg(
      ffmpeg,
      [...rawInput(speed), '-vf', filters, ...encoder, ...colors, `file:${temporary}`],
      screens(recording, replay),
    ),
  );
}

/**
 * Makes a GIF of 320 x 210 pixels and 20 frames/s. Each picture is the maximum of two frames of the game, as in the
 * agent's observations: many games draw a thing in every second frame only. The game runs twice: first the colours are
 * gathered, then the pictures made.
 *
 * @throws as `renderMp4`.
 */
export async function renderGif(
  recording: EpisodeRecording,
  { path, speed = 1, ...replay }: VideoOptions,
): Promise<void> {
  const ffmpeg = await findFfmpeg(replay.python);
  const input = rawInput(speed);
  const pictures = `tblend=all_mode=lighten,fps=${GIF_FRAMES_PER_SECOND},scale=320:210:flags=neighbor`;
  const withPalette = `${pictures}[p];[p][1:v]paletteuse=dither=none`;
  const folder = await mkdtemp(join(tmpdir(), 'episode-palette-'));
  const palette = join(folder, 'palette.png');
  try {
    await runFfmpeg(
      ffmpeg,
      [...input, '-vf', `${pictures},palettegen`, ...words('-f image2 -update 1'), palette],
      screens(recording, replay),
    );
    await replaceFile(path, (temporary) =>
      runFfmpeg(
        ffmpeg,
        [...input, '-i', palette, '-lavfi', withPalette, ...words('-loop 0 -f gif'), `file:${temporary}`],
        screens(recording, replay),
      ),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

function rawInput(speed: number): string[] {
  if (!(speed >= 0.1 && speed <= 10)) throw new RangeError(`speed ${speed}: it is from 0.1 to 10`);
  const size = `${SCREEN.width}x${SCREEN.height}`;
  const rate = GAME_FRAMES_PER_SECOND * speed;
  return words(`-f rawvideo -pix_fmt rgb24 -video_size ${size} -framerate ${rate} -i pipe:0`);
}

function words(text: string): string[] {
  return text.split(' ');
}
