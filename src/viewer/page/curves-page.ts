// The page with the learning curves.
import type { RunRow } from '../api.ts';
import { Chart, type NamedLine } from './chart.ts';
import { make, tickBox } from './dom.ts';
import { visible } from './format.ts';
import { type Line, lineOfRun, meanOf, publishedLine, unitsPerStep } from './lines.ts';
import { type Palette, publishedStyle } from './palette.ts';
import { AXES, type AxisName, type Place } from './place.ts';
import type { Store } from './store.ts';

const AXIS_LABELS: Readonly<Record<AxisName, string>> = {
  steps: 'agent steps',
  frames: 'emulator frames',
  minutes: 'minutes of training',
};

/** Numbers of the machine, not of what is learned. */
const SYSTEM = /\/(stepsPerSecond|examplesPerSecond|rssBytes|numTensors|sidecarRestarts|replaySteps|updates|epoch)$/;
/** What one wants to know of an agent first. */
export const OF_AGENTS = ['episode/return', 'evaluation/meanReturn', 'train/loss', 'train/meanQ'];
const MOST_DEFAULT_CURVES = 4;

/** The curves that matter most, of those that there are. */
export function defaultCurves(names: readonly string[]): string[] {
  const tested = names.filter((name) => name.startsWith('evaluation/') && !SYSTEM.test(name));
  const first = OF_AGENTS.filter((name) => names.includes(name));
  return [...new Set(names.includes('episode/return') ? first : [...first, ...tested])].slice(0, MOST_DEFAULT_CURVES);
}

/** Under which heading a curve is listed. */
function headingOf(name: string): string {
  if (SYSTEM.test(name)) return 'System';
  const [first, ...rest] = name.split('/');
  if (first === 'diagnostics') return `Diagnostics: ${rest.length > 1 ? rest.slice(1).join('/') : rest[0]} by layer`;
  return { episode: 'Training episodes', train: 'Learning', epoch: 'Epochs', evaluation: 'Evaluation' }[first] ?? first;
}

export class CurvesPage {
  readonly element = make('div', { className: 'curves' });
  private readonly store: Store;
  private readonly palette: Palette;
  private readonly go: (change: Partial<Place>) => void;
  private readonly grid = make('div', { className: 'charts' });
  private readonly picker = make('div', { className: 'picker' });
  private readonly note = make('p', { className: 'note' });
  private readonly charts = new Map<string, Chart>();
  private readonly controls: (place: Place) => void;
  private shownNames = '';

  constructor(store: Store, palette: Palette, go: (change: Partial<Place>) => void) {
    this.store = store;
    this.palette = palette;
    this.go = go;
    const { bar, update } = makeControls(go);
    this.controls = update;
    const chooser = make('details', { className: 'chooser' }, make('summary', {}, 'Choose curves'), this.picker);
    this.element.append(make('h2', { className: 'hidden' }, 'Curves'), bar, chooser, this.note, this.grid);
  }

  /** Draws what is known of the chosen runs. */
  show(place: Place, runs: readonly RunRow[]): void {
    this.controls(place);
    const names = this.store.namesOf(runs.map(({ id }) => id));
    const wanted = place.curves ?? defaultCurves(names);
    this.showPicker(names, wanted);
    this.showNote(place, runs);
    for (const [name, chart] of this.charts) {
      if (wanted.includes(name)) continue;
      chart.remove();
      this.charts.delete(name);
    }
    for (const [i, name] of wanted.entries()) {
      const chart = this.charts.get(name) ?? new Chart(name, () => this.choose(wanted, name, false));
      this.charts.set(name, chart);
      // In the page before it is drawn: it takes its width and its colours from there.
      if (this.grid.children[i] !== chart.element) this.grid.insertBefore(chart.element, this.grid.children[i] ?? null);
      const lines = this.linesOf(name, place, runs);
      const having = runs.filter(({ id }) => this.store.points(id, name) !== undefined);
      chart.draw([...lines, ...this.publishedLines(name, place, having, lines)], axisLabel(place.axis, having));
    }
  }

  private linesOf(name: string, { axis, smoothing, isMean }: Place, runs: readonly RunRow[]): NamedLine[] {
    const found = runs.flatMap((run): { run: RunRow; line: Line }[] => {
      const points = this.store.points(run.id, name);
      const line = points && lineOfRun(run, points, axis, smoothing);
      return line === undefined ? [] : [{ run, line }];
    });
    return [...Map.groupBy(found, ({ run }) => lineKey(run, isMean))].map(([key, members]) => ({
      name: visible(nameOf(members.map(({ run }) => run))),
      style: this.palette.styleOf(key),
      line: meanOf(members.map(({ line }) => line)),
    }));
  }

