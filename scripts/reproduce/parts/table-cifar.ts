import { lastValues, spreadOf } from '../metrics.ts';
import { spreadText } from '../supervised.ts';
import { ARMS, cifar10Part, percent, type Runs, type Told } from './cifar10.ts';

export const tableCifar = cifar10Part(
  {
    name: 'table-cifar',
    title: 'Table 1: test error on CIFAR-10',
    claim:
      'Weight normalisation with mean-only batch normalisation has the lowest test error of the five, 7.31 %; ' +
      'weight normalisation alone is level with the normal parameterisation (Salimans & Kingma 2016, section 5.1, ' +
      'table 1).',
  },
  Object.keys(ARMS),
  tell,
);

function tell(byArm: Runs): Told {
  const arms = [...byArm].map(([arm, runs]) => ({
    arm,
    errors: lastValues(runs, 'testError').map((share) => share * 100),
  }));
  const best = [...arms].sort((a, b) => spreadOf(a.errors).median - spreadOf(b.errors).median)[0];
  return {
    found: [
      `The lowest test error is that of ${ARMS[best.arm].name}, ${percent(spreadOf(best.errors).median)}; in the ` +
        `paper that of ${ARMS['weight+mean-only-batch'].name}, 7.31 %.`,
    ],
    captions: [],
    tables: [
      {
        heading: 'Test error after the last epoch',
        rows: [
          ['', 'here', 'paper'],
          ...arms.map(({ arm, errors }) => [ARMS[arm].name, spreadText(errors, percent), percent(ARMS[arm].testError)]),
        ],
      },
    ],
    numbers: {
      unit: 'test error, %',
      arms: arms.map(({ arm, errors }) => ({ normalization: arm, seeds: errors, paper: ARMS[arm].testError })),
    },
  };
}
