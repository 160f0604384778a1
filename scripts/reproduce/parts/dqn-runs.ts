// The agents of table 2: games, sizes, and what the paper found.
import { join } from 'node:path';
import type { QuestionJob, Settings, TrainingJob } from '../../../src/jobs/index.ts';
import { type Budget, type Choice, seedsOf } from '../part.ts';

export interface Game {
  name: string;
  /** Maximum evaluation scores. */
  paper: Record<keyof typeof PAPER_RATES, number>;
  mnih: number;
}

export type Arm = keyof typeof ARMS;

/** What sets the arms apart. */
export const ARMS = {
  none: { title: 'normal', settings: { normalization: 'none', initialization: 'default' } },
  weight: { title: 'weight norm', settings: { normalization: 'weight', initialization: 'default' } },
  'weight-data': {
    title: 'weight norm, data-dependent initialisation',
    settings: { normalization: 'weight', initialization: 'data-dependent' },
  },
} as const;

/** The paper's learning rates of Adamax, one of a coarse grid for each normalization. */
export const PAPER_RATES = { none: 1e-4, weight: 3e-4 } as const;

export const GAMES: Readonly<Record<string, Game>> = {
  breakout: { name: 'Breakout', paper: { none: 410, weight: 403 }, mnih: 401 },
  enduro: { name: 'Enduro', paper: { none: 1250, weight: 1448 }, mnih: 302 },
  seaquest: { name: 'Seaquest', paper: { none: 7188, weight: 7375 }, mnih: 5286 },
  'space-invaders': { name: 'Space Invaders', paper: { none: 1779, weight: 2179 }, mnih: 1975 },
};

const PAPER_PRESET = 'weightnorm-paper';

interface Size {
  /** That of the paper goes with its learning rate for each normalization, another with its own for all arms. */
  preset: typeof PAPER_PRESET | 'fast';
  settings: Settings & { steps: number };
  /** Checkpoints that are evaluated, evenly over the run. */
  evaluations: number;
  episodes: number;
  /** An evaluation's episode is cut off there. */
  maxEpisodeFrames: number;
  /** Runs of each setting, where a game has more than one. */
  seeds?: Readonly<Record<string, number>>;
}

const SIZES: Record<Budget, Size> = {
  quick: {
    preset: PAPER_PRESET,
    settings: { steps: 1500, learningStarts: 500, replayCapacity: 10_000 },
    evaluations: 1,
    episodes: 2,
    maxEpisodeFrames: 2000,
  },
  // The paper's settings learn nothing worth telling in so few steps; the default ones do.
  hours: {
    preset: 'fast',
    // As when docs/results.md was measured; the preset's rate falls over its whole, longer run.
    settings: { steps: 500_000, learningRateSchedule: 'constant' },
    evaluations: 4,
    episodes: 5,
    maxEpisodeFrames: 108_000,
    // The game with the paper's largest difference.
    seeds: { enduro: 3 },
  },
  full: {
    preset: PAPER_PRESET,
    settings: { steps: 50_000_000 },
    evaluations: 50,
    episodes: 30,
    maxEpisodeFrames: 1_000_000,
  },
};

export interface ArmJobs {
  game: string;
  arm: Arm;
  training: TrainingJob;
  questions: QuestionJob[];
}

/** Every training run of the table with its evaluations. */
export function agentJobs(choice: Choice): ArmJobs[] {
  const { preset, settings, evaluations, episodes, maxEpisodeFrames, seeds } = SIZES[choice.budget];
  const { steps } = settings;
  const runsOf = (arms: readonly Arm[]) =>
    Object.keys(GAMES)
      .flatMap((game) => seedsOf(choice, seeds?.[game] ?? 1).map((seed) => ({ game, seed })))
      .sort((a, b) => a.seed - b.seed)
      .flatMap((run) => arms.map((arm) => ({ ...run, arm })));
  // The arm that the paper's claim does without comes last: what is stopped early has compared the others.
  const inOrder = [...runsOf(['none', 'weight']), ...runsOf(['weight-data'])];
  return inOrder.map(({ game, arm, seed }) => {
    const name = `dqn-${game}-${arm}-seed${seed}`;
    const training: TrainingJob = {
      kind: 'training',
      name,
      command: 'train-agent',
      base: { preset, game },
      settings: {
        ...{ seed, ...ARMS[arm].settings, replayCompression: 'delta' },
        ...(preset === PAPER_PRESET ? { learningRate: PAPER_RATES[ARMS[arm].settings.normalization] } : {}),
        ...settings,
        ...{ checkpointPeriodSteps: steps / evaluations, keepCheckpoints: evaluations },
      },
    };
    const questions = Array.from({ length: evaluations }, (_, i): QuestionJob => {
      const checkpoint = ((i + 1) * steps) / evaluations;
      const args = {
        run: join(choice.runsPath, name),
        checkpoint,
        episodes,
        'max-episode-frames': maxEpisodeFrames,
      };
      return {
        kind: 'question',
        name: `${name}-step${checkpoint}`,
        after: name,
        command: 'evaluate-agent',
        args: Object.entries(args).flatMap(([key, value]) => [`--${key}`, String(value)]),
      };
    });
    return { game, arm, training, questions };
  });
}
