// All about one run but its curves.
import type { RunDetails, RunRow } from '../api.ts';
import { make, scrolling, table } from './dom.ts';
import { bytes, duration, visible } from './format.ts';
import { aboutRun } from './run-list.ts';

type Rows = readonly (readonly [string, string])[];

export class RunPage {
  readonly element = make('div', { className: 'details' });
  private shown = '';

  /** @param curvesAddress Where its curves are shown. */
  show(run: RunRow, details: RunDetails, curvesAddress: string): void {
    const key = JSON.stringify([run, details]);
    if (key === this.shown) return;
    this.shown = key;
    const name = visible(run.name);
    const report = make('a', { href: fileAddress('report', { run: run.id }), target: '_blank' }, 'report.html');
    this.element.replaceChildren(
      make('h2', {}, name),
      run.kind === null ? '' : make('p', {}, aboutRun(run)),
      ...(run.problem === null ? [] : [make('p', { className: 'problem' }, `Damaged: ${visible(run.problem)}`)]),
      make(
        'p',
        { className: 'links' },
        make('a', { href: curvesAddress }, 'its curves alone'),
        details.hasReport ? report : null,
      ),
      ...facts('Run', [
        ['state', run.state],
        ...(run.wallSeconds === null ? [] : [['trained for', duration(run.wallSeconds)] as const]),
        ['preset', details.preset ?? '-'],
        ['weightnorm-rl', details.version ?? '-'],
        ['commit', details.commit ?? '-'],
      ]),
      ...facts('Machine', details.machine),
      ...facts('Versions', details.packages),
      ...checkpoints(details),
      ...pictures(run, details),
      ...recordings(run, details),
      ...facts('Settings', details.settings),
    );
  }
}

function facts(title: string, rows: Rows): HTMLElement[] {
  if (rows.length === 0) return [];
  const shown = rows.map(([name, value]) => [visible(name), visible(value)]);
  return [make('h3', {}, title), scrolling(title, table([], shown))];
}

function checkpoints({ checkpoints: all }: RunDetails): HTMLElement[] {
  if (all.length === 0) return [make('h3', {}, 'Checkpoints'), make('p', {}, 'None yet.')];
  const rows = all.map(({ step, bytes: size, isNewest, isBest }) => [
    step.toLocaleString('en'),
    bytes(size),
    isBest ? 'best evaluation' : isNewest ? 'newest' : '',
  ]);
  return [make('h3', {}, 'Checkpoints'), scrolling('checkpoints', table(['step', 'size', 'kept as'], rows))];
}

function pictures(run: RunRow, { pictures: all }: RunDetails): HTMLElement[] {
  if (all.length === 0) return [];
  const shown = all.map(({ name }) =>
    make(
      'figure',
      {},
      make('img', {
        src: fileAddress('file', { run: run.id, part: 'pictures', name }),
        alt: visible(name),
        loading: 'lazy',
      }),
      make('figcaption', {}, visible(name)),
    ),
  );
  return [make('h3', {}, 'Pictures'), make('div', { className: 'pictures' }, ...shown)];
}

function recordings(run: RunRow, { recordings: all }: RunDetails): HTMLElement[] {
  if (all.length === 0) return [];
  const rows = all.map(({ name, bytes: size }) => [
    make('a', { href: fileAddress('file', { run: run.id, part: 'recordings', name }), download: name }, visible(name)),
    bytes(size),
  ]);
  return [
    make('h3', {}, 'Recordings'),
    make('p', {}, 'To see or film one: npm run replay-episode -- FILE --video FILE.mp4'),
    scrolling('recordings', table(['episode', 'size'], rows)),
  ];
}

function fileAddress(route: 'file' | 'report', query: Record<string, string>): string {
  return `api/${route}?${new URLSearchParams(query)}`;
}
