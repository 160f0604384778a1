import { resultsPage } from '../../../src/report/html.ts';
import {
  CATEGORY_COLOURS,
  type ChartGridOptions,
  chartGrid,
  orderedColours,
  type Point,
  type Series,
} from '../../../src/report/line-chart.ts';
import type { Machine } from '../../benchmark/machine.ts';
import { type Measurement, type Parameterisation, TASK } from './experiment.ts';
import { type AtLearningRate, CLAIM, describeFindings, digits, type Findings, median } from './findings.ts';
import type { Plan } from './plan.ts';

/** What the command has to tell: with --json on standard output, and in its files. */
export interface Report {
  reproduces: 'norm-growth';
  claim: string;
  found: string[];
  settings: Plan & { task: typeof TASK };
  machine: Machine;
  /** Wall-clock time of all runs. */
  seconds: number;
  findings: Findings;
  rows: Measurement[];
}

export function makeReport(
  rows: Measurement[],
  { plan, findings, machine, seconds }: { plan: Plan; findings: Findings; machine: Machine; seconds: number },
): Report {
  return {
    reproduces: 'norm-growth',
    claim: CLAIM,
    found: describeFindings(findings, plan),
    settings: { ...plan, task: TASK },
    machine,
    seconds,
    findings,
    rows,
  };
}

export const FILES = ['norm-growth.csv', 'norm-growth.svg', 'norm-growth.html'] as const;

/** The contents of the results folder. */
export function resultFiles(report: Report): Record<(typeof FILES)[number], string> {
  const figure = chartGrid(charts(report));
  return {
    'norm-growth.csv': csv(report),
    'norm-growth.svg': figure,
    'norm-growth.html': page(report, figure),
  };
}

/** One line a measurement; numbers that are not finite are NaN or Infinity. */
function csv({ rows, settings }: Report): string {
  const columns: Record<string, (row: Measurement) => string | number | boolean> = {
    parameterisation: (row) => row.parameterisation,
    optimizer: () => settings.optimizer,
    learning_rate: (row) => row.learningRate,
    batch_size: (row) => row.batchSize,
    seed: (row) => row.seed,
    step: (row) => row.step,
    loss: (row) => row.loss,
    relative_norm: (row) => row.relativeNorm,
    effective_learning_rate: (row) => row.effectiveLearningRate,
    diverged: (row) => row.diverged,
  };
  const lines = rows.map((row) =>
    Object.values(columns)
      .map((column) => column(row))
      .join(','),
  );
  return `${[Object.keys(columns).join(','), ...lines].join('\n')}\n`;
}

const COLOURS: Record<Parameterisation, string> = { plain: CATEGORY_COLOURS[1], 'weight norm': CATEGORY_COLOURS[0] };
type Quantity = 'loss' | 'relativeNorm' | 'effectiveLearningRate';

function charts({ rows, settings: plan }: Report): ChartGridOptions {
  const { learningRates, batchSize, batchSizes, noiseLearningRate } = plan;
  const optimizer = plan.optimizer === 'sgd' ? 'SGD' : 'Adam';
  const atEnd = (quantity: Quantity): Series[] =>
    (['weight norm', 'plain'] as const).map((parameterisation) => ({
      name: parameterisation,
      colour: COLOURS[parameterisation],
      markers: true,
      points: learningRates.map((learningRate) => {
        const runs = select(rows, { parameterisation, learningRate, batchSize });
        return spread(
          learningRate,
          plan.seeds.map((seed) => runs.findLast((row) => row.seed === seed)!),
          quantity,
        );
      }),
    }));
  const growth = (name: string, wanted: Partial<Measurement>, colour: string): Series => ({
    name,
    colour,
    points: overSteps(select(rows, { parameterisation: 'weight norm', ...wanted })),
  });
  const rateColours = orderedColours(learningRates.length);
  const batchColours = orderedColours(batchSizes.length + 1);
  const steps = { label: 'updates' };
  return {
    title: `Growth of ||v|| and the learning rate, ${optimizer}`,
    description:
      'Four panels: final loss and effective learning rate against learning rate, growth of ||v|| over the updates ' +
      'by learning rate and by minibatch size.',
    charts: [
      {
        title: `1. Final loss after ${plan.steps} updates, ${optimizer}`,
        description: 'Training loss at the end against learning rate, plain and weight-normalised.',
        x: { label: 'learning rate', scale: 'log' },
        y: { label: 'training loss (nats)', scale: 'log' },
        series: atEnd('loss'),
      },
      {
        title: '2. Growth of ||v|| by learning rate, weight norm',
        description: 'Mean length of v divided by its start, over the updates, a line for each learning rate.',
        x: steps,
        y: { label: '||v|| / ||v|| at the start', scale: 'log', max: 2 * largestFinalNorm(rows) },
        series: learningRates.map((learningRate, i) =>
          growth(String(learningRate), { learningRate, batchSize }, rateColours[i]),
        ),
        legendTitle: 'learning rate',
      },
      {
        title: `3. Growth of ||v|| by noise, weight norm, learning rate ${noiseLearningRate}`,
        description: 'Mean length of v divided by its start, over the updates, a line for each minibatch size.',
        x: steps,
        y: { label: '||v|| / ||v|| at the start', scale: 'log' },
        series: batchSizes.map((size, i) =>
          growth(String(size), { learningRate: noiseLearningRate, batchSize: size }, batchColours[i]),
        ),
        legendTitle: 'minibatch size',
      },
      {
        title: '4. Effective learning rate at the end',
        description: 'Learning rate times g^2/||v||^2 at the end against learning rate, plain and weight-normalised.',
        x: { label: 'learning rate', scale: 'log' },
        y: { label: 'learning rate x g²/||v||²', scale: 'log' },
        series: atEnd('effectiveLearningRate'),
      },
    ],
  };
}

