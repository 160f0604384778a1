// @ts-check
// `npm run docs`: the documentation site, built into dist-docs, from docs/ and the docstrings of the public entries.

import { existsSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const site = join(root, 'site');
const built = join(root, 'dist-docs');

const help = `Usage: npm run docs [-- OPTIONS]

Builds the documentation site into dist-docs: the pages of docs/, and the API reference from docstrings. A public name
without a docstring, or a link that leads nowhere, is an error.

Options:
  --serve        then show it on this machine alone, until Ctrl-C
  --port NUMBER  with --serve: where, from 1 to 65535 (default: a port that is free)
  --help         show this text
`;

const { serve, port } = readOptions();
if (!existsSync(join(root, 'node_modules/vitepress'))) fail('The npm packages are missing: run "npm run setup".', 2);
await writeReference();
await buildSite();
await checkBuiltLinks();
process.stdout.write(`The site is in ${built}\n`);
if (serve) await show();

/** docs/api, one page for each entry of the packages. */
async function writeReference() {
  const { Application, TSConfigReader, TypeDocReader } = await import('typedoc');
  const readers = [new TypeDocReader(), new TSConfigReader()];
  const app = await Application.bootstrapWithPlugins({ options: join(site, 'typedoc.json') }, readers);
  const project = await app.convert();
  if (project) app.validate(project);
  const complaints = () => app.logger.hasErrors() || app.logger.hasWarnings();
  if (project && !complaints()) {
    rmSync(join(root, 'docs/api'), { recursive: true, force: true });
    await app.generateOutputs(project);
  }
  if (!project || complaints()) fail('The API reference is not whole: mend the docstrings that are named above.', 1);
}

async function buildSite() {
  const { build } = await import('vitepress');
  try {
    await build(site);
  } catch (error) {
    fail(`The site could not be built: ${/** @type {Error} */ (error).message}`, 1);
  }
}

/** VitePress looks for pages; this looks for the headings too. */
async function checkBuiltLinks() {
  const { brokenLinks } = await import('./built-links.mjs');
  const broken = brokenLinks(built);
  for (const { page, link } of broken) process.stderr.write(`${page}: ${link} leads nowhere\n`);
  if (broken.length > 0) fail(`Dead links: ${broken.length}. Mend those that are named above.`, 1);
}

async function show() {
  const { default: sirv } = await import('sirv');
  const server = createServer(sirv(built, { etag: true }));
  server.on('error', (error) => fail(`--port ${port}: ${error.message}; name another one, or none`, 2));
  await new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  process.stdout.write(`It can be seen at http://127.0.0.1:${address.port}/ (Ctrl-C ends this).\n`);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      server.close();
      server.closeAllConnections();
    });
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: { serve: { type: 'boolean' }, port: { type: 'string' }, help: { type: 'boolean' } },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    if (values.port !== undefined && !values.serve) throw new Error('--port goes with --serve');
    const number = Number(values.port ?? 0);
    if (values.port !== undefined && !(Number.isInteger(number) && number >= 1 && number <= 65_535)) {
      throw new Error(`--port ${values.port}: it must be a whole number from 1 to 65535`);
    }
    return { serve: values.serve === true, port: number };
  } catch (error) {
    fail(`${/** @type {Error} */ (error).message.split('. ')[0]}: see "npm run docs -- --help".`, 2);
  }
}

/** @param {string} message @param {number} exitCode @returns {never} */
function fail(message, exitCode) {
  process.stderr.write(`${message}\n`);
  process.exit(exitCode);
}
