import { unknownName } from '../settings/index.ts';
import { cifar10 } from './cifar10/task.ts';
import { drawMnist } from './draw/task.ts';
import type { TaskDefinition } from './task.ts';
import { vaeCifar10 } from './vae/cifar10.ts';
import { vaeMnist } from './vae/mnist.ts';

/** A task of any settings. */
// biome-ignore lint/suspicious/noExplicitAny: each task's functions take its own settings
export type AnyTask = TaskDefinition<any>;

/** Every task by its name. */
export const tasks: Readonly<Record<string, AnyTask>> = {
  cifar10,
  'vae-mnist': vaeMnist,
  'vae-cifar10': vaeCifar10,
  'draw-mnist': drawMnist,
};

/** @throws SettingError for a name that no task has, with the nearest one. */
export function findTask(name: string): AnyTask {
  if (Object.hasOwn(tasks, name)) return tasks[name];
  throw unknownName('task', name, Object.keys(tasks));
}
