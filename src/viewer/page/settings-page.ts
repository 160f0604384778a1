// Settings of the chosen runs side by side.
import type { RunDetails, RunRow } from '../api.ts';
import { make, scrolling, table, tickBox } from './dom.ts';
import { visible } from './format.ts';

/** Draws the table into an element. */
export class SettingsPage {
  readonly element = make('div', { className: 'settings' });
  private onlyDifferences = false;
  private shown = '';

  show(runs: readonly RunRow[], details: readonly RunDetails[]): void {
    const key = JSON.stringify([details.map(({ id, settings }) => [id, settings]), this.onlyDifferences]);
    if (key === this.shown) return;
    this.shown = key;
    const again = (isTicked: boolean) => {
      this.onlyDifferences = isTicked;
      this.show(runs, details);
    };
    const switcher = tickBox('Only what differs', this.onlyDifferences, again);
    const heading = make('h2', {}, 'Settings');
    if (details.length === 0) {
      this.element.replaceChildren(heading, make('p', {}, 'No run is chosen: tick some in the list.'));
      return;
    }
    const hadFocus = this.element.contains(document.activeElement);
    const values = details.map(({ settings }) => new Map(settings));
    const names = new Map(runs.map(({ id, name }) => [id, name]));
    const rows = [...new Set(details.flatMap(({ settings }) => settings.map(([name]) => name)))].map((name) => {
      const cells = values.map((one) => one.get(name) ?? '-');
      return { name, cells, differs: new Set(cells).size > 1 };
    });
    const differing = rows.filter(({ differs }) => differs).length;
    const shown = this.onlyDifferences ? rows.filter(({ differs }) => differs) : rows;
    const built = table(
      ['setting', ...details.map(({ id }) => visible(names.get(id) ?? id))],
      shown.map(({ name, cells, differs }) => [
        make('span', {}, differs ? make('strong', { title: 'differs' }, `≠ ${visible(name)}`) : visible(name)),
        ...cells.map((cell) => make(differs ? 'strong' : 'span', {}, visible(cell))),
      ]),
    );
    for (const [i, { differs }] of shown.entries()) built.tBodies[0].rows[i].classList.toggle('differs', differs);
    const summary =
      details.length === 1
        ? 'One run: tick others to compare it with.'
        : `${differing} of ${rows.length} settings differ between ${details.length} runs; they are marked ≠.`;
    this.element.replaceChildren(heading, make('p', {}, summary), switcher, scrolling('settings', built));
    if (hadFocus) switcher.querySelector('input')?.focus();
  }
}
