// One run as an HTML file that needs no other.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PUBLISHED_NOTE, publishedSeries } from '../comparison/published-curves.ts';
import { duration } from '../report/duration.ts';
import { htmlDocument, htmlTable } from '../report/html.ts';
import { escapeXml, type LineChartOptions, lineChart, type Series } from '../report/line-chart.ts';
import type { RunFile } from '../runs/contents.ts';
import type { RunDescription } from '../runs/description.ts';
import type { RunEvent } from '../runs/events.ts';
import type { MetricsFollower } from '../runs/follow-metrics.ts';
import { machineRows, packageRows, settingRows, type TextRows } from './facts.ts';

/** What a report is made of. */
export interface ReportedRun {
  /** The name of its folder. */
  readonly name: string;
  /** The real path of its folder, from which pictures are read. */
  readonly path: string;
  readonly description: RunDescription;
  readonly metrics: MetricsFollower;
  readonly pictures: readonly RunFile[];
}

const CHART_WIDTH = 560;
/** A page that is sent by mail has not much more. */
const MOST_PICTURE_BYTES = 4e6;
const MOST_CHARTS = 8;

/** The page: what came of the run, its main curves, settings, machine, versions, and the newest pictures. */
export async function reportOfRun(run: ReportedRun): Promise<string> {
  const { name, description, metrics } = run;
  const charts = chartsOf(run);
  const figures = await pictureFigures(run);
  const hasBand = charts.some(({ series }) => series[0].points.some(({ low }) => low !== undefined));
  const isPublished = charts.some(({ series }) => series.length > 1);
  const body = [
    `<h1>${escapeXml(name)}</h1>`,
    `<p>${escapeXml(whatItIs(run))}</p>`,
    ...(metrics.damage === undefined ? [] : [`<p>${escapeXml(`Damaged: ${metrics.damage}.`)}</p>`]),
    ...section('Evaluation', evaluationRows(run)),
    ...(charts.length === 0
      ? ['<p>There are no curves: nothing was written down.</p>']
      : [
          '<h2>Curves</h2>',
          `<div class="figures">${charts.map((chart) => `<figure>\n${lineChart(chart)}</figure>`).join('\n')}</div>`,
          ...(hasBand ? ['<p>A point is the mean of several values, its band their lowest and highest.</p>'] : []),
          ...(isPublished ? [`<p>${escapeXml(PUBLISHED_NOTE)}</p>`] : []),
        ]),
    ...(figures.length === 0 ? [] : ['<h2>Pictures</h2>', `<div class="figures">${figures.join('\n')}</div>`]),
    ...section('Settings', settingRows(withoutPaths(description))),
    ...section('Machine', machineRows(description)),
    ...section('Versions', [
      ['weightnorm-rl', description.version],
      ['commit', description.commit ?? '-'],
      ...packageRows(description),
    ]),
  ];
  return htmlDocument(name, body.join('\n'));
}

function section(title: string, rows: TextRows): string[] {
  return rows.length === 0 ? [] : [`<h2>${title}</h2>`, htmlTable([['', 'value'], ...rows])];
}

function whatItIs({ description, metrics }: ReportedRun): string {
  const { kind, name, preset, settings, environment } = description;
  const where = environment === undefined ? '' : ` in ${environment.settings.id}`;
  const { newest } = metrics;
  const unit = newest?.unit === 'updates' ? 'updates' : 'agent steps';
  const time = newest?.wallSeconds === undefined ? '' : ` after ${duration(newest.wallSeconds)}`;
  const total = kind === 'agent' ? ` of ${count(Number(settings.steps))}` : '';
  const reached = newest === undefined ? 'no line was written' : `${count(newest.position)}${total} ${unit}${time}`;
  return (
    `${kind === 'agent' ? 'Agent' : 'Supervised task'} ${name}${where}, ` +
    `${preset === null ? '' : `preset ${preset}, `}seed ${settings.seed}: ${reached}.`
  );
}

