/**
 * Recordings of episodes: writing and reading them, verifying them by playing them again, filming them.
 * @module weightnorm-rl/recording
 */
export {
  type EpisodeRecording,
  frameHash,
  RECORDING_EXTENSION,
  readRecording,
  writeRecording,
} from './episode-file.ts';
export { FfmpegError } from './ffmpeg.ts';
export { OBSERVATIONS_EXTENSIONS, saveObservations } from './observations.ts';
export { EpisodeRecorder } from './recorder.ts';
export { GAME_FRAMES_PER_SECOND, NoScreenError, type ShownSteps } from './screens.ts';
export { summaryData, summaryLines } from './summary.ts';
export {
  type Difference,
  differenceText,
  type EmulationOptions,
  type Verification,
  verifyRecording,
} from './verify.ts';
export { GIF_FRAMES_PER_SECOND, renderGif, renderMp4, type VideoOptions } from './video.ts';
