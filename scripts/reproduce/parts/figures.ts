import { boundPart } from './bounds.ts';

const bound = { key: 'testBound', unit: 'nats', better: 'higher', decimals: 2 } as const;

export const figureVae = boundPart({
  name: 'figure-vae',
  title: 'Figure 2, left: VAE of MNIST',
  claim:
    'Weight normalisation trains faster, reaches a better bound (-85.3 against -85.84 nats near epoch 300) and ' +
    'varies less between seeds (Salimans & Kingma 2016, section 5.2, figure 2; values read off the figure).',
  needsCifar10: false,
  task: 'vae-mnist',
  weightArmStartsFromData: true,
  metric: bound,
  paper: { weight: { 300: -85.3 }, none: { 300: -85.84 } },
  sizes: {
    quick: { recipe: 'reduced', seeds: 1, settings: { epochs: 4, trainExamples: 5000, testExamples: 1000 } },
    hours: { recipe: 'reduced', seeds: 3, settings: { epochs: 8 } },
    full: { recipe: 'paper', seeds: 1, settings: { evaluationPeriodEpochs: 5 } },
  },
});

export const figureVaeCifar = boundPart({
  name: 'figure-vae-cifar10',
  title: 'Figure 2, right: VAE of CIFAR-10',
  claim:
    'Weight normalisation reaches a better bound: 3.64 against 3.70 bits a dimension at epoch 450, from the 9275 ' +
    'and 9148 nats of the figure (Salimans & Kingma 2016, section 5.2, figure 2; values read off the figure).',
  needsCifar10: true,
  task: 'vae-cifar10',
  weightArmStartsFromData: true,
  metric: { key: 'testBitsPerDimension', unit: 'bits a dimension', better: 'lower', decimals: 3 },
  paper: { weight: { 450: 3.64 }, none: { 450: 3.7 } },
  sizes: { full: { recipe: 'paper', seeds: 1, settings: { evaluationPeriodEpochs: 5 } } },
});

export const figureDraw = boundPart({
  name: 'figure-draw',
  title: 'Figure 3: DRAW on MNIST',
  claim:
    'Weight normalisation speeds DRAW up without any change to its settings: -85.0 against -89.8 nats at epoch 99 ' +
    '(Salimans & Kingma 2016, section 5.3, figure 3; values read off the figure).',
  needsCifar10: false,
  task: 'draw-mnist',
  weightArmStartsFromData: false,
  metric: bound,
  paper: { weight: { 15: -97.5, 30: -90.5, 99: -85.0 }, none: { 40: -115, 60: -95.5, 99: -89.8 } },
  sizes: {
    quick: { recipe: 'reduced', seeds: 1, settings: { steps: 6, epochs: 4, trainExamples: 3000, testExamples: 1000 } },
    hours: { recipe: 'reduced', seeds: 3, settings: { epochs: 5 } },
    full: { recipe: 'paper', seeds: 1, settings: {} },
  },
});
