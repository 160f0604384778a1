// Figures of generative models: a bound on the test set over the epochs, with and without weight normalisation.
import { CATEGORY_COLOURS, lineChart, type Series } from '../../../src/report/line-chart.ts';
import { curveOf, lastValues, spreadOf } from '../metrics.ts';
import type { Budget, Part, PartResults } from '../part.ts';
import { type Experiment, finishedRuns, spreadText, supervisedJobs } from '../supervised.ts';

const ARMS = { weight: 'weight norm', none: 'normal' } as const;
type Arm = keyof typeof ARMS;
const COLOURS: Record<Arm, string> = { weight: CATEGORY_COLOURS[0], none: CATEGORY_COLOURS[1] };

export interface BoundPart extends Pick<Part, 'name' | 'title' | 'claim' | 'needsCifar10'> {
  task: string;
  metric: { key: string; unit: string; better: 'higher' | 'lower'; decimals: number };
  /** Whether weight normalisation, and no other arm, has the data-dependent initialisation. */
  weightArmStartsFromData: boolean;
  /** The paper's values by epoch, read off its figure. */
  paper: Record<Arm, Readonly<Record<number, number>>>;
  /** A budget that is not here leaves the part out. */
  sizes: Experiment['sizes'];
}

export function boundPart({ task, sizes, metric, weightArmStartsFromData, paper, ...about }: BoundPart): Part {
  const experiment: Experiment = { task, normalizations: Object.keys(ARMS), sizes };
  return {
    ...about,
    budgets: Object.keys(sizes) as Budget[],
    jobs: (choice) => supervisedJobs(experiment, choice),
    async results(choice, finished) {
      const { byArm, names, seeds, seconds } = await finishedRuns(experiment, choice, finished);
      if (byArm.size === 0) return undefined;
      const arms = [...byArm].map(([arm, runs]) => ({
        arm: arm as Arm,
        points: curveOf(runs, metric.key),
        ends: lastValues(runs, metric.key),
      }));
      const told = tell({ title: about.title, metric, weightArmStartsFromData, paper }, arms);
      return { ...told, runs: names, seeds, seconds };
    },
  };
}

type ArmResults = { arm: Arm; points: ReturnType<typeof curveOf>; ends: number[] };

function tell(
  { title, metric, weightArmStartsFromData, paper }: Omit<BoundPart, keyof Part | 'task' | 'sizes'> & { title: string },
  arms: readonly ArmResults[],
): Omit<PartResults, 'runs' | 'seeds' | 'seconds'> {
  const show = (value: number) => value.toFixed(metric.decimals);
  const lastEpoch = Math.max(...arms.map(({ points }) => points.at(-1)!.x));
  const lastOfPaper = (arm: Arm) => Object.entries(paper[arm]).at(-1)!;
  const paperEpochs = [...new Set(Object.values(paper).flatMap((values) => Object.keys(values).map(Number)))];
  paperEpochs.sort((a, b) => a - b);
  const label = `test bound (${metric.unit})`;
  return {
    found: [
      `After epoch ${lastEpoch}: ` +
        `${arms.map(({ arm, ends }) => `${ARMS[arm]} ${spreadText(ends, show)}`).join(', ')} ${metric.unit}; in the ` +
        `paper after about epoch ${lastOfPaper('weight')[0]}: ` +
        `${arms.map(({ arm }) => `${ARMS[arm]} ${lastOfPaper(arm)[1]}`).join(', ')}.`,
      ...compare(arms, metric.better, weightArmStartsFromData),
    ],
    figure: lineChart({
      title: title.slice(title.indexOf(': ') + 2),
      description: `The ${label} over the epochs, a line for each parameterisation; the paper's values as markers.`,
      x: { label: 'epoch', scale: lastEpoch < 50 ? 'log' : 'linear' },
      y: { label },
      width: 800,
      // Each arm above the paper's in the legend, in one colour.
      series: arms.flatMap(({ arm, points }): Series[] => [
        { name: ARMS[arm], points, colour: COLOURS[arm] },
        {
          name: '↳ paper',
          points: Object.entries(paper[arm]).map(([epoch, y]) => ({ x: Number(epoch), y })),
          colour: COLOURS[arm],
          markers: true,
        },
      ]),
    }),
    captions: [
      `Test bound over the epochs, median of the seeds and band from lowest to highest; with markers: the paper's. ` +
        `${metric.better === 'higher' ? 'Higher' : 'Lower'} is better.`,
    ],
    tables: [
      {
        heading: `Test bound (${metric.unit})`,
        rows: [
          ['', `here, epoch ${lastEpoch}`, ...paperEpochs.map((epoch) => `paper, epoch ${epoch}`)],
          ...arms.map(({ arm, ends }) => [
            ARMS[arm],
            spreadText(ends, show),
            ...paperEpochs.map((epoch) => String(paper[arm][epoch] ?? '-')),
          ]),
        ],
      },
    ],
    numbers: {
      unit: label,
      arms: arms.map(({ arm, points, ends }) => ({ normalization: arm, points, seeds: ends, paper: paper[arm] })),
    },
  };
}

function compare(arms: readonly ArmResults[], better: 'higher' | 'lower', weightArmStartsFromData: boolean): string[] {
  const weight = arms.find(({ arm }) => arm === 'weight');
  const normal = arms.find(({ arm }) => arm === 'none');
  if (weight === undefined || normal === undefined) return [];
  const sign = better === 'higher' ? 1 : -1;
  const isAhead = (a: number, b: number) => sign * (a - b) > 0;
  const shared = weight.points.flatMap(({ x, y }) => {
    const other = normal.points.find((point) => point.x === x);
    return other === undefined ? [] : [isAhead(y, other.y)];
  });
  const ends = isAhead(spreadOf(weight.ends).median, spreadOf(normal.ends).median);
  const width = ({ ends }: ArmResults) => spreadOf(ends).max - spreadOf(ends).min;
  return [
    `Weight normalisation ${ends ? 'ended' : 'did NOT end'} ahead of the normal parameterisation` +
      `${ends ? ', as in the paper' : ''}; ` +
      `it was ahead after ${shared.filter((ahead) => ahead).length} of the ${shared.length} epochs that were tested.` +
      (weightArmStartsFromData
        ? ' Only the arm with weight norm starts from data (data-dependent initialisation), which is a part of the ' +
          'difference.'
        : ''),
    ...(weight.ends.length > 1 && normal.ends.length > 1
      ? [
          `From the lowest to the highest seed: weight norm ${width(weight).toPrecision(3)}, normal ` +
            `${width(normal).toPrecision(3)}.`,
        ]
      : []),
  ];
}
