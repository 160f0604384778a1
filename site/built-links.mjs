// @ts-check
// The links of a built site, each with the heading that it names.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * @param {string} folder the built site
 * @returns {{ page: string, link: string }[]} those that lead nowhere
 */
export function brokenLinks(folder) {
  const files = findPages(folder);
  const pages = new Map(files.map((file) => [`/${relative(folder, file)}`, readFileSync(file, 'utf8')]));
  const anchors = new Map([...pages].map(([page, html]) => [page, namesIn(html)]));
  return [...pages].flatMap(([page, html]) =>
    linksIn(html)
      .filter((link) => {
        const { origin, pathname, hash } = new URL(link, `http://site${page}`);
        if (origin !== 'http://site') return false;
        const path = decodeURIComponent(pathname.endsWith('/') ? `${pathname}index.html` : pathname);
        if (!existsSync(join(folder, path))) return true;
        return hash !== '' && anchors.has(path) && !anchors.get(path)?.has(decodeURIComponent(hash.slice(1)));
      })
      .map((link) => ({ page, link })),
  );
}

/** @param {string} folder @returns {string[]} */
function findPages(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return findPages(path);
    return entry.name.endsWith('.html') ? [path] : [];
  });
}

/** @param {string} html */
const linksIn = (html) => [
  ...new Set([...html.matchAll(/<(?:a|img)\b[^>]*?\s(?:href|src)="([^"]*)"/g)].map(([, link]) => characters(link))),
];

/** @param {string} html */
const namesIn = (html) => new Set([...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => characters(id)));

/** @param {string} text as an attribute of HTML has it */
function characters(text) {
  return text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&amp;', '&');
}
