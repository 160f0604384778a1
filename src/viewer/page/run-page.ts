// All about one run but its curves.
import type { RunDetails, RunRow } from '../api.ts';
import { make, scrolling, table } from './dom.ts';
import { bytes, duration, visible } from './format.ts';
import { NOTHING_WATCHED, type Place } from './place.ts';
import { aboutRun } from './run-list.ts';

type Rows = readonly (readonly [string, string])[];

export class RunPage {
  readonly element = make('div', { className: 'details' });
  private shown = '';

  /** @param addressOf The address of another place about this run. */
  show(run: RunRow, details: RunDetails, addressOf: (change: Partial<Place>) => string): void {
    const key = JSON.stringify([run, details]);
    if (key === this.shown) return;
    this.shown = key;
    const name = visible(run.name);
    const watchAddress = (what: Partial<Place>) => addressOf({ ...NOTHING_WATCHED, page: 'watch', ...what });
    const report = make('a', { href: fileAddress('report', { run: run.id }), target: '_blank' }, 'report.html');
    this.element.replaceChildren(
      make('h2', {}, name),
      run.kind === null ? '' : make('p', {}, aboutRun(run)),
      ...(run.problem === null ? [] : [make('p', { className: 'problem' }, `Damaged: ${visible(run.problem)}`)]),
      make(
        'p',
        { className: 'links' },
        make('a', { href: addressOf({ ...NOTHING_WATCHED, page: 'curves' }) }, 'its curves alone'),
        canPlay(run, details) ? make('a', { href: watchAddress({ isLive: true }) }, 'watch it play') : null,
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
      ...recordings(run, details, (recording) => watchAddress({ recording })),
      ...facts('Settings', details.settings),
    );
  }
}

/** Whether its newest network can play in an environment of its own. */
function canPlay({ kind }: RunRow, { checkpoints: all }: RunDetails): boolean {
  return kind === 'agent' && all.some(({ isBest }) => !isBest);
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

function recordings(
  run: RunRow,
  { recordings: all }: RunDetails,
  watchAddress: (recording: string) => string,
): HTMLElement[] {
  if (all.length === 0) return [];
  const rows = all.map(({ name, bytes: size }) => [
    make('a', { href: fileAddress('file', { run: run.id, part: 'recordings', name }), download: name }, visible(name)),
    bytes(size),
    make('a', { href: watchAddress(name), ariaLabel: `watch ${visible(name)}` }, 'watch'),
  ]);
  return [
    make('h3', {}, 'Recordings'),
    make('p', {}, 'To film one: npm run replay-episode -- FILE --video FILE.mp4'),
    scrolling('recordings', table(['episode', 'size', 'what the network says'], rows)),
  ];
}

function fileAddress(route: 'file' | 'report', query: Record<string, string>): string {
  return `api/${route}?${new URLSearchParams(query)}`;
}
