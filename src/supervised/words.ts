// What the commands say about tasks.
import { z } from 'zod';
import { duration } from '../training/progress.ts';
import { commonSettings } from './settings.ts';
import { tasks } from './tasks.ts';
import type { SupervisedStatus } from './trainer.ts';

/** The settings of all tasks as one schema for the command line, and in groups by the tasks that have them. */
export function taskSettings(): {
  schema: z.ZodObject;
  groups: { heading: string; schema: z.ZodObject; defaults: Record<string, unknown> }[];
} {
  const groups = new Map<string, Record<string, z.ZodType>>();
  const fields: Record<string, z.ZodType> = {};
  for (const { schema } of Object.values(tasks)) {
    for (const [key, field] of Object.entries(schema.shape)) {
      if (key in fields) continue;
      fields[key] = field as z.ZodType;
      const owners = Object.keys(tasks).filter((name) => key in tasks[name].schema.shape);
      const heading = key in commonSettings ? 'Settings:' : `Settings of ${owners.join(', ')}:`;
      groups.set(heading, { ...groups.get(heading), [key]: field as z.ZodType });
    }
  }
  return {
    schema: z.object(fields),
    groups: Array.from(groups, ([heading, shape]) => ({
      heading,
      schema: z.object(shape),
      defaults: Object.fromEntries(Object.keys(shape).map((key) => [key, defaultOf(key)])),
    })),
  };
}

/** One value where the tasks agree, else each task's: "cifar10 200, vae-mnist 300". */
function defaultOf(key: string): unknown {
  const values = Object.entries(tasks).flatMap(([name, { recipes }]) => {
    const config = Object.values(recipes)[0].config as Record<string, unknown>;
    const value = config[key];
    return value === undefined || value === null ? [] : [[name, value] as const];
  });
  const first = values[0]?.[1];
  if (values.every(([, value]) => String(value) === String(first))) return first;
  return values.map(([name, value]) => `${name} ${value}`).join(', ');
}

/** "1,240 examples/s | epoch 1.27 | loss 1.23 | test error 12.3 % | 7 min left" */
export function statusLine({ epoch, examplesPerSecond, recent, secondsLeft }: SupervisedStatus): string {
  const { loss } = recent;
  return [
    `epoch ${epoch.toFixed(2)}`,
    `${examplesPerSecond.toPrecision(3)} examples/s`,
    ...(loss === undefined ? [] : [`loss ${loss.toPrecision(4)}`]),
    ...(Number.isFinite(secondsLeft) ? [`${duration(secondsLeft)} left`] : []),
  ].join(' | ');
}
