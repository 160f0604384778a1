// A page of a real browser that holds one bundled module of the tests.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { onTestFinished } from 'vitest';
import { complaintsOf, openBrowser } from './open-browser.ts';

export interface TestPage {
  /** Runs an expression in the page, where `bundle` holds the module's exports; waits for its promise. */
  evaluate<T>(expression: string): Promise<T>;
  /** What the page logged as a warning or error, and errors that it did not catch. */
  complaints: string[];
  /** The address of every request that left the page. */
  requests: string[];
  /** Where the page comes from, such as `http://127.0.0.1:4000/`. */
  address: string;
}

/** One file of plain JavaScript that declares `bundle`, the exports of a TypeScript module. */
export async function bundle(module: URL): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      reportCompressedSize: false,
      lib: { entry: fileURLToPath(module), formats: ['iife'], name: 'bundle' },
    },
  });
  return (built as { output: { code: string }[] }[])[0].output[0].code;
}

/** The files and packages that a bundle of a TypeScript module for browsers takes in, but for those of `external`. */
export async function bundledModules(module: URL, external: RegExp[]): Promise<string[]> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      reportCompressedSize: false,
      lib: { entry: fileURLToPath(module), formats: ['es'] },
      rollupOptions: { external },
    },
  });
  return (built as { output: { moduleIds?: string[] }[] }[])[0].output.flatMap(({ moduleIds = [] }) => moduleIds);
}

/** Opens a page with the bundle in a browser with a profile of its own. All of it is gone when the test ends. */
export async function openPage(browserFile: string, code: string): Promise<TestPage> {
  const html = '<!doctype html><link rel="icon" href="data:,"><script src="bundle.js"></script>';
  const server = createServer(({ url }, response) => {
    const [type, text] = url === '/bundle.js' ? ['text/javascript', code] : ['text/html', html];
    response.setHeader('content-type', `${type}; charset=utf-8`).end(text);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

  const { context, page } = await openBrowser(browserFile);
  const requests: string[] = [];
  // Chromium warns that reading a WebGL texture waits for it, which is what our code means to do.
  const complaints = complaintsOf(page, (message) => message.text().includes('GPU stall due to ReadPixels'));
  context.on('request', (request) => requests.push(request.url()));
  await page.goto(address);
  return { evaluate: (expression) => page.evaluate(expression), complaints, requests, address };
}
