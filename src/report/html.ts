import { escapeXml } from './line-chart.ts';

export interface Table {
  heading: string;
  /** The first row holds the headings. */
  rows: readonly (readonly string[])[];
}

export interface Section {
  title: string;
  /** What the paper says, and where. */
  claim: string;
  /** What these runs showed, a sentence each. */
  found: readonly string[];
  /** An SVG document. */
  figure?: string;
  /** One for each panel, in their order. */
  captions: readonly string[];
  tables: readonly Table[];
  settings: Readonly<Record<string, string>>;
}

/** One HTML file that needs no other: the figures are inline. */
export function resultsPage(section: Section): string {
  return htmlDocument(section.title, sectionBody(section, 1));
}

/** The same for several sections, after the sentences of `notes`. */
export function reportPage(title: string, notes: readonly string[], sections: readonly Section[]): string {
  return htmlDocument(
    title,
    [
      `<h1>${escapeXml(title)}</h1>`,
      ...notes.map((note) => `<p>${escapeXml(note)}</p>`),
      ...sections.map((section) => sectionBody(section, 2)),
    ].join('\n'),
  );
}

/** `level` of the section's own heading. */
function sectionBody({ title, claim, found, figure, captions, tables, settings }: Section, level: 1 | 2): string {
  const heading = (text: string, below = 1) => `<h${level + below}>${escapeXml(text)}</h${level + below}>`;
  return [
    heading(title, 0),
    heading('Claim'),
    `<p>${escapeXml(claim)}</p>`,
    heading('Found'),
    list('ul', found),
    ...(figure === undefined
      ? []
      : ['<figure>', figure.trim(), `<figcaption>\n${list('ol', captions)}\n</figcaption>`, '</figure>']),
    ...tables.flatMap(({ heading: text, rows }) => [heading(text), htmlTable(rows)]),
    heading('Settings'),
    '<table>\n<tbody>',
    ...Object.entries(settings).map(
      ([name, value]) => `<tr><th scope="row">${escapeXml(name)}</th><td>${escapeXml(value)}</td></tr>`,
    ),
    '</tbody>\n</table>',
  ].join('\n');
}

/** A table whose first row holds the headings. */
export function htmlTable([head, ...rows]: readonly (readonly string[])[]): string {
  return [
    `<table>\n<thead>${cells(head, 'th')}</thead>\n<tbody>`,
    rows.map((row) => cells(row, 'td')).join('\n'),
    '</tbody>\n</table>',
  ].join('\n');
}

function list(tag: 'ol' | 'ul', items: readonly string[]): string {
  return `<${tag}>\n${items.map((item) => `<li>${escapeXml(item)}</li>`).join('\n')}\n</${tag}>`;
}

function cells(row: readonly string[], tag: 'td' | 'th'): string {
  return `<tr>${row.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
}

/** A whole page, in the style of all reports. */
export function htmlDocument(title: string, body: string): string {
  return `<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width" />
<title>${escapeXml(title)}</title>
<style>
body {
  font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 1240px; margin: 2rem auto; padding: 0 1rem;
}
p, li { max-width: 75ch; }
figure { margin: 1.5rem 0; }
figure svg { max-width: 100%; height: auto; }
figcaption { font-size: 0.9rem; }
figure img { max-width: 100%; image-rendering: pixelated; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
.figures figure { margin: 0; min-width: 0; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td {
  text-align: left; padding: 0.2rem 0.9rem 0.2rem 0; border-bottom: 1px solid #ddd;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; vertical-align: top;
}
</style>
</head>
<body>
${body}
</body>
</html>
`;
}
