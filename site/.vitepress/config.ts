// The site over docs/*.md and docs/api, which typedoc writes. It asks nobody but its own server for anything.
import { defineConfig } from 'vitepress';
import { repositoryLinks, slugify } from '../repository-links.mjs';
import { pages } from '../sidebar.mjs';

export default defineConfig({
  title: 'weightnorm-rl',
  description: 'Weight-normalised deep Q-learning for TypeScript, on real Atari games',
  lang: 'en-GB',
  srcDir: '../docs',
  outDir: '../dist-docs',
  // A file of the repository is no page: repositoryLinks turns a link to it into text.
  ignoreDeadLinks: false,
  // Without one, browsers ask for /favicon.ico.
  head: [['link', { rel: 'icon', href: 'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg"/>' }]],
  markdown: {
    config: repositoryLinks,
    // Headings have the names that links to them have elsewhere: those of GitHub.
    anchor: { slugify },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark' },
  },
  // The index for searching and the pages of the reference are large, and loaded when they are asked for.
  vite: { build: { chunkSizeWarningLimit: 4000 } },
  themeConfig: {
    nav: [
      { text: 'Tutorial', link: '/tutorial' },
      { text: 'How-to', link: '/own-environment' },
      { text: 'Agents', link: '/dqn' },
      { text: 'Weight normalisation', link: '/weight-normalization' },
      { text: 'API', link: '/api/weightnorm-rl' },
    ],
    sidebar: pages,
    outline: [2, 3],
    search: { provider: 'local' },
    externalLinkIcon: true,
  },
});
