// How fast a run would be with many workers, from the times of its parts.
import { Generator } from '../../src/random/index.ts';

/** The times that a run is made of. */
export interface Parts {
  /** How many each worker has. */
  readonly environments: number;
  readonly workerCores: number;
  /** What one agent step of one environment takes of a core. */
  readonly emulatorMs: number;
  /** Standard deviation of the time that a worker takes for a step, as a share of it. */
  readonly jitter: number;
  readonly roundTripMs: number;
  /** What one environment sends and gets in a step. */
  readonly bytes: number;
  /** A second. */
  readonly megabits: number;
  readonly updateMs: number;
  /** Agent steps from one update to the next. */
  readonly updatePeriod: number;
  /** What one choice of actions takes, and each state in it. */
  readonly actingMs: number;
  readonly actingStateMs: number;
  /** Whether emulators and learning have the same cores, and so take turns. */
  readonly isShared: boolean;
}

export interface Simulated {
  /** Agent steps of all environments together. */
  readonly stepsPerSecond: number;
  /** What took longest. */
  readonly bound: 'emulators' | 'network' | 'learning' | 'acting';
  /** Share of the time in which a worker emulates. */
  readonly emulatorShare: number;
  /** What actors would reach that wait for nobody, at as many updates for each agent step. */
  readonly asynchronousStepsPerSecond: number;
}

/** Steps that are simulated: the mean of the slowest worker then varies by less than a percent. */
const STEPS = 400;

/**
 * Plays a run's steps. In each all workers step their environments, and the slowest is waited for; their answers share
 * the trainer's network card; learning goes on meanwhile; then actions are chosen, for which everything waits.
 * @param workers As many as there are.
 */
export function simulate(parts: Parts, workers: number): Simulated {
  const { environments, workerCores, emulatorMs, jitter, roundTripMs, bytes, megabits, isShared } = parts;
  const { updateMs, updatePeriod, actingMs, actingStateMs } = parts;
  const total = environments * workers;
  // Environments go through a worker's cores in rounds: five of them take two rounds on four cores.
  const shareMs = Math.ceil(environments / workerCores) * emulatorMs;
  const networkMs = isShared ? 0 : roundTripMs + (8 * total * bytes) / (1000 * megabits);
  const learningMs = (total / updatePeriod) * updateMs;
  const choosingMs = actingMs + total * actingStateMs;
  const random = new Generator(1, `${workers} workers`);
  // Lognormal, of mean 1.
  const sigma = Math.sqrt(Math.log(1 + jitter ** 2));
  let [elapsedMs, slowestMs] = [0, 0];
  for (let step = 0; step < STEPS; step++) {
    let slowest = 0;
    for (let worker = 0; worker < workers; worker++) {
      slowest = Math.max(slowest, shareMs * Math.exp(sigma * normal(random) - sigma ** 2 / 2));
    }
    slowestMs += slowest / STEPS;
    const environmentMs = slowest + networkMs;
    elapsedMs += choosingMs + (isShared ? environmentMs + learningMs : Math.max(environmentMs, learningMs));
  }
  const stepMs = elapsedMs / STEPS;
  const times = { emulators: slowestMs, network: networkMs, learning: learningMs, acting: choosingMs };
  const waited = slowestMs + networkMs < learningMs && !isShared ? { learning: learningMs, acting: choosingMs } : times;
  const [bound] = Object.entries(waited).sort(([, a], [, b]) => b - a)[0] as [Simulated['bound'], number];
  // Each actor has a copy of the network, and chooses for its own environments.
  const actorMs = shareMs + actingMs + environments * actingStateMs;
  const learnedSteps = (1000 * updatePeriod) / updateMs;
  const sentSteps = isShared ? Number.POSITIVE_INFINITY : (megabits * 1e6) / (8 * bytes);
  return {
    stepsPerSecond: (1000 * total) / stepMs,
    bound,
    emulatorShare: shareMs / stepMs,
    asynchronousStepsPerSecond: Math.min((1000 * total) / actorMs, learnedSteps, sentSteps),
  };
}

/** A number of the standard normal distribution (Box & Muller 1958). */
function normal(random: Generator): number {
  return Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
}
