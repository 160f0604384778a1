// @ts-check
// Pages link to files of the repository, which the site does not have: such a link becomes its text, unless a page of
// the site holds the file.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const docs = join(root, 'docs');

/** @type {Record<string, string>} Files outside of docs, and the page that tells what they tell. */
const pageOf = { 'README.md': '/tutorial', 'envs/README.md': '/vector-env' };
for (const name of readdirSync(docs).filter((file) => file.endsWith('.md'))) {
  for (const [, file] of readFileSync(join(docs, name), 'utf8').matchAll(/^<<< \.\.\/(\S+?)(?:[#{].*)?$/gm)) {
    pageOf[file] ??= `/${name.replace('.md', '')}`;
  }
}

/**
 * Where a link of a page leads on the site.
 * @param {string} href as the page has it
 * @param {string} page the page's file
 * @returns {string | undefined} a page's address; undefined where the site does not have what it leads to
 */
export function siteAddress(href, page) {
  if (/^([a-z]+:|#|\/)/.test(href)) return href;
  const [path] = href.split('#');
  const target = resolve(dirname(page), path);
  const inDocs = relative(docs, target);
  if (!inDocs.startsWith('..') && /\.(md|html|png|svg)$/.test(path)) return href;
  if (inDocs.startsWith('api/') || relative(docs, page).startsWith('api/')) return href;
  const other = pageOf[relative(root, target)];
  return other === `/${inDocsOf(page)}` ? undefined : other;
}

/** @param {string} page a page's file @returns {string} its name on the site */
const inDocsOf = (page) => relative(docs, page).replace('.md', '');

/** @param {import('vitepress').MarkdownRenderer} markdown */
export function repositoryLinks(markdown) {
  markdown.core.ruler.push('repository-links', ({ tokens, env }) => {
    for (const { children } of tokens) {
      let leavesSite = false;
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const address = siteAddress(String(token.attrGet('href')), env.path);
          leavesSite = address === undefined;
          if (address !== undefined) token.attrSet('href', address);
        }
        if (!leavesSite) continue;
        if (token.type === 'link_open' || token.type === 'link_close') {
          leavesSite = token.type === 'link_open';
          // An empty text: the renderer has nothing to say of it.
          Object.assign(token, { type: 'text', tag: '', nesting: 0, content: '' });
        }
      }
    }
  });
}

/**
 * The name by which a link reaches a heading: GitHub's, so that links of the pages hold there too.
 * @param {string} heading
 */
export function slugify(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}
