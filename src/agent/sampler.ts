import { Generator } from '../random/index.ts';
import { prioritizedSampler, type ReplayOptions, type Sampler, uniformSampler } from '../replay/index.ts';
import type { PrioritySettings } from './value-settings.ts';

/** What draws the steps that an agent with these settings learns from. */
export function settingsSampler(
  settings: PrioritySettings & { seed: number; updatePeriodSteps: number },
  replay: ReplayOptions,
): Sampler {
  const { seed, priorityExponent, importanceExponentStart, importanceAnnealingSteps, updatePeriodSteps } = settings;
  const random = new Generator(seed, 'sampling');
  if (priorityExponent === 0) return uniformSampler(random);
  const annealingMinibatches = Math.ceil(importanceAnnealingSteps / updatePeriodSteps);
  return prioritizedSampler(random, { replay, priorityExponent, importanceExponentStart, annealingMinibatches });
}