/** The newest evaluation, and the best one of agents. */
function evaluationRows({ metrics, description }: ReportedRun): TextRows {
  const newest = metrics.newestOf('evaluation') ?? metrics.newestOf('epoch');
  const rows: [string, string][] = Object.entries(numbersOf(newest)).map(([name, value]) => [name, short(value)]);
  if (newest === undefined || description.kind !== 'agent') return rows;
  const { mean, high } = metrics.curve('evaluation/meanReturn')?.columns() ?? { mean: [] };
  const values = (high ?? mean).filter((value) => value !== null);
  return [
    ['at agent step', count(newest.position)],
    ...rows,
    ...(values.length === 0 ? [] : [['best meanReturn of all evaluations', short(Math.max(...values))] as const]),
  ];
}

function chartsOf({ description, metrics }: ReportedRun): LineChartOptions[] {
  const { kind, name, environment } = description;
  const unit = metrics.newest?.unit === 'updates' ? 'updates' : 'agent steps';
  const wanted =
    kind === 'agent'
      ? ['episode/return', 'evaluation/meanReturn', 'train/loss', 'train/meanQ']
      : [
          'train/loss',
          ...metrics.names.filter((curve) => /^(evaluation|epoch)\//.test(curve) && !/\/(epoch|updates)$/.test(curve)),
        ];
  const published =
    kind === 'agent' ? publishedSeries(environment?.settings.id ?? '', [name], metrics.newest?.position ?? 0) : [];
  return wanted
    .flatMap((curve): LineChartOptions[] => {
      const series = seriesOf(metrics, curve);
      if (series === undefined) return [];
      return [
        {
          title: curve,
          description: `${curve} over ${unit}.`,
          x: { label: unit },
          y: { label: curve.slice(curve.indexOf('/') + 1) },
          series: [series, ...(/[rR]eturn$/.test(curve) ? published : [])],
          width: CHART_WIDTH,
        },
      ];
    })
    .slice(0, MOST_CHARTS);
}

function seriesOf(metrics: MetricsFollower, name: string): Series | undefined {
  const columns = metrics.curve(name)?.columns();
  if (columns === undefined) return undefined;
  const { position, mean, low, high } = columns;
  const points = position.flatMap((x, i) => {
    const y = mean[i];
    return y === null ? [] : [{ x, y, ...(low && high && { low: low[i]!, high: high[i]! }) }];
  });
  return points.length === 0 ? undefined : { name: 'this run', points };
}

/** The pictures of the newest epoch, inside the page. */
async function pictureFigures({ path, pictures }: ReportedRun): Promise<string[]> {
  const newest = pictures
    .map((file) => ({ ...file, epoch: /-epoch-(\d+)\.(?:png|gif)$/.exec(file.name)?.[1] ?? '' }))
    .sort((a, b) => (a.epoch < b.epoch ? 1 : -1))
    .filter(({ epoch }, _, [first]) => epoch === first.epoch)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const figures: string[] = [];
  let bytes = 0;
  for (const picture of newest) {
    bytes += picture.bytes;
    if (bytes > MOST_PICTURE_BYTES) break;
    const data = (await readFile(join(path, 'pictures', picture.name))).toString('base64');
    const type = picture.name.endsWith('.gif') ? 'image/gif' : 'image/png';
    const text = escapeXml(picture.name);
    figures.push(
      `<figure><img src="data:${type};base64,${data}" alt="${text}" /><figcaption>${text}</figcaption></figure>`,
    );
  }
  return figures;
}

/** Reports are handed on: of paths on this machine, such as that of the data, the last name stays. */
function withoutPaths(description: RunDescription): RunDescription {
  const text = JSON.stringify(description.settings, (_, value) =>
    typeof value === 'string' ? value.replace(/^(?:~|file:)?\/.*\/(?=[^/]+\/*$)/, '.../') : value,
  );
  return { ...description, settings: JSON.parse(text) };
}

function numbersOf(event: RunEvent | undefined): Readonly<Record<string, number>> {
  return (event?.numbers ?? {}) as Record<string, number>;
}

function count(value: number): string {
  return value.toLocaleString('en');
}

function short(value: number): string {
  return Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(5)));
}
