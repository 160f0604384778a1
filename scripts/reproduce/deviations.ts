// What differs between the runs that were made and the paper's settings, from the runs' own config.json.
import { presets } from '../../agents/dqn/config.ts';
import { kebab } from '../../src/cli/index.ts';
import { resolveConfig } from '../../src/supervised/tasks.ts';
import { RunFolder } from '../../src/training/run-folder.ts';
import type { Table } from './html.ts';

type Config = Record<string, unknown>;

/** Settings that choose between runs, or do not touch what is learned. */
const LEFT_OUT = new Set([
  ...['seed', 'dataDir', 'normalization', 'game', 'replayCompression', 'logPeriodUpdates', 'logPeriodSteps'],
  ...['evaluationPeriodEpochs', 'checkpointPeriodEpochs', 'checkpointPeriodSteps', 'keepCheckpoints'],
]);
/** Mnih et al. 2015 train on 200 M frames, and the paper follows them. */
const PAPER_AGENT_STEPS = 50_000_000;

/** A row for each setting that differs, with both values; those that differ between the runs are all named. */
export async function deviationTable(runDirs: readonly string[]): Promise<Table> {
  const pairs = await Promise.all(runDirs.map(configsOf));
  const keys = [
    ...new Set(pairs.flatMap(({ here, paper }) => Object.keys(here).filter((key) => differs(key, here, paper)))),
  ];
  const values = (configs: Config[], key: string) =>
    [...new Set(configs.map((config) => show(key, config[key])))].join(', ');
  const rows = keys.map((key) => [
    `--${kebab(key)}`,
    values(
      pairs.map(({ paper }) => paper),
      key,
    ),
    values(
      pairs.map(({ here }) => here),
      key,
    ),
  ]);
  return {
    heading: "Deviations from the paper's settings",
    rows: [['setting', 'paper', 'here'], ...(rows.length > 0 ? rows : [['none', '', '']])],
  };
}

async function configsOf(runDir: string): Promise<{ here: Config; paper: Config }> {
  const { task, config } = (await RunFolder.open(runDir).readConfig()) as { task?: string; config: Config };
  const { normalization } = config;
  if (task !== undefined) return { here: config, paper: { ...resolveConfig(task, 'paper', { normalization }).config } };
  const { config: preset } = presets['weightnorm-paper'];
  return {
    here: config,
    paper: { ...preset, steps: PAPER_AGENT_STEPS, learningRate: normalization === 'none' ? 1e-4 : 3e-4 },
  };
}

function differs(key: string, here: Config, paper: Config): boolean {
  return !LEFT_OUT.has(key) && String(here[key]) !== String(paper[key]);
}

function show(key: string, value: unknown): string {
  return /^(train|test)Examples$/.test(key) && value === 0 ? 'all' : String(value);
}
