import { escapeXml } from '../../src/report/line-chart.ts';

export interface ResultsPage {
  title: string;
  /** What the paper says, and where. */
  claim: string;
  /** What these runs showed, a sentence each. */
  found: readonly string[];
  /** An SVG document. */
  figure: string;
  /** One for each panel, in their order. */
  captions: readonly string[];
  /** The first row holds the headings. */
  table: readonly (readonly string[])[];
  settings: Readonly<Record<string, string>>;
}

/** One HTML file that needs no other: the figure is inline. */
export function resultsPage({ title, claim, found, figure, captions, table, settings }: ResultsPage): string {
  const [heading, ...rows] = table;
  const cells = (row: readonly string[], tag: 'td' | 'th') =>
    `<tr>${row.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
  return `<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width" />
<title>${escapeXml(title)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1240px; margin: 2rem auto; padding: 0 1rem; }
p, li { max-width: 75ch; }
figure { margin: 1.5rem 0; }
figure svg { max-width: 100%; height: auto; }
figcaption { font-size: 0.9rem; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: left; padding: 0.2rem 0.9rem 0.2rem 0; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
</style>
</head>
<body>
<h1>${escapeXml(title)}</h1>
<h2>Claim</h2>
<p>${escapeXml(claim)}</p>
<h2>Found</h2>
<ul>
${found.map((sentence) => `<li>${escapeXml(sentence)}</li>`).join('\n')}
</ul>
<figure>
${figure.trim()}
<figcaption>
<ol>
${captions.map((caption) => `<li>${escapeXml(caption)}</li>`).join('\n')}
</ol>
</figcaption>
</figure>
<h2>At the end of training</h2>
<table>
<thead>${cells(heading, 'th')}</thead>
<tbody>
${rows.map((row) => cells(row, 'td')).join('\n')}
</tbody>
</table>
<h2>Settings</h2>
<table>
<tbody>
${Object.entries(settings)
  .map(([name, value]) => `<tr><th scope="row">${escapeXml(name)}</th><td>${escapeXml(value)}</td></tr>`)
  .join('\n')}
</tbody>
</table>
</body>
</html>
`;
}
