import {
  makeVectorEnv,
  type ObservationArray,
  optionsFrom,
  restartOptions,
  type StepResult,
  type VectorEnv,
  type VectorEnvOptions,
} from 'gymnasium-js-bridge';
import { type EpisodeRecording, frameHash } from './episode-file.ts';

/** How an episode is emulated again. */
export interface EmulationOptions {
  /** Called after every agent step with the number of steps done. */
  onProgress?: (agentSteps: number) => void;
  /** Aborting it ends the sidecar and rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Hears what the user should know, a line each. */
  note?: (line: string) => void;
  /** Longest wait for an answer of the environment, in ms; then it is started again. */
  timeoutMs?: number;
  /** Called with each observation: the first one, and what each action led to. It is valid until the next. */
  onObservation?: (observation: ObservationArray) => void;
  /** One environment in place of that of the settings, such as one written in TypeScript; it stays open. */
  env?: VectorEnv;
  /** Python interpreter of the sidecar; the bridge's default where not given. */
  python?: string;
}

/** Where a second emulation first went another way. */
export interface Difference {
  what: 'ROM' | 'observation' | 'reward' | 'end';
  /** Agent steps taken; 0 for the first observation. */
  agentStep: number;
  /** Emulator frames since the first observation, which is frame 0 (agent steps outside Atari). */
  frame: number;
  recorded: string;
  emulated: string;
}

/** Whether an episode played again is the one that was recorded. */
export interface Verification {
  equal: boolean;
  /** The first difference, where there is one. */
  difference?: Difference;
  /** Packages whose versions are not those of the recording; not a failure by itself. */
  packageDifferences: { name: string; recorded: string; current: string }[];
}

/** The options that make the recorded environment again. */
export function environmentOptions(
  { settings }: EpisodeRecording,
  { signal, python, note, timeoutMs }: EmulationOptions,
): VectorEnvOptions {
  return {
    ...optionsFrom(settings),
    numEnvs: 1,
    ...restartOptions(note),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(signal && { signal }),
    ...(python !== undefined && { python }),
  };
}

/**
 * Emulates the episode again in a fresh environment, from its settings, seed and actions, and compares every
 * observation, reward and the end with the recording. Stops at the first difference.
 */
export async function verifyRecording(
  recording: EpisodeRecording,
  options: EmulationOptions = {},
): Promise<Verification> {
  const env = options.env ?? (await makeVectorEnv(environmentOptions(recording, options)));
  try {
    const packageDifferences = Object.entries(recording.packages)
      .map(([name, recorded]) => ({ name, recorded, current: env.info.packages[name] ?? 'none' }))
      .filter(({ recorded, current }) => recorded !== current);
    const difference = await findDifference();
    return { equal: difference === undefined, ...(difference && { difference }), packageDifferences };
  } finally {
    if (options.env === undefined) await env.close();
  }

  async function findDifference(): Promise<Difference | undefined> {
    const { actions, rewards, frameHashes, lengthSteps, seed } = recording;
    const difference = (
      what: Difference['what'],
      agentStep: number,
      recorded: unknown,
      emulated: unknown,
    ): Difference => {
      const frame = agentStep * (recording.settings.frameSkip ?? 1);
      return { what, agentStep, frame, recorded: String(recorded), emulated: String(emulated) };
    };
    const compareObservation = (agentStep: number, observation: ObservationArray) => {
      options.onObservation?.(observation);
      const [recorded, emulated] = [frameHashes[agentStep], frameHash(observation)];
      return recorded === emulated ? undefined : difference('observation', agentStep, hex(recorded), hex(emulated));
    };

    if (recording.rom?.sha256 !== env.info.rom?.sha256) {
      return difference('ROM', 0, romText(recording.rom), romText(env.info.rom));
    }
    let found = compareObservation(0, (await env.reset({ seeds: [seed] })).observations);
    for (let agentStep = 1; agentStep <= lengthSteps && !found; agentStep++) {
      const result = await env.step([actions[agentStep - 1]!]);
      const [recordedReward, emulatedReward] = [rewards[agentStep - 1], result.rewards[0]!];
      const [recordedEnd, emulatedEnd] = [agentStep === lengthSteps ? endText(recording) : 'none', stepEndText(result)];
      if (!Object.is(recordedReward, emulatedReward))
        found = difference('reward', agentStep, recordedReward, emulatedReward);
      else found = compareObservation(agentStep, result.finished[0]?.finalObservation ?? result.observations);
      if (!found && recordedEnd !== emulatedEnd) found = difference('end', agentStep, recordedEnd, emulatedEnd);
      options.onProgress?.(agentStep);
    }
    return found;
  }
}

/** One line that names the first differing frame. */
export function differenceText({ what, agentStep, frame, recorded, emulated }: Difference): string {
  if (what === 'ROM') return `the ROM is another one: ${recorded} recorded, ${emulated} here`;
  const label = what === 'end' ? 'end of the episode' : what;
  return `first difference at frame ${frame} (agent step ${agentStep}): ${label} ${recorded} recorded, ${emulated} now`;
}

type End = Pick<EpisodeRecording, 'terminated' | 'truncated' | 'return' | 'lengthFrames'>;

function endText({ terminated, truncated, return: score, lengthFrames }: End): string {
  const how = [terminated && 'terminated', truncated && 'truncated'].filter(Boolean).join(' and ');
  return `"${how || 'not ended'}, return ${score}, ${lengthFrames} frames"`;
}

function stepEndText({ finished: [episode] }: StepResult): string {
  return episode ? endText(episode) : 'none';
}

function romText(rom: EpisodeRecording['rom']): string {
  return rom ? `${rom.name} (SHA-256 ${rom.sha256})` : 'none';
}

function hex(hash: bigint): string {
  return hash.toString(16).padStart(16, '0');
}