  /** Beside returns only, and where all runs are in one game. */
  private publishedLines(
    name: string,
    place: Place,
    runs: readonly RunRow[],
    lines: readonly NamedLine[],
  ): NamedLine[] {
    if (!place.isPublished || !/[rR]eturn$/.test(name) || lines.length === 0) return [];
    const environment = oneEnvironment(runs);
    if (environment === undefined) return [];
    const end = Math.max(...lines.map(({ line }) => line.x[line.x.length - 1]));
    return this.store
      .knownPublished(environment)
      .filter(({ agent }) => runs.some((run) => run.what === agent))
      .flatMap((curve) => {
        const line = publishedLine(curve, place.axis, end);
        return line === undefined ? [] : [{ name: `${curve.name} (published)`, style: publishedStyle(), line }];
      });
  }

  private showPicker(names: readonly string[], wanted: readonly string[]): void {
    const key = JSON.stringify([names, wanted]);
    if (key === this.shownNames) return;
    const focused = document.activeElement?.closest<HTMLElement>('[data-curve]')?.dataset.curve;
    this.shownNames = key;
    const groups = [...Map.groupBy([...new Set([...names, ...wanted])].sort(), headingOf)];
    this.picker.replaceChildren(
      ...groups.map(([heading, members]) =>
        make(
          'fieldset',
          {},
          make('legend', {}, visible(heading)),
          ...members.map((name) => {
            const box = tickBox(visible(name), wanted.includes(name), (isTicked) =>
              this.choose(wanted, name, isTicked),
            );
            box.dataset.curve = name;
            return box;
          }),
        ),
      ),
    );
    if (focused === undefined) return;
    const same = [...this.picker.querySelectorAll<HTMLElement>('[data-curve]')].find(
      ({ dataset }) => dataset.curve === focused,
    );
    same?.querySelector('input')?.focus();
  }

  private showNote({ axis }: Place, runs: readonly RunRow[]): void {
    const damaged = runs.flatMap(({ id, name }) => {
      const damage = this.store.damageOf(id);
      return damage === null ? [] : [`${name}: ${damage}`];
    });
    const without = axis === 'frames' ? runs.filter((run) => unitsPerStep(run, axis) === undefined).length : 0;
    const notes = [
      ...(runs.length === 0 ? ['No run is chosen: tick some in the list.'] : []),
      ...(without > 0 ? [`${without} of the runs have no emulator and so no frames.`] : []),
      ...damaged,
    ];
    this.note.textContent = visible(notes.join(' '));
    this.note.hidden = notes.length === 0;
  }

  private choose(wanted: readonly string[], name: string, isWanted: boolean): void {
    const others = wanted.filter((other) => other !== name);
    this.go({ curves: isWanted ? [...others, name] : others });
  }
}

/** Which line a run belongs to. */
export function lineKey(run: RunRow, isMean: boolean): string {
  return isMean ? run.group : run.id;
}

/** The environment of all runs; undefined where they have several, or none. */
export function oneEnvironment(runs: readonly RunRow[]): string | undefined {
  const all = new Set(runs.map(({ environment }) => environment));
  return all.size === 1 ? ([...all][0] ?? undefined) : undefined;
}

function nameOf(runs: readonly RunRow[]): string {
  if (runs.length === 1) return runs[0].name;
  const seeds = runs.map(({ seed }) => seed).sort((a, b) => Number(a) - Number(b));
  return `${runs[0].name.replace(/[-_]?seed\d+$/i, '')} (mean of seeds ${seeds.join(', ')})`;
}

function axisLabel(axis: AxisName, runs: readonly RunRow[]): string {
  const units = new Set(runs.map(({ unit }) => unit));
  if (axis !== 'steps' || !units.has('updates')) return AXIS_LABELS[axis];
  return units.has('agentSteps') ? 'agent steps or updates' : 'updates';
}

/** The bar above the charts. */
function makeControls(go: (change: Partial<Place>) => void) {
  const axis = make('select', {}, ...AXES.map((name) => make('option', { value: name }, AXIS_LABELS[name])));
  axis.addEventListener('change', () => go({ axis: axis.value as AxisName }));
  const smoothing = make('input', { type: 'range', min: '0', max: '0.98', step: '0.02' });
  smoothing.addEventListener('input', () => go({ smoothing: Number(smoothing.value) }));
  const mean = tickBox('Mean over seeds', true, (isMean) => go({ isMean }));
  const published = tickBox('Published curves', true, (isPublished) => go({ isPublished }));
  const bar = make(
    'div',
    { className: 'controls' },
    make('label', {}, 'Over ', axis),
    make('label', {}, 'Smoothing ', smoothing),
    mean,
    published,
  );
  return {
    bar,
    update(place: Place) {
      axis.value = place.axis;
      smoothing.value = String(place.smoothing);
      mean.querySelector('input')!.checked = place.isMean;
      published.querySelector('input')!.checked = place.isPublished;
    },
  };
}