export const CAPTIONS = [
  'Mean cross-entropy over all training examples after the last update, against the learning rate. Lines: median ' +
    'of the seeds; bands: lowest to highest. A cross at the top edge: at least one seed diverged there; where half ' +
    'of them or more did, the line has no point.',
  'Mean over all units of ||v|| divided by its start, weight-normalised network. A cross: a seed diverged at this ' +
    'update; before, its line may leave the panel at the top.',
  'The same at one learning rate: the smaller the minibatch, the noisier the gradient.',
  'Mean over all units of learning rate x g^2/||v||^2 after the last update: how far an update turns the weights. ' +
    'For plain units it is the learning rate.',
];

function page(report: Report, figure: string): string {
  const { settings, machine, seconds, findings, found } = report;
  const { task } = settings;
  return resultsPage({
    title: 'Weight normalisation: how ||v|| grows, and what the learning rate may be',
    claim: CLAIM,
    found,
    figure,
    captions: CAPTIONS,
    tables: [{ heading: 'At the end of training', rows: table(findings, settings) }],
    settings: {
      Task:
        `classification of ${task.examples} Gaussian inputs of ${task.features} features into ${task.classes} ` +
        `classes by a random network of one hidden layer, ${task.labelNoise * 100} % of the labels drawn at ` +
        'random; made anew for each seed',
      Network: `dense ${[task.features, ...task.hiddenUnits, task.classes].join(' - ')}, ReLU, softmax cross-entropy`,
      Start:
        'v ~ N(0, 0.05), g and b from the data (section 3); the plain network starts with w = g v/||v||, as the ' +
        'same function',
      Optimizer: settings.optimizer === 'sgd' ? 'SGD without momentum' : 'Adam, beta1 0.9, beta2 0.999, epsilon 1e-8',
      'Learning rates': settings.learningRates.join(', '),
      Updates: String(settings.steps),
      'Minibatch size': `${settings.batchSize}; panel 3: ${settings.batchSizes.join(', ')}`,
      Seeds: settings.seeds.join(', '),
      Hardware:
        `${machine.cpu}, ${machine.cores} cores; TensorFlow ${machine.tensorflow} on ${machine.device}, Node ` +
        `${machine.node}`,
      Time: `${seconds.toFixed(0)} s`,
      Command:
        `npm run reproduce -- norm-growth --optimizer ${settings.optimizer} --steps ${settings.steps} --seeds ` +
        `${settings.seeds.length}`,
    },
  });
}

/** Medians by learning rate, as text. */
export function table({ byLearningRate }: Findings, { seeds }: Pick<Plan, 'seeds'>): string[][] {
  const show = (value: number | null) => (value === null ? '-' : digits(value));
  const diverged = (row: AtLearningRate) => `${row.diverged}/${seeds.length}`;
  const rows = byLearningRate.plain.map((plain, i) => {
    const normalised = byLearningRate['weight norm'][i];
    return [
      String(plain.learningRate),
      show(plain.loss),
      diverged(plain),
      show(normalised.loss),
      diverged(normalised),
      show(normalised.relativeNorm),
      show(normalised.effectiveLearningRate),
    ];
  });
  return [
    [
      'learning rate',
      'loss, plain',
      'diverged',
      'loss, weight norm',
      'diverged',
      '||v|| / start',
      'effective learning rate',
    ],
    ...rows,
  ];
}

function select(rows: readonly Measurement[], wanted: Partial<Measurement>): Measurement[] {
  const entries = Object.entries(wanted);
  return rows.filter((row) => entries.every(([key, value]) => row[key as keyof Measurement] === value));
}

/** The seeds' median, lowest and highest. A diverged run counts as infinite in the median and not in the band. */
function spread(x: number, rows: readonly Measurement[], quantity: Quantity): Point {
  const alive = rows.filter((row) => !row.diverged).map((row) => row[quantity]);
  const lost = alive.length < rows.length;
  const y = median([...alive, ...rows.slice(alive.length).map(() => Number.POSITIVE_INFINITY)]);
  return { x, y, low: Math.min(...alive), high: Math.max(...alive), lost };
}

/**
 * The largest final ||v||, relative to its start, of the runs that did not diverge: just before they do, others reach
 * any size.
 */
function largestFinalNorm(rows: readonly Measurement[]): number {
  const finals = select(rows, { parameterisation: 'weight norm', step: Math.max(...rows.map(({ step }) => step)) });
  return Math.max(1, ...finals.filter(({ diverged }) => !diverged).map(({ relativeNorm }) => relativeNorm));
}

/**
 * ||v|| over the updates; a diverged seed is marked once and left out from then on, and the line ends when none is
 * left.
 */
function overSteps(rows: readonly Measurement[]): Point[] {
  const steps = [...new Set(rows.map((row) => row.step))].sort((a, b) => a - b);
  return steps.map((step) => {
    const here = rows.filter((row) => row.step === step);
    const alive = here.filter((row) => !row.diverged);
    const lost = alive.length < here.length;
    return alive.length > 0 ? { ...spread(step, alive, 'relativeNorm'), lost } : { x: step, y: Number.NaN };
  });
}
