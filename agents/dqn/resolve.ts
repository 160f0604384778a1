import { totalmem } from 'node:os';
import type { z } from 'zod';
import { didYouMean, kebab, UsageError } from '../../src/cli/index.ts';
import type { ReplayOptions } from '../../src/replay/index.ts';
import { replayBytes } from '../../src/replay/index.ts';
import { type DqnConfig, dqnConfigSchema, type PresetName, presets } from './config.ts';

/** Beside the replay: TensorFlow, networks, batches, the emulators. */
const OTHER_BYTES = 1.5e9;

/** The preset that is used where none is named. */
export function defaultPreset({ game, envId }: Partial<DqnConfig>): PresetName {
  return envId != null && game == null && !isAtariId(envId) ? 'classic-control' : 'fast';
}

/**
 * The settings of a new run: those of the preset with the given ones in their place.
 * @throws UsageError naming the setting, its value and the mend.
 */
export function resolveConfig(preset: string | undefined, given: Partial<DqnConfig>): DqnConfig {
  const name = preset ?? defaultPreset(given);
  if (!(name in presets)) {
    const known = Object.keys(presets);
    throw new UsageError(`unknown preset "${name}"${didYouMean(name, known)} There are: ${known.join(', ')}`);
  }
  const config = parseConfig({ ...presets[name as PresetName].config, ...given }, 'command line');
  if (config.exploration !== 'temporally-extended') {
    const idle = (['holdExponent', 'longestHoldSteps'] as const).find((key) => given[key] !== undefined);
    if (idle !== undefined) {
      throw new UsageError(
        `--${kebab(idle)} ${given[idle]} does nothing with --exploration ${config.exploration}: leave it out, or give --exploration temporally-extended`,
      );
    }
  }
  return config;
}

/** Checks a whole config, such as that of a run folder. `source` names where it is from. */
export function parseConfig(value: unknown, source: string): DqnConfig {
  const result = dqnConfigSchema.safeParse(value);
  if (!result.success) throw new UsageError(`${source}: ${describeIssue(result.error.issues[0])}`);
  checkTogether(result.data);
  return result.data;
}

/** What can only be checked between settings. */
function checkTogether(config: DqnConfig): void {
  const { game, envId, numEnvs, nStep, frameStack, learningStarts, replayCapacity } = config;
  if (game === null && envId === null) {
    throw new UsageError('no environment: name one with --game Enduro, or --env-id CartPole-v1');
  }
  if (game !== null && envId !== null) {
    throw new UsageError(`--game ${game} and --env-id ${envId} exclude each other: give one`);
  }
  const needed = numEnvs * (nStep + frameStack + 1);
  if (learningStarts < needed) {
    throw new UsageError(
      `--learning-starts ${learningStarts} is too early: ${numEnvs} environments and ${nStep}-step returns need at least ${needed} agent steps`,
    );
  }
  if (replayCapacity < needed) {
    throw new UsageError(`--replay-capacity ${replayCapacity} is too small: it takes at least ${needed} agent steps`);
  }
}

/** Refuses a replay that the machine cannot hold, before the hours after which it would fill up. */
export function checkMemory(options: ReplayOptions, machineBytes = memoryOfMachine()): void {
  const bytes = replayBytes(options);
  if (bytes + OTHER_BYTES <= machineBytes) return;
  const fits = Math.floor((machineBytes - OTHER_BYTES) / (bytes / options.capacity) / 1000) * 1000;
  throw new UsageError(
    `--replay-capacity ${options.capacity} needs ${gigabytes(bytes)} beside ${gigabytes(OTHER_BYTES)} for the rest, this machine has ${gigabytes(machineBytes)}: give at most ${Math.max(0, fits)}`,
  );
}

function memoryOfMachine(): number {
  const constrained = process.constrainedMemory?.() ?? 0; // a container's limit; 0 or absurdly large where there is none
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function isAtariId(id: string): boolean {
  return /^ALE\/|NoFrameskip-v\d$/.test(id);
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    const [key] = issue.keys;
    return `unknown setting "${key}"${didYouMean(key, Object.keys(dqnConfigSchema.shape))}`;
  }
  return `--${kebab(String(issue.path[0]))}: ${issue.message}`;
}
