import { existsSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { changeableSettings } from '../agents/registry.ts';
import { newCommand, path, runCommand, say, UsageError, wholeNumber } from '../src/cli/index.ts';
import { type ComparedRun, groupRuns, learningCurve, readComparedRuns } from '../src/comparison/runs.ts';
import { replaceFileWith } from '../src/files/atomic.ts';
import { mean } from '../src/report/statistics.ts';
import { eventLine, type Numbers } from '../src/runs/events.ts';
import type { Layer } from './draw-results/scores.ts';

interface Options {
  out: string;
  curves?: true;
  period?: number;
  averages?: number;
}

/** Agent steps between the points of a curve, unless given. */
const PERIOD_STEPS = 10_000;

/** One line of averages in so many is kept, unless given. */
const LINES_OF_AVERAGES = 5;

const command = newCommand('harvest-runs', 'Keeps of runs of agents what docs/results.md and its pictures need.')
  .argument('<run...>', 'run folders')
  .requiredOption('--out <folder>', 'where: new folders named as the runs, or with --curves a new scores.json', path)
  .option('--curves', 'one file for all runs, with a curve, a score and the lengths of kernels each')
  .option(
    '--period <steps>',
    `with --curves: agent steps between the points of a curve (default: ${PERIOD_STEPS})`,
    wholeNumber(1),
  )
  .option(
    '--averages <lines>',
    `without --curves: of the lines of averages keep one in so many (default: ${LINES_OF_AVERAGES})`,
    wholeNumber(1),
  )
  .addHelpText(
    'after',
    `
Without --curves: config.json, and of metrics.jsonl every episode and every look at the weights, but only some of the
lines of averages.

Examples:
  harvest-runs runs/Enduro-dqn-fast-seed1 --out docs/results --averages 20
  harvest-runs sweep/* --curves --out docs/results/minatar`,
  )
  .action(async (folders: string[], { out, curves, period, averages }: Options) => {
    if (period !== undefined && !curves) throw new UsageError(`--period ${period} does nothing without --curves`);
    if (averages !== undefined && curves) throw new UsageError(`--averages ${averages} does nothing with --curves`);
    const runs = await readComparedRuns(folders);
    const targets = curves ? [join(out, 'scores.json')] : runs.map((run) => join(out, basename(run.path)));
    const twice = targets.find((target, i) => targets.indexOf(target) < i);
    if (twice !== undefined) throw new UsageError(`--out ${out}: two runs are named ${basename(twice)}: rename one`);
    for (const target of targets) if (existsSync(target)) throw new UsageError(`--out ${out}: ${target} exists`);
    if (curves) await writeCurves(runs, { target: targets[0], out, period: period ?? PERIOD_STEPS });
    else for (const [i, run] of runs.entries()) await thin(run, { target: targets[i], averages });
    for (const target of targets) say(`written: ${target}`);
  });

await runCommand(command);

async function thin(
  { path, events }: ComparedRun,
  { target, averages = LINES_OF_AVERAGES }: { target: string; averages: number | undefined },
): Promise<void> {
  await mkdir(target, { recursive: true });
  await copyFile(join(path, 'config.json'), join(target, 'config.json'));
  let progress = 0;
  const kept = events.filter(({ kind }) => kind !== 'progress' || progress++ % averages === 0);
  await replaceFileWith(join(target, 'metrics.jsonl'), async (file) => {
    await file.writeFile(kept.map((event) => `${JSON.stringify(eventLine(event))}\n`).join(''));
  });
}

/** Writes what `draw-results/scores.ts` reads: a line for each run. */
async function writeCurves(
  runs: readonly ComparedRun[],
  { target, out, period }: { target: string; out: string; period: number },
): Promise<void> {
  const ignored = changeableSettings(runs);
  const { differing } = groupRuns(runs, ignored);
  const last = Math.max(...runs.map(({ lastStep }) => lastStep));
  const steps = Array.from({ length: Math.max(1, Math.floor(last / period)) }, (_, i) => (i + 1) * period);
  const lines = runs.map((run) => {
    const settings = Object.fromEntries(differing.map((key) => [key, run.settings[key]]));
    const curve = learningCurve(run, steps, 'training').map((value) => (Number.isNaN(value) ? null : rounded(value)));
    const minutes = Math.round((run.events.at(-1)!.wallSeconds ?? 0) / 6) / 10;
    const game = run.environment.replace(/^MinAtar\/(\w+)-v\d+$/, '$1');
    const { seed } = run;
    return JSON.stringify({ game, ...settings, seed, score: lastScore(run), minutes, layers: layersOf(run), curve });
  });
  const text = `{"steps":${JSON.stringify(steps)},"runs":[\n${lines.join(',\n')}\n]}\n`;
  await mkdir(out, { recursive: true });
  await replaceFileWith(target, (file) => file.writeFile(text));
}

/** The mean return of the episodes that ended in the last tenth of the run; null where none did. */
function lastScore({ events, lastStep }: ComparedRun): number | null {
  const returns = events.flatMap((event) =>
    event.kind === 'episode' && event.position > lastStep * 0.9 ? [event.numbers.episodeReturn] : [],
  );
  return returns.length === 0 ? null : rounded(mean(returns));
}

/**
 * The layers at the last look: the lengths of their kernels (of v, where they have weight norm), means over units; with
 * weight norm the factor of the learning rate, the mean of g^2 / ||v||^2; and where there is a ReLU, the share of
 * dormant units and, of dense layers, the rank of the features.
 */
function layersOf({ events, settings }: ComparedRun): Record<string, Layer> {
  const looks = events.flatMap(({ kind, numbers }) => (kind === 'diagnostics' ? [numbers as Numbers] : []));
  const numbers: Partial<Numbers> = looks.at(-1) ?? {};
  const layers = Object.keys(numbers).flatMap((key) => /^(.+)\/kernel\/norm$/.exec(key)?.[1] ?? []);
  return Object.fromEntries(
    layers.map((layer) => {
      const told = (key: string, unit = 1) => {
        const value = numbers[`${layer}/${key}`];
        return value === undefined ? undefined : rounded(value / unit);
      };
      const weightNorm = settings.normalization !== 'none';
      return [
        layer,
        {
          length: told('kernel/norm')!,
          rateFactor: weightNorm ? told('kernel/effectiveLearningRate', Number(settings.learningRate)) : undefined,
          dormantShare: told('dormantShare'),
          featureRank: told('featureRank'),
        },
      ];
    }),
  );
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
