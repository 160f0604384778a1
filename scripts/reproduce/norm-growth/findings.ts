import { mean } from '../../../src/report/statistics.ts';
import type { Measurement, Parameterisation } from './experiment.ts';
import type { Plan } from './plan.ts';

export const CLAIM =
  'Under gradient descent without momentum ||v|| grows with every update, and faster the larger or noisier the ' +
  'updates are, until the effective learning rate suits the problem: weight normalisation therefore trains well ' +
  'over a much wider range of learning rates than the normal parameterisation (Salimans & Kingma 2016, arXiv ' +
  '1602.07868, section 2.1). For optimizers such as Adam this holds only qualitatively.';

/** A learning rate counts as working where the median final loss is at most this many times the lowest of all. */
export const WORKING_FACTOR = 1.5;

/** Medians over the seeds after the last step; null where half of the seeds or more diverged. */
export interface AtLearningRate {
  learningRate: number;
  loss: number | null;
  relativeNorm: number | null;
  effectiveLearningRate: number | null;
  /** Seeds whose run diverged. */
  diverged: number;
}

export interface Findings {
  byLearningRate: Record<Parameterisation, AtLearningRate[]>;
  byBatchSize: { batchSize: number; relativeNorm: number | null }[];
  /** Learning rates within `WORKING_FACTOR` of the lowest median loss. */
  working: Record<Parameterisation, number[]>;
  lowestLoss: number | null;
  /** Mean g^2/||v||^2 of the weight-norm runs before the first update. */
  startRatio: number;
  /** Pairs of successive measurements in weight-norm runs. */
  pairs: number;
  /** Those of the pairs in which the mean ||v|| shrank by more than rounding. */
  shrinks: number;
}

const PARAMETERISATIONS = ['plain', 'weight norm'] as const;

export function findingsOf(rows: readonly Measurement[], plan: Plan): Findings {
  const last = (filter: Partial<Measurement>) => finalMedians(rows, filter, plan.seeds);
  const byLearningRate = Object.fromEntries(
    PARAMETERISATIONS.map((parameterisation) => [
      parameterisation,
      plan.learningRates.map((learningRate) => ({
        learningRate,
        ...last({ parameterisation, learningRate, batchSize: plan.batchSize }),
      })),
    ]),
  ) as Findings['byLearningRate'];
  const losses = PARAMETERISATIONS.flatMap((name) => byLearningRate[name].flatMap(({ loss }) => loss ?? []));
  const lowestLoss = losses.length > 0 ? Math.min(...losses) : null;
  const works = ({ loss }: AtLearningRate) =>
    loss !== null && lowestLoss !== null && loss <= WORKING_FACTOR * lowestLoss;
  const working = Object.fromEntries(
    PARAMETERISATIONS.map((name) => [name, byLearningRate[name].filter(works).map(({ learningRate }) => learningRate)]),
  ) as Findings['working'];
  const changes = normChanges(rows);
  return {
    byLearningRate,
    byBatchSize: plan.batchSizes.map((batchSize) => ({
      batchSize,
      relativeNorm: last({ parameterisation: 'weight norm', learningRate: plan.noiseLearningRate, batchSize })
        .relativeNorm,
    })),
    working,
    lowestLoss,
    startRatio: mean(
      rows
        .filter(({ parameterisation, step }) => parameterisation === 'weight norm' && step === 0)
        .map(({ effectiveLearningRate, learningRate }) => effectiveLearningRate / learningRate),
    ),
    pairs: changes.length,
    shrinks: changes.filter((change) => change < 1 - 1e-6).length,
  };
}

function finalMedians(rows: readonly Measurement[], filter: Partial<Measurement>, seeds: readonly number[]) {
  const wanted = Object.entries(filter);
  const runs = rows.filter((row) => wanted.every(([key, value]) => row[key as keyof Measurement] === value));
  const finals = seeds.map((seed) => runs.findLast((row) => row.seed === seed)!);
  const medianOf = (key: 'loss' | 'relativeNorm' | 'effectiveLearningRate') =>
    finite(median(finals.map((row) => (row.diverged ? Number.POSITIVE_INFINITY : row[key]))));
  return {
    loss: medianOf('loss'),
    relativeNorm: medianOf('relativeNorm'),
    effectiveLearningRate: medianOf('effectiveLearningRate'),
    diverged: finals.filter((row) => row.diverged).length,
  };
}

