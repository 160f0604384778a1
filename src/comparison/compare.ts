import { humanNormalizedScore } from '../evaluation/human-scores.ts';
import { Generator } from '../random/index.ts';
import { mean } from '../report/statistics.ts';
import {
  bestEvaluation,
  type ComparedRun,
  groupRuns,
  learningCurve,
  type RunGroup,
  type ScoreKind,
  scoreAt,
} from './runs.ts';
import {
  bootstrapInterval,
  interquartileMean,
  meanScore,
  medianScore,
  probabilityOfImprovement,
  type Scores,
} from './statistics.ts';

/** A number with its confidence interval. */
export interface Estimate {
  readonly value: number;
  /** The middle 95 % of the bootstrap. */
  readonly low: number;
  readonly high: number;
}

/** The scores of a group on one environment. */
export interface EnvironmentScores {
  readonly environment: string;
  /** One of each run, in the unit of the game. */
  readonly scores: readonly number[];
  readonly mean: number;
  /** The mean of the best evaluations up to the same step; undefined where runs were not evaluated. */
  readonly best: number | undefined;
}

/** A point of a curve over the runs of a group. */
export interface CurvePoint {
  /** Agent steps. */
  readonly step: number;
  /** The mean over runs; NaN where none has a score there. */
  readonly value: number;
  /** The lowest and highest run. */
  readonly low: number;
  readonly high: number;
}

export interface GroupResult {
  readonly label: string;
  readonly agent: string;
  readonly runs: readonly { readonly path: string; readonly environment: string; readonly seed: number }[];
  readonly environments: readonly EnvironmentScores[];
  /** Estimates from normalised scores; undefined where this group lacks an environment that another one has. */
  readonly aggregate: { readonly mean: Estimate; readonly median: Estimate; readonly iqm: Estimate } | undefined;
  readonly curves: Readonly<Record<string, readonly CurvePoint[]>>;
  /** The interquartile mean of normalised scores at each point of the grid; undefined as `aggregate` is. */
  readonly sampleEfficiency: readonly { readonly step: number; readonly iqm: Estimate }[] | undefined;
}

export interface Comparison {
  /** What scores are taken from. */
  readonly score: ScoreKind;
  /** Agent steps at which scores are compared. */
  readonly step: number;
  /** How scores are normalised, in words. */
  readonly normalization: string;
  readonly environments: readonly string[];
  /** The settings that differ between groups. */
  readonly differing: readonly string[];
  readonly groups: readonly GroupResult[];
  /** How likely a run of the first scores higher than one of the second. */
  readonly improvements: readonly { readonly of: string; readonly over: string; readonly probability: Estimate }[];
}

export interface CompareOptions {
  /** Settings that do not set groups apart. */
  readonly ignored: readonly string[];
  /** Undefined: evaluations where every run has some, else training episodes. */
  readonly score?: ScoreKind | undefined;
  /** Agent steps at which to compare; the last that all runs have reached where undefined. */
  readonly step?: number | undefined;
  /** Seeds the bootstrap. */
  readonly seed?: number;
  /** Samples of each bootstrap. */
  readonly repetitions?: number;
}

/** Points of a curve. */
const GRID_POINTS = 40;

/**
 * Compares runs of agents: scores of each game, aggregates over games with intervals, curves.
 * @throws RangeError where there is nothing to compare at the step.
 */
