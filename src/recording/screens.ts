import { type EnvSettings, makeVectorEnv, type VectorEnv, type VectorEnvOptions } from 'gymnasium-js-bridge';
import type { EpisodeRecording } from './episode-file.ts';
import { type EmulationOptions, environmentOptions } from './verify.ts';

/** The console drew 60 frames a second. */
export const GAME_FRAMES_PER_SECOND = 60;

/** Size of its RGB screen in emulator pixels. The few games with more lines (214 to 250) are scaled to it. */
const CONSOLE_SCREEN = { height: 210, width: 160 };

/** A recording of an environment that has no screen to show. */
export class NoScreenError extends Error {
  override readonly name = 'NoScreenError';
}

/** What an episode looked like. */
export interface Screens {
  readonly height: number;
  readonly width: number;
  readonly framesPerSecond: number;
  /**
   * Whether it is a console's screen: its pixels are not square, and it may draw a thing in every second frame only.
   */
  readonly isConsole: boolean;
  /**
   * Each frame, [height, width, 3] uint8, valid until the next one is asked for. Going through it, or leaving it after
   * the first frame, ends the environment.
   */
  readonly frames: AsyncGenerator<Uint8Array>;
}

/**
 * The options of an environment that shows the screen in place of what an agent sees: an Atari game's in colour, the
 * maximum of the two last frames of a step, as agents see them; of a Gymnasium environment what it draws.
 */
export function screenOptions(kind: EnvSettings['kind'], options: VectorEnvOptions): VectorEnvOptions {
  if (kind !== 'atari') return { ...options, screen: true };
  return { ...options, ...CONSOLE_SCREEN, frameStack: 1, grayscale: false };
}

/** Which agent steps of an episode are shown, counted from 1; what comes before is played and not shown. */
export interface ShownSteps {
  /** The first; the first of the episode where not given. */
  readonly fromStep?: number | undefined;
  /** The last; the last of the episode where not given. */
  readonly toStep?: number | undefined;
}

/**
 * Plays a recorded episode again and shows every frame, the one before the first action first: of an Atari game the
 * emulator's, with a frame skip of 1, every action repeated as often as it was held; of a Gymnasium environment the
 * pictures that it draws after each step.
 *
 * The emulator skips frames by a loop around its one-frame step, so this is the same game, sticky actions included.
 * That is checked as far as it is played: the rewards of each agent step, the end and the number of frames must be
 * those of the recording.
 *
 * @throws NoScreenError for an environment that is written in TypeScript; the bridge's UnsupportedEnvError for one that
 *   draws nothing; from `frames`, Error where the episode takes another course than the recording.
 */
export async function openScreens(
  recording: EpisodeRecording,
  options: EmulationOptions & ShownSteps = {},
): Promise<Screens> {
  const { settings, rom } = recording;
  if (settings.kind === 'typescript') {
    throw new NoScreenError(`${settings.id} has no screen to show: it is written in TypeScript and draws nothing`);
  }
  const isConsole = settings.kind === 'atari';
  const env = await makeVectorEnv({
    ...screenOptions(settings.kind, environmentOptions(recording, options)),
    ...(isConsole && { frameSkip: 1 }),
  });
  if (rom?.sha256 !== env.info.rom?.sha256) {
    await env.close();
    throw new Error(`the ROM of ${settings.id} is another one than that of the recording: the game cannot be shown`);
  }
  const [height, width] = env.observationSpace.shape.slice(-3);
  return {
    height: height!,
    width: width!,
    framesPerSecond: env.info.framesPerSecond ?? GAME_FRAMES_PER_SECOND,
    isConsole,
    frames: playFrames(env, recording, options),
  };
}

async function* playFrames(
  env: VectorEnv,
  { settings, seed, actions, rewards, lengthSteps, lengthFrames }: EpisodeRecording,
  { onProgress, fromStep = 1, toStep = lengthSteps }: EmulationOptions & ShownSteps,
): AsyncGenerator<Uint8Array> {
  try {
    const { observations } = await env.reset({ seeds: [seed] });
    if (fromStep <= 1) yield observations as Uint8Array;
    for (let agentStep = 1; agentStep <= Math.min(toStep, lengthSteps); agentStep++) {
      let reward = 0;
      let ended = false;
      for (let frame = 0; frame < (settings.frameSkip ?? 1) && !ended; frame++) {
        const result = await env.step([actions[agentStep - 1]!]);
        const episode = result.finished[0];
        reward += result.rewards[0]!;
        ended = episode !== undefined;
        if (episode && episode.lengthFrames !== lengthFrames) {
          throw divergence(agentStep, `${lengthFrames} frames`, `${episode.lengthFrames} frames`);
        }
        if (agentStep >= fromStep) yield (episode?.finalObservation ?? result.observations) as Uint8Array;
      }
      if (reward !== rewards[agentStep - 1])
        throw divergence(agentStep, `reward ${rewards[agentStep - 1]}`, `reward ${reward}`);
      if (ended !== (agentStep === lengthSteps))
        throw divergence(agentStep, 'end elsewhere', `end ${ended ? 'here' : 'not here'}`);
      onProgress?.(agentStep);
    }
  } finally {
    await env.close();
  }
}

function divergence(agentStep: number, recorded: string, emulated: string): Error {
  return new Error(
    `the game takes another course at agent step ${agentStep}: ${recorded} recorded, ${emulated} now; no video ` +
      'was made',
  );
}
