import { makeVectorEnv } from 'gymnasium-js-bridge';
import type { EpisodeRecording } from './episode-file.ts';
import { type EmulationOptions, environmentOptions } from './verify.ts';

/** Size of the RGB screen in emulator pixels. The few games with more lines (214 to 250) are scaled to it. */
export const SCREEN = { height: 210, width: 160 };

/** A recording of an environment that has no screen to show. */
export class NoScreenError extends Error {
  override readonly name = 'NoScreenError';
}

/**
 * Emulates an Atari episode again with a frame skip of 1, every action repeated as often as it was held, and yields
 * every emulator frame of the game (60 a second), the screen after the no-op start first. Each frame is [210, 160, 3]
 * uint8, valid until the next one is asked for.
 *
 * The emulator skips frames by a loop around its one-frame step, so this is the same game, sticky actions included.
 * That is checked: the rewards of each agent step, the end and the number of frames must be those of the recording.
 *
 * @throws NoScreenError for an environment that is not an Atari game; Error when the game takes another course than the
 *   recording.
 */
export async function* screens(
  recording: EpisodeRecording,
  options: EmulationOptions = {},
): AsyncGenerator<Uint8Array> {
  const { settings, seed, actions, rewards, lengthSteps, rom } = recording;
  if (settings.kind !== 'atari')
    throw new NoScreenError(`${settings.id} has no screen to show: video is for Atari games only`);
  const env = await makeVectorEnv({
    ...environmentOptions(recording, options),
    ...SCREEN,
    frameSkip: 1,
    frameStack: 1,
    grayscale: false,
  });
  try {
    if (rom?.sha256 !== env.info.rom?.sha256) {
      throw new Error(`the ROM of ${settings.id} is another one than that of the recording: the game cannot be shown`);
    }
    yield (await env.reset({ seeds: [seed] })).observations as Uint8Array;
    for (let agentStep = 1; agentStep <= lengthSteps; agentStep++) {
      let reward = 0;
      let ended = false;
      for (let frame = 0; frame < (settings.frameSkip ?? 1) && !ended; frame++) {
        const result = await env.step([actions[agentStep - 1]!]);
        const episode = result.finished[0];
        reward += result.rewards[0];
        ended = episode !== undefined;
        if (episode && episode.lengthFrames !== recording.lengthFrames) {
          throw divergence(agentStep, `${recording.lengthFrames} frames`, `${episode.lengthFrames} frames`);
        }
        yield (episode?.finalObservation ?? result.observations) as Uint8Array;
      }
      if (reward !== rewards[agentStep - 1])
        throw divergence(agentStep, `reward ${rewards[agentStep - 1]}`, `reward ${reward}`);
      if (ended !== (agentStep === lengthSteps))
        throw divergence(agentStep, 'end elsewhere', `end ${ended ? 'here' : 'not here'}`);
      options.onProgress?.(agentStep);
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
