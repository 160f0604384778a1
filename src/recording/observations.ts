// What an agent saw in an episode, for programs that have no emulator.
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { makeVectorEnv, type ObservationArray } from 'gymnasium-js-bridge';
import { replaceFile } from '../files/atomic.ts';
import { type WritableTensor, writeSafetensors } from '../files/safetensors.ts';
import type { EpisodeRecording } from './episode-file.ts';
import { differenceText, type EmulationOptions, environmentOptions, verifyRecording } from './verify.ts';

/** How the names of such files end; the second is compressed with gzip, as browsers can open it. */
export const OBSERVATIONS_EXTENSIONS = ['.safetensors', '.safetensors.gz'] as const;

const DTYPES = { uint8: 'U8', int32: 'I32', float32: 'F32', float64: 'F64' } as const;

/**
 * Emulates an episode again and writes what the agent saw as a safetensors file: `observations` [steps + 1, ...] as the
 * environment gives them, the first one and what each action led to; `actions` [steps], int32; `rewards` [steps],
 * float64, not clipped. The metadata have `environment`, `return`, `terminated`, and for games `actionMeanings` in
 * JSON.
 * @param options `path` is the file to write, compressed where it ends in `.gz`; an existing one is replaced once the
 *   new one is complete.
 * @throws Error where the episode takes another course than the recording: nothing is written then.
 */
export async function saveObservations(
  recording: EpisodeRecording,
  { path, ...options }: EmulationOptions & { path: string },
): Promise<void> {
  const env = options.env ?? (await makeVectorEnv(environmentOptions(recording, options)));
  try {
    const seen: ObservationArray[] = [];
    const onObservation = (observation: ObservationArray) => void seen.push(observation.slice());
    const { difference } = await verifyRecording(recording, { ...options, env, onObservation });
    if (difference) throw new Error(`${differenceText(difference)}; nothing was written`);
    const { actions, rewards, settings, terminated, lengthSteps } = recording;
    const { dtype, shape } = env.observationSpace;
    const observations = { dtype: DTYPES[dtype], shape: [lengthSteps + 1, ...shape], data: seen } as WritableTensor;
    const tensors: Record<string, WritableTensor> = {
      observations,
      actions: { dtype: 'I32', shape: [lengthSteps], data: actions },
      rewards: { dtype: 'F64', shape: [lengthSteps], data: rewards },
    };
    const { meanings } = env.actionSpace;
    const metadata = {
      environment: settings.id,
      return: String(recording.return),
      terminated: String(terminated),
      ...(meanings && { actionMeanings: JSON.stringify(meanings) }),
    };
    await replaceFile(path, async (temporary) => {
      await writeSafetensors(temporary, tensors, metadata);
      if (path.endsWith('.gz')) await writeFile(temporary, await promisify(gzip)(await readFile(temporary)));
    });
  } finally {
    if (options.env === undefined) await env.close();
  }
}
