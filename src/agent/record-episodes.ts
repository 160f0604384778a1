import { mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { ObservationArray, VectorEnv } from 'gymnasium-js-bridge';
import { RECORDING_EXTENSION, writeRecording } from '../recording/episode-file.ts';
import { EpisodeRecorder } from '../recording/recorder.ts';
import type { RunFolder } from '../runs/folder.ts';
import type { Tracker } from '../runs/tracker.ts';
import type { AgentStep } from './agent.ts';
import type { AgentSettings } from './settings.ts';

/** Records each so-manieth training episode of the first environment, from its first step that is seen whole. */
export function recordEpisodes(env: VectorEnv, folder: RunFolder, settings: AgentSettings): Tracker<AgentStep> {
  const { recordPeriodEpisodes } = settings;
  const size = env.observationSpace.shape.reduce((product, length) => product * length, 1);
  const ofFirst = (observations: ObservationArray) => observations.subarray(0, size);
  let recorder: EpisodeRecorder | undefined;
  return {
    async onStep({ result, actions, position, now }) {
      const episode = result.finished.find((finished) => finished.env === 0);
      const observation = episode?.finalObservation ?? ofFirst(result.observations);
      recorder?.step(actions[0], result.rewards[0], observation);
      if (episode === undefined) return;
      if (recorder !== undefined) {
        await mkdir(folder.recordingsPath, { recursive: true });
        const name = `training-step${position}-episode${episode.index}${RECORDING_EXTENSION}`;
        await writeRecording(join(folder.recordingsPath, name), recorder.finish(episode));
        recorder = undefined;
      }
      if ((episode.index + 1) % recordPeriodEpisodes !== 0) return;
      const actor = { run: basename(resolve(folder.path)), agentSteps: position, epsilon: now.epsilon ?? 0 };
      recorder = new EpisodeRecorder(env, actor);
      recorder.start(ofFirst(result.observations));
    },
  };
}
