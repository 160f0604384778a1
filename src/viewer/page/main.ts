// The page over run folders: the list at the side, and beside it one of several pages.
import './style.css';
import type { RunRow } from '../api.ts';
import { CurvesPage, defaultCurves, lineKey, OF_AGENTS, oneEnvironment } from './curves-page.ts';
import { button, make, setText } from './dom.ts';
import { visible } from './format.ts';
import { isDark, Palette } from './palette.ts';
import { hashOf, NOTHING_WATCHED, type Place, readPlace } from './place.ts';
import { RunListView } from './run-list.ts';
import { RunPage } from './run-page.ts';
import { SettingsPage } from './settings-page.ts';
import { Store } from './store.ts';
import { WatchPage } from './watch-page.ts';

const REFRESH_MS = 2000;
/** While many runs are read, what has come is drawn so often. */
const DRAW_MS = 300;
/** The newest runs, which are shown to whom has chosen none. */
const DEFAULT_RUNS = 8;

const store = new Store();
const palette = new Palette();
const curvesPage = new CurvesPage(store, palette, go);
const settingsPage = new SettingsPage();
const runPage = new RunPage();
const watchPage = new WatchPage(go);

interface Page {
  readonly title: string;
  readonly element: HTMLElement;
  show(place: Place, runs: readonly RunRow[]): Promise<void>;
}

/** By the names in the address. */
const pages: Readonly<Record<string, Page>> = {
  curves: { title: 'Curves', element: curvesPage.element, show: showCurves },
  settings: {
    title: 'Settings',
    element: settingsPage.element,
    async show(_, runs) {
      settingsPage.show(runs, await Promise.all(runs.map((run) => store.detailsOf(run))));
    },
  },
  run: {
    title: 'Run',
    element: runPage.element,
    async show(place, [run]) {
      if (run !== undefined) {
        const addressOf = (change: Partial<Place>) => hashOf({ ...place, ...change, runs: [run.id] });
        runPage.show(run, await store.detailsOf(run), addressOf);
      } else runPage.element.replaceChildren(make('p', {}, 'There is no such run.'));
    },
  },
  watch: {
    title: 'Watch',
    element: watchPage.element,
    async show(place, [run]) {
      if (run !== undefined) watchPage.show(place, run, await store.detailsOf(run));
      else main.replaceChildren(make('p', {}, 'There is no such run.'));
    },
  },
};
/** Pages of a single run: what is chosen for comparison stays as it is. */
const OF_ONE_RUN = ['run', 'watch'];

/** What is chosen for comparison: a look at one run leaves it as it is. */
let chosen: readonly string[] | undefined;
let place = readPlace(location.hash);

const list = new RunListView({
  onChoose: (runs) => {
    chosen = runs;
    go({ page: OF_ONE_RUN.includes(place.page) ? 'curves' : place.page, runs });
  },
  addressOf: (id) => hashOf({ ...place, ...NOTHING_WATCHED, page: 'run', runs: [id] }),
});
const folder = make('h1');
const status = make('p', { className: 'status', role: 'status' });
const tabs = ['curves', 'settings'].map((page) => make('a', { data: { page } }, pages[page].title));
const main = make('main', { id: 'main' });
const aside = make(
  'aside',
  { ariaLabel: 'runs' },
  make('details', { open: !matchMedia('(max-width: 800px)').matches }, make('summary', {}, 'Runs'), list.element),
);
document.body.append(
  make('a', { className: 'skip', href: '#main' }, 'To the curves'),
  make('header', { className: 'top' }, folder, make('nav', { ariaLabel: 'pages' }, ...tabs), themeSwitch(), status),
  make('div', { className: 'columns' }, aside, main),
);
document.querySelector('.skip')!.addEventListener('click', (event) => {
  event.preventDefault();
  main.tabIndex = -1;
  main.focus();
});

