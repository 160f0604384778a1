// The list of runs at the side: which are shown, how they stand.
import type { RunRow } from '../api.ts';
import { paint } from './chart.ts';
import { button, make, setText } from './dom.ts';
import { shortNumber, visible } from './format.ts';
import type { LineStyle } from './palette.ts';

export interface RunListEvents {
  /** The runs that are ticked now. */
  readonly onChoose: (ids: readonly string[]) => void;
  /** Where all about a run is. */
  readonly addressOf: (id: string) => string;
}

interface Row {
  readonly element: HTMLLIElement;
  readonly box: HTMLInputElement;
  readonly mark: HTMLElement;
  readonly about: HTMLElement;
  readonly state: HTMLElement;
  readonly bar: HTMLProgressElement;
  readonly link: HTMLAnchorElement;
}

export class RunListView {
  readonly element: HTMLElement;
  private readonly events: RunListEvents;
  private readonly list = make('ul', { className: 'runs' });
  private readonly filter = make('input', {
    type: 'search',
    placeholder: 'Filter',
    ariaLabel: 'Filter runs by their names and settings',
  });
  private readonly count = make('p', { className: 'count' });
  private readonly rows = new Map<string, Row>();
  private runs: readonly RunRow[] = [];
  private chosen: ReadonlySet<string> = new Set();

  constructor(events: RunListEvents) {
    this.events = events;
    this.filter.addEventListener('input', () => this.showMatches());
    const choose = (isChosen: boolean) => {
      const matching = this.matching().map(({ id }) => id);
      const others = [...this.chosen].filter((id) => !matching.includes(id));
      events.onChoose(isChosen ? [...others, ...matching] : others);
    };
    this.element = make(
      'div',
      {},
      make(
        'div',
        { className: 'row' },
        this.filter,
        button('All', () => choose(true), 'All: show every run of the list'),
        button('None', () => choose(false), 'None: show no run of the list'),
      ),
      this.count,
      this.list,
    );
  }

  /** Brings the list up to date; what the reader is at stays where it is. */
  show(runs: readonly RunRow[], chosen: ReadonlySet<string>, styleOf: (run: RunRow) => LineStyle): void {
    this.runs = runs;
    this.chosen = chosen;
    const gone = new Set(this.rows.keys());
    for (const [i, run] of runs.entries()) {
      gone.delete(run.id);
      const row = this.rows.get(run.id) ?? this.makeRow(run);
      this.rows.set(run.id, row);
      if (this.list.children[i] !== row.element) this.list.insertBefore(row.element, this.list.children[i] ?? null);
      const isChosen = chosen.has(run.id);
      row.box.checked = isChosen;
      row.mark.hidden = !isChosen;
      paint(row.mark, styleOf(run));
      setText(row.about, aboutRun(run));
      setText(row.state, run.problem === null ? run.state : 'damaged');
      row.state.dataset.state = run.problem === null ? run.state : 'damaged';
      row.state.title = run.problem === null ? '' : visible(run.problem);
      row.bar.hidden = run.progress === null;
      row.bar.value = run.progress ?? 0;
      row.link.href = this.events.addressOf(run.id);
    }
    for (const id of gone) {
      this.rows.get(id)?.element.remove();
      this.rows.delete(id);
    }
    this.showMatches();
  }

  private makeRow({ id, name }: RunRow): Row {
    const box = make('input', { type: 'checkbox' });
    box.addEventListener('change', () => {
      const others = [...this.chosen].filter((other) => other !== id);
      this.events.onChoose(box.checked ? [...others, id] : others);
    });
    const shownName = visible(name);
    const row = {
      box,
      mark: make('span', { className: 'mark' }),
      about: make('span', { className: 'about' }),
      state: make('span', { className: 'state' }),
      bar: make('progress', { max: 1, ariaLabel: `how much of ${shownName} is done` }),
      link: make('a', { className: 'more', ariaLabel: `details of ${shownName}` }, 'details'),
    };
    const title = make('label', { className: 'name' }, box, make('span', {}, shownName), row.mark);
    const foot = make('div', { className: 'foot' }, row.state, row.bar, row.link);
    return { ...row, element: make('li', { data: { run: id } }, title, row.about, foot) };
  }

  private matching(): RunRow[] {
    const words = this.filter.value.toLowerCase().split(/\s+/);
    return this.runs.filter((run) => {
      const text = `${run.name} ${run.what} ${run.environment} ${run.state} seed${run.seed}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  private showMatches(): void {
    const matching = new Set(this.matching().map(({ id }) => id));
    for (const [id, { element }] of this.rows) element.hidden = !matching.has(id);
    const all = `${this.runs.length} ${this.runs.length === 1 ? 'run' : 'runs'}, ${this.chosen.size} shown`;
    setText(this.count, matching.size === this.runs.length ? all : `${matching.size} of ${all}`);
  }
}

/** "dqn, CartPole-v1, seed 1: 12,000 agent steps, score 195" */
export function aboutRun({ what, environment, seed, position, unit, score, problem }: RunRow): string {
  if (what === null) return visible(problem ?? '');
  const parts = [what, environment, seed === null ? null : `seed ${seed}`].filter((part) => part !== null);
  const reached =
    position === null
      ? 'nothing yet'
      : `${position.toLocaleString('en')} ${unit === 'updates' ? 'updates' : 'agent steps'}`;
  return visible(`${parts.join(', ')}: ${reached}${score === null ? '' : `, score ${shortNumber(score)}`}`);
}