/** ||v|| of each measurement but the first of a weight-norm run, divided by that of the one before. */
function normChanges(rows: readonly Measurement[]): number[] {
  return rows.flatMap((row, i) => {
    const before = rows[i - 1];
    const counts = row.parameterisation === 'weight norm' && row.step > 0 && !row.diverged;
    return counts ? [row.relativeNorm / before!.relativeNorm] : [];
  });
}

/** The findings in sentences, whatever they are. */
export function describeFindings(findings: Findings, plan: Plan): string[] {
  const { byLearningRate, byBatchSize, working, lowestLoss, shrinks, pairs, startRatio } = findings;
  const growth = byLearningRate['weight norm'].filter((row) => row.relativeNorm !== null);
  const sentences: string[] = [];
  if (growth.length > 1) {
    const [first, final] = [growth[0], growth.at(-1)!];
    const norms = growth.map((row) => row.relativeNorm!);
    const [lowestRate, highestRate] = extremes(growth.map((row) => row.effectiveLearningRate!));
    sentences.push(
      `Growth: after ${plan.steps} updates ||v|| is ${times(first.relativeNorm!)} what it was at learning rate ` +
        `${first.learningRate} and ${times(final.relativeNorm!)} at ${final.learningRate}; it ` +
        `${rises(norms) ? 'grew' : 'did NOT grow'} faster with every larger learning rate. ` +
        (shrinks === 0
          ? `It never shrank from one measurement to the next (${pairs} pairs).`
          : `It shrank from one measurement to the next in ${shrinks} of ${pairs} pairs.`),
      `Effective learning rate: learning rates ${ratio(final.learningRate / first.learningRate)} apart ended with ` +
        `effective ones ${ratio(highestRate / lowestRate)} apart.`,
    );
  }
  const noise = byBatchSize.filter((row) => row.relativeNorm !== null);
  if (noise.length > 1) {
    const falls = rises(noise.map((row) => row.relativeNorm!).reverse());
    sentences.push(
      `Noise: at learning rate ${plan.noiseLearningRate} ||v|| is ` +
        `${noise.map((row) => `${times(row.relativeNorm!)} with minibatches of ${row.batchSize}`).join(', ')}: ` +
        `noisier gradients ${falls ? 'made it grow faster' : 'did NOT always make it grow faster'}.`,
    );
  }
  if (lowestLoss !== null) {
    const ranges = PARAMETERISATIONS.map((name) => `${name} ${range(working[name])}`).join('; ');
    const width = (name: Parameterisation) =>
      working[name].length > 0 ? Math.log10(working[name].at(-1)! / working[name][0]) : Number.NEGATIVE_INFINITY;
    const wider = width('weight norm') - width('plain');
    sentences.push(
      `Robustness: a median final loss within ${WORKING_FACTOR} times the lowest (${digits(lowestLoss)} nats) was ` +
        `reached by ${ranges}. Weight normalisation's range is ` +
        `${wider > 0.01 ? 'the wider' : wider < -0.01 ? 'NOT the wider' : 'as wide'}.`,
    );
  }
  for (const name of PARAMETERISATIONS) {
    const diverged = byLearningRate[name].filter((row) => row.diverged > 0);
    const list = diverged.map((row) => `${row.diverged} of ${plan.seeds.length} seeds at ${row.learningRate}`);
    sentences.push(`Diverged (loss or norms no longer finite), ${name}: ${list.join(', ') || 'none'}.`);
  }
  if (plan.optimizer === 'sgd') {
    sentences.push(
      'Beside this: with v ~ N(0, 0.05) and g from the data, g^2/||v||^2 starts at a mean of ' +
        `${digits(startRatio)}. Weight normalisation begins with an effective learning rate that many times that of ` +
        'the plain network, so its range lies lower as well.',
    );
  }
  return sentences;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function extremes(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

function rises(values: readonly number[]): boolean {
  return values.every((value, i) => i === 0 || value > values[i - 1]);
}

function range(rates: readonly number[]): string {
  if (rates.length === 0) return 'at no learning rate';
  const decades = Math.log10(rates.at(-1)! / rates[0]);
  return `at ${rates.join(', ')} (${decades.toFixed(1)} decades)`;
}

function times(factor: number): string {
  return `${digits(factor)} times`;
}

function ratio(factor: number): string {
  return `${Number(factor.toPrecision(2))}-fold`;
}

/** Three significant digits, and no fewer than the whole number has. */
export function digits(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
