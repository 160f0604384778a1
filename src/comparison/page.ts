import { htmlDocument, htmlTable } from '../report/html.ts';
import { chartGrid, escapeXml, type Series } from '../report/line-chart.ts';
import type { Comparison, GroupResult } from './compare.ts';
import { PUBLISHED_NOTE, publishedSeries } from './published-curves.ts';
import { aggregateRows, estimateText, scoreRows, shortNames } from './tables.ts';

/** One HTML file that needs no other: tables, and the curves as SVG inside it. */
export function comparisonPage(comparison: Comparison): string {
  const { groups, score, step, normalization, environments, improvements, differing } = comparison;
  const names = shortNames(groups);
  const what = score === 'evaluation' ? 'evaluations' : 'the newest 100 training episodes';
  const body = [
    '<h1>Runs compared</h1>',
    `<p>Scores after ${step.toLocaleString('en')} agent steps: mean returns of ${what}, never the clipped rewards.</p>`,
    '<h2>Groups</h2>',
    htmlTable([['', 'runs of', 'seeds'], ...groups.map((group, i) => [names[i], group.label, seedsText(group)])]),
    ...(differing.length > 0 ? [`<p>Settings that differ: ${escapeXml(differing.join(', '))}.</p>`] : []),
    '<h2>Curves</h2>',
    `<figure>\n${curves(comparison, names).trim()}\n</figure>`,
    `<p>A line is the mean over runs, its band their lowest and highest. ${PUBLISHED_NOTE}</p>`,
    '<h2>Scores</h2>',
    htmlTable(scoreRows(comparison, names)),
    '<h2>Over all environments</h2>',
    `<p>Scores ${escapeXml(normalization)}. In brackets the middle 95 % of a stratified bootstrap over runs.</p>`,
    htmlTable(aggregateRows(comparison, names)),
    ...(improvements.length > 0
      ? [
          '<h2>Probability of improvement</h2>',
          htmlTable([
            ['a run of', 'scores higher than one of', 'with probability'],
            ...improvements.map(({ of, over, probability }) => [of, over, estimateText(probability)]),
          ]),
        ]
      : []),
    '<h2>Runs</h2>',
    htmlTable([
      ['', 'environment', 'seed', 'folder'],
      ...groups.flatMap(({ runs }, i) =>
        runs.map(({ path, environment, seed }) => [names[i], environment, String(seed), path]),
      ),
    ]),
    ...(environments.length < 5
      ? ['<p>With so few environments the numbers over all of them say little about others.</p>']
      : []),
  ];
  return htmlDocument('Runs compared', body.join('\n'));
}

function curves({ groups, environments, step, score }: Comparison, names: readonly string[]): string {
  const x = { label: 'agent steps' };
  const charts = environments.map((environment) => ({
    title: environment,
    description: `Mean return over agent steps in ${environment}, a line for each group.`,
    x,
    y: { label: score === 'evaluation' ? 'evaluated return' : 'training return' },
    series: [
      ...groups.flatMap((group, i): Series[] => {
        const points = (group.curves[environment] ?? []).filter(({ value }) => !Number.isNaN(value));
        if (points.length === 0) return [];
        return [{ name: names[i], points: points.map((p) => ({ x: p.step, y: p.value, low: p.low, high: p.high })) }];
      }),
      ...publishedSeries(
        environment,
        groups.map(({ agent }) => agent),
        step,
      ),
    ],
  }));
  const efficient = groups.flatMap(({ sampleEfficiency }, i): Series[] =>
    sampleEfficiency === undefined || sampleEfficiency.length === 0
      ? []
      : [
          {
            name: names[i],
            points: sampleEfficiency.map(({ step: at, iqm }) => ({
              x: at,
              y: iqm.value,
              low: iqm.low,
              high: iqm.high,
            })),
          },
        ],
  );
  if (efficient.length > 0) {
    charts.push({
      title: 'Sample efficiency',
      description: 'The interquartile mean of normalised scores over agent steps.',
      x,
      y: { label: 'interquartile mean' },
      series: efficient,
    });
  }
  return chartGrid({ title: 'Learning curves', description: 'A chart for each environment.', charts });
}

function seedsText({ runs }: GroupResult): string {
  return [...new Set(runs.map(({ seed }) => seed))].sort((a, b) => a - b).join(', ');
}
