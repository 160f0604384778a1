// What differs between the runs that were made and the paper's settings, from the runs' own config.json.
import { findAgent } from '../../agents/registry.ts';
import { kebab } from '../../src/cli/index.ts';
import type { Table } from '../../src/report/html.ts';
import { RunFolder } from '../../src/runs/folder.ts';
import { resolveSettings } from '../../src/settings/index.ts';
import { findTask } from '../../src/supervised/index.ts';
import { PAPER_RATES } from './parts/dqn-runs.ts';

type Config = Record<string, unknown>;

/** Settings that choose between runs, or do not touch what is learned. */
const LEFT_OUT = new Set([
  ...['seed', 'dataDir', 'game', 'normalization', 'initialization', 'replayCompression'],
  ...[
    'logPeriodUpdates',
    'logPeriodSteps',
    'evaluationPeriodEpochs',
    'checkpointPeriodEpochs',
    'checkpointPeriodSteps',
    'keepCheckpoints',
  ],
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
  const { kind, name, settings } = await RunFolder.open(runDir).describe();
  const { normalization } = settings;
  if (kind === 'supervised') {
    return { here: settings, paper: { ...resolveSettings(findTask(name), 'paper', { normalization }).settings } };
  }
  const { settings: preset } = findAgent(name).presets['weightnorm-paper'];
  return {
    here: settings,
    paper: {
      ...preset,
      steps: PAPER_AGENT_STEPS,
      learningRate: PAPER_RATES[normalization === 'none' ? 'none' : 'weight'],
    },
  };
}

function differs(key: string, here: Config, paper: Config): boolean {
  return !LEFT_OUT.has(key) && String(here[key]) !== String(paper[key]);
}

function show(key: string, value: unknown): string {
  return /^(train|test)Examples$/.test(key) && value === 0 ? 'all' : String(value);
}