window.addEventListener('hashchange', () => {
  place = readPlace(location.hash);
  if (!OF_ONE_RUN.includes(place.page)) chosen = place.runs;
  void show();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => void show());
if (!OF_ONE_RUN.includes(place.page)) chosen = place.runs;
void refresh();

/** Goes somewhere else on the page; the address says where, so that it can be kept and sent on. */
function go(change: Partial<Place>): void {
  place = { ...place, ...change };
  history.replaceState(null, '', hashOf(place));
  void show();
}

/** Asks what is new, and again after a while; a page that nobody sees asks for nothing. */
async function refresh(): Promise<void> {
  try {
    if (!document.hidden) {
      const hasChanged = await store.refreshList();
      if (hasChanged || main.childElementCount === 0) await show();
      setText(status, store.list.note ?? '');
    }
  } catch {
    setText(status, 'The server does not answer: it has been ended, or is busy.');
  }
  setTimeout(() => void refresh(), REFRESH_MS);
}

async function show(): Promise<void> {
  const { runs } = store.list;
  const { page: name } = place;
  const page = pages[name] ?? pages.curves;
  const compared = chosen ?? newestAlike(runs);
  const isChosen = new Set(compared);
  const shown = runs.filter(({ id }) => (OF_ONE_RUN.includes(name) ? place.runs?.includes(id) : isChosen.has(id)));
  const comparedRuns = runs.filter(({ id }) => isChosen.has(id));
  palette.keep([...new Set(comparedRuns.map((run) => lineKey(run, place.isMean)))].sort());
  list.show(runs, isChosen, (run) => palette.styleOf(lineKey(run, place.isMean)));
  setText(folder, visible(store.list.folder));
  document.title = `${visible(store.list.folder)}: runs`;
  for (const tab of tabs) {
    tab.href = hashOf({ ...place, ...NOTHING_WATCHED, page: tab.dataset.page!, runs: chosen });
    if (pages[tab.dataset.page!] === page) tab.ariaCurrent = 'page';
    else tab.removeAttribute('aria-current');
  }
  if (runs.length === 0) {
    main.replaceChildren(
      make('p', { className: 'empty' }, 'There is no run in this folder yet. Start one: it appears here by itself.'),
    );
    return;
  }
  if (main.firstElementChild !== page.element) main.replaceChildren(page.element);
  await page.show(place, shown);
}

/** The newest runs of what was trained last: others have other scales. */
function newestAlike(runs: readonly RunRow[]): string[] {
  const known = runs.filter(({ kind }) => kind !== null);
  const like = ({ kind, what, environment }: RunRow) => JSON.stringify([kind, environment ?? what]);
  return known
    .filter((run) => like(run) === like(known[0]))
    .slice(0, DEFAULT_RUNS)
    .map(({ id }) => id);
}

async function showCurves(now: Place, runs: readonly RunRow[]): Promise<void> {
  const draw = () => {
    if (place === now) curvesPage.show(now, runs);
  };
  draw();
  const environment = oneEnvironment(runs);
  if (environment !== undefined) await store.publishedFor(environment);
  const names = () => store.namesOf(runs.map(({ id }) => id));
  const wanted = () => now.curves ?? (names().length === 0 ? OF_AGENTS : defaultCurves(names()));
  let drawnMs = 0;
  const onNews = () => {
    if (performance.now() - drawnMs < DRAW_MS) return;
    draw();
    drawnMs = performance.now();
  };
  // Once more: only now it is known what there is to ask for.
  for (let pass = 0; pass < 2 && place === now; pass++) await store.refreshCurves(runs, wanted(), onNews);
  draw();
}

function themeSwitch(): HTMLElement {
  const root = document.documentElement;
  const kept = localStorage.getItem('theme');
  if (kept === 'light' || kept === 'dark') root.dataset.theme = kept;
  const text = () => (isDark() ? 'Light' : 'Dark');
  const element = button(text(), () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    localStorage.setItem('theme', root.dataset.theme);
    element.textContent = text();
    element.ariaLabel = `${text()} colours`;
    void show();
  });
  element.ariaLabel = `${text()} colours`;
  return element;
}