export function compareRuns(runs: readonly ComparedRun[], options: CompareOptions): Comparison {
  const { groups, differing } = groupRuns(runs, options.ignored);
  const isEvaluated = runs.every(({ events }) => events.some(({ kind }) => kind === 'evaluation'));
  const score = options.score ?? (isEvaluated ? 'evaluation' : 'training');
  const reached = Math.min(...runs.map(({ lastStep }) => lastStep));
  const step = options.step ?? reached;
  for (const run of runs) {
    if (run.lastStep < step) throw new RangeError(`${run.path} ends at agent step ${run.lastStep}, before ${step}`);
    if (Number.isNaN(scoreAt(run, step, score))) {
      const what = score === 'evaluation' ? 'was not evaluated' : 'had finished no episode';
      throw new RangeError(`${run.path} ${what} by agent step ${step}`);
    }
  }
  const environments = [...new Set(runs.map(({ environment }) => environment))].sort();
  const grid = Array.from({ length: GRID_POINTS }, (_, i) => Math.round(((i + 1) * step) / GRID_POINTS));
  const normalizer = createNormalizer(runs, grid, score);
  const random = new Generator(options.seed ?? 1, 'bootstrap');
  const interval = { random, ...(options.repetitions !== undefined && { repetitions: options.repetitions }) };
  const complete = (group: RunGroup) =>
    environments.every((name) => group.runs.some((run) => run.environment === name));
  const scoresOf = (group: RunGroup, at: number): Scores =>
    environments.map((name) =>
      group.runs
        .filter(({ environment }) => environment === name)
        .map((run) => normalizer.normalize(run, scoreAt(run, at, score))),
    );
  const estimate = (scores: Scores, statistic: (scores: Scores) => number): Estimate => {
    const [low, high] = bootstrapInterval([scores], statistic, interval);
    return { value: statistic(scores), low, high };
  };

  const results = groups.map((group): GroupResult => {
    const own = environments.filter((name) => group.runs.some((run) => run.environment === name));
    const scores = complete(group) ? scoresOf(group, step) : undefined;
    return {
      label: group.label,
      agent: group.agent,
      runs: group.runs.map(({ path, environment, seed }) => ({ path, environment, seed })),
      environments: own.map((environment) => environmentScores(group, environment, { step, score })),
      aggregate: scores && {
        mean: estimate(scores, meanScore),
        median: estimate(scores, medianScore),
        iqm: estimate(scores, interquartileMean),
      },
      curves: Object.fromEntries(own.map((environment) => [environment, curveOf(group, environment, grid, score)])),
      sampleEfficiency:
        scores &&
        grid.flatMap((at) => {
          const then = scoresOf(group, at);
          return then.flat().some(Number.isNaN) ? [] : [{ step: at, iqm: estimate(then, interquartileMean) }];
        }),
    };
  });
  const comparable = groups.filter(complete);
  const improvements = comparable.flatMap((group, i) =>
    comparable.slice(0, i).map((other) => {
      const pair = [scoresOf(group, step), scoresOf(other, step)] as const;
      const [low, high] = bootstrapInterval(pair, probabilityOfImprovement, interval);
      const probability = { value: probabilityOfImprovement(...pair), low, high };
      return { of: group.label, over: other.label, probability };
    }),
  );
  const { words: normalization } = normalizer;
  return { score, step, normalization, environments, differing, groups: results, improvements };
}

function environmentScores(
  { runs }: RunGroup,
  environment: string,
  { step, score }: { step: number; score: ScoreKind },
): EnvironmentScores {
  const here = runs.filter((run) => run.environment === environment);
  const scores = here.map((run) => scoreAt(run, step, score));
  const best = here.map((run) => bestEvaluation(run, step));
  return {
    environment,
    scores,
    mean: mean(scores),
    best: best.some(Number.isNaN) ? undefined : mean(best),
  };
}

function curveOf({ runs }: RunGroup, environment: string, grid: readonly number[], score: ScoreKind): CurvePoint[] {
  const curves = runs.filter((run) => run.environment === environment).map((run) => learningCurve(run, grid, score));
  return grid.map((step, i) => {
    const values = curves.map((curve) => curve[i]).filter((value) => !Number.isNaN(value));
    if (values.length === 0) return { step, value: Number.NaN, low: Number.NaN, high: Number.NaN };
    return { step, value: mean(values), low: Math.min(...values), high: Math.max(...values) };
  });
}

/**
 * Human-normalised scores where all environments have published ones; else 0 is the lowest and 1 the highest score of a
 * run there at any point of the grid, since environments have units of their own.
 */
function createNormalizer(runs: readonly ComparedRun[], grid: readonly number[], score: ScoreKind) {
  const isHuman = runs.every(
    ({ isAtari, environment }) => isAtari && humanNormalizedScore(environment, 0) !== undefined,
  );
  if (isHuman) {
    return {
      words: 'human-normalised: 0 a random agent, 1 a human tester',
      normalize: ({ environment }: ComparedRun, value: number) => humanNormalizedScore(environment, value)!,
    };
  }
  const ranges = new Map<string, [low: number, high: number]>();
  for (const run of runs) {
    const scores = grid.map((at) => scoreAt(run, at, score)).filter((value) => !Number.isNaN(value));
    const [low, high] = ranges.get(run.environment) ?? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    ranges.set(run.environment, [Math.min(low, ...scores), Math.max(high, ...scores)]);
  }
  return {
    words: 'normalised within this comparison: 0 lowest, 1 highest in each environment',
    normalize({ environment }: ComparedRun, value: number) {
      const [low, high] = ranges.get(environment)!;
      return high > low ? (value - low) / (high - low) : 1;
    },
  };
}
