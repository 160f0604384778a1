import { didYouMean, kebab, UsageError } from '../cli/index.ts';
import { checkResumed } from '../cli/settings.ts';
import { cifar10 } from './cifar10/task.ts';
import { drawMnist } from './draw/task.ts';
import type { CommonConfig } from './settings.ts';
import { CHANGEABLE } from './settings.ts';
import type { TaskDefinition } from './task.ts';
import { vaeCifar10 } from './vae/cifar10.ts';
import { vaeMnist } from './vae/mnist.ts';

// biome-ignore lint/suspicious/noExplicitAny: each task's functions take its own config
type AnyTask = TaskDefinition<any>;

export const tasks: Readonly<Record<string, AnyTask>> = {
  cifar10,
  'vae-mnist': vaeMnist,
  'vae-cifar10': vaeCifar10,
  'draw-mnist': drawMnist,
};

/** @throws UsageError for an unknown name. */
export function findTask(name: string): AnyTask {
  const task = Object.hasOwn(tasks, name) ? tasks[name] : undefined;
  if (task) return task;
  const known = Object.keys(tasks);
  throw new UsageError(`unknown task "${name}"${didYouMean(name, known)}: there are ${known.join(', ')}`);
}

/**
 * The settings of a new run: those of the recipe (the task's first where none is named) with the given ones in their place.
 * @throws UsageError naming the setting, its value and the mend.
 */
export function resolveConfig(
  taskName: string,
  recipeName: string | undefined,
  given: Record<string, unknown>,
): { recipe: string; config: CommonConfig } {
  const task = findTask(taskName);
  const known = Object.keys(task.recipes);
  const recipe = recipeName ?? known[0];
  if (!Object.hasOwn(task.recipes, recipe)) {
    throw new UsageError(
      `unknown recipe "${recipe}" of ${taskName}${didYouMean(recipe, known)}: there are ${known.join(', ')}`,
    );
  }
  const { config, adjust } = task.recipes[recipe];
  const merged = { ...config, ...given };
  return { recipe, config: parseConfig(taskName, { ...merged, ...adjust?.(merged), ...given }, 'command line') };
}

/** The settings of a resumed run. @throws UsageError for one that may not change. */
export function resumedConfig(taskName: string, stored: CommonConfig, given: Record<string, unknown>): CommonConfig {
  checkResumed({ ...stored }, given, [...CHANGEABLE, ...(findTask(taskName).changeable ?? [])]);
  return parseConfig(taskName, { ...stored, ...given }, 'command line');
}

/** Checks a whole config, such as that of a run folder. `source` names where it is from. */
export function parseConfig(taskName: string, value: unknown, source: string): CommonConfig {
  const task = findTask(taskName);
  const result = task.schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    if (issue.code === 'unrecognized_keys') {
      const [key] = issue.keys;
      const hint = didYouMean(key, Object.keys(task.schema.shape).map(kebab));
      throw new UsageError(`${source}: --${kebab(key)} is no setting of ${taskName}${hint}`);
    }
    throw new UsageError(`${source}: --${kebab(String(issue.path[0]))}: ${issue.message}`);
  }
  const problem = task.check?.(result.data);
  if (problem !== undefined) throw new UsageError(`${source}: ${problem}`);
  return result.data as CommonConfig;
}
