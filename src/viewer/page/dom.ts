// Elements made by hand. Texts of runs go in as text and never as markup.

type Child = Node | string | null;
type Properties<E> = Partial<Omit<E, 'style'>> & { readonly data?: Readonly<Record<string, string>> };

/** An element with properties and children; strings become text. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties<HTMLElementTagNameMap[K]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const { data = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, data);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Changes a text only where it differs: what is selected stays so. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A table in a box of its own, which scrolls where the screen is too narrow, also by keys. */
export function scrolling(label: string, content: HTMLElement): HTMLElement {
  return make('div', { className: 'scrolling', tabIndex: 0, role: 'region', ariaLabel: label }, content);
}

/** A table whose first column holds the headings of the rows. @param head Those of the columns; none where empty. */
export function table(head: readonly Child[], rows: readonly (readonly Child[])[]): HTMLTableElement {
  const heading = (scope: string) => (child: Child) => make('th', { scope }, child);
  return make(
    'table',
    {},
    head.length === 0 ? null : make('thead', {}, make('tr', {}, ...head.map(heading('col')))),
    make(
      'tbody',
      {},
      ...rows.map(([first, ...cells]) =>
        make('tr', {}, heading('row')(first), ...cells.map((cell) => make('td', {}, cell))),
      ),
    ),
  );
}

/** A box to tick with its text. */
export function tickBox(text: string, isTicked: boolean, onChange: (isTicked: boolean) => void): HTMLLabelElement {
  const input = make('input', { type: 'checkbox', checked: isTicked });
  input.addEventListener('change', () => onChange(input.checked));
  return make('label', { className: 'tick' }, input, make('span', {}, text));
}

export function button(text: string, onClick: () => void, label = text): HTMLButtonElement {
  const element = make('button', { type: 'button', ariaLabel: label }, text);
  element.addEventListener('click', onClick);
  return element;
}
