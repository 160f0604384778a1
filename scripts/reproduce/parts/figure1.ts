import { CATEGORY_COLOURS, lineChart, type Series } from '../../../src/report/line-chart.ts';
import { curveOf } from '../metrics.ts';
import { ARMS, cifar10Part, FIGURE_ARMS, percent, type Runs, type Told } from './cifar10.ts';

const ABBREVIATIONS =
  'normal: no normalisation; WN: weight normalisation; BN: batch normalisation; MOBN: mean-only batch normalisation';

export const figure1 = cifar10Part(
  {
    name: 'figure1',
    title: 'Figure 1: training error on CIFAR-10',
    claim:
      'Weight and batch normalisation train faster than the normal parameterisation, and end at half its training ' +
      'error or near it at epoch 100 of 200 (Salimans & Kingma 2016, section 5.1, figure 1; values read off the ' +
      'figure).',
  },
  FIGURE_ARMS,
  tell,
);

function tell(byArm: Runs): Told {
  const curves = [...byArm].map(([arm, runs]) => ({ arm, points: curveOf(runs, 'error', 100) }));
  const epochs = Math.max(...curves.map(({ points }) => points.at(-1)!.x));
  const paperEpochs = [30, 50, 100];
  const shared = [...new Set([...paperEpochs.filter((epoch) => epoch < epochs), epochs])];
  const at = (arm: string, epoch: number) =>
    curves.find((curve) => curve.arm === arm)?.points.find(({ x }) => x === epoch)?.y;
  const [normal, weight] = [at('none', epochs), at('weight', epochs)];
  return {
    found: [
      `Training error of epoch ${epochs}: ` +
        `${curves.map(({ arm, points }) => `${ARMS[arm].name} ${percent(points.at(-1)!.y)}`).join(', ')}.`,
      ...(normal === undefined || weight === undefined
        ? []
        : [
            weight < normal
              ? 'Weight normalisation is below the normal parameterisation there, as in the paper.'
              : 'Weight normalisation is NOT below the normal parameterisation there.',
          ]),
    ],
    figure: lineChart({
      title: 'Training error on CIFAR-10',
      description:
        "Training error in per cent over the epochs, a line for each normalisation; the paper's values as markers.",
      x: { label: 'epoch', scale: epochs < 50 ? 'log' : 'linear' },
      y: { label: 'training error (%)', scale: 'log' },
      width: 800,
      // Each arm above the paper's in the legend, in one colour.
      series: curves.flatMap(({ arm, points }): Series[] => [
        { name: ARMS[arm].name, points, colour: colourOf(arm) },
        {
          name: '↳ paper',
          points: Object.entries(ARMS[arm].figure!).map(([epoch, y]) => ({ x: Number(epoch), y })),
          colour: colourOf(arm),
          markers: true,
        },
      ]),
    }),
    captions: [
      'Error on the minibatches of each epoch as they are trained, median of the seeds and band from lowest to ' +
        `highest; with markers: the paper's. ${ABBREVIATIONS}.`,
    ],
    tables: [
      {
        heading: 'Training error',
        rows: [
          [
            '',
            ...shared.map((epoch) => `here, epoch ${epoch}`),
            ...paperEpochs.map((epoch) => `paper, epoch ${epoch} of 200`),
          ],
          ...curves.map(({ arm }) => [
            ARMS[arm].name,
            ...shared.map((epoch) => percent(at(arm, epoch)!)),
            ...paperEpochs.map((epoch) => percent(ARMS[arm].figure![epoch])),
          ]),
        ],
      },
    ],
    numbers: {
      unit: 'training error, %',
      arms: curves.map(({ arm, points }) => ({ normalization: arm, points, paper: ARMS[arm].figure })),
    },
  };
}

function colourOf(arm: string): string {
  return CATEGORY_COLOURS[FIGURE_ARMS.indexOf(arm)];
}
