import type { Part } from '../part.ts';
import { figure1 } from './figure1.ts';
import { figureDraw, figureVae, figureVaeCifar } from './figures.ts';
import { normGrowth } from './norm-growth.ts';
import { tableCifar } from './table-cifar.ts';
import { tableDqn } from './table-dqn.ts';

const all = [normGrowth, figure1, tableCifar, figureVae, figureVaeCifar, figureDraw, tableDqn];

/** What each command makes. */
export const groups: Readonly<Record<string, { about: string; parts: readonly Part[] }>> = {
  figure1: { about: 'CIFAR-10: training error over the epochs with four normalisations', parts: [figure1] },
  'table-cifar': { about: 'CIFAR-10: test error of the five arms; shares its runs with figure1', parts: [tableCifar] },
  'figure-vae': {
    about: 'convolutional VAEs of MNIST and, in the full budget, of CIFAR-10: test bound over the epochs',
    parts: [figureVae, figureVaeCifar],
  },
  'figure-draw': { about: 'DRAW on MNIST: test bound over the epochs', parts: [figureDraw] },
  'table-dqn': { about: 'DQN on Breakout, Enduro, Seaquest and Space Invaders: scores', parts: [tableDqn] },
  all: { about: 'all of these and norm-growth, in one report', parts: all },
};
