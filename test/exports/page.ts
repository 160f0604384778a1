// A page with tfjs as it comes from its package and nothing else, that loads exported agents.
import { once } from 'node:events';
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { complaintsOf, openBrowser } from '../browser/open-browser.ts';
import { mainRoot } from '../processes.ts';

const TFJS = join(mainRoot, 'node_modules/@tensorflow/tfjs/dist/tf.min.js');
const HTML = '<!doctype html><link rel="icon" href="data:,"><script src="/tf.min.js"></script>';

/** Opens the page over a folder with exports. */
export async function openExports(browserFile: string, folder: string) {
  const server = createServer(({ url = '/' }, response) => {
    const file = url === '/tf.min.js' ? TFJS : join(folder, decodeURIComponent(url));
    if (url === '/') response.setHeader('content-type', 'text/html').end(HTML);
    else if (existsSync(file)) createReadStream(file).pipe(response);
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');

  const { page } = await openBrowser(browserFile);
  const complaints = complaintsOf(page);
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return {
    complaints,
    /** What an exported agent says of states. */
    async qValues(address: string, states: readonly number[], shape: readonly number[]): Promise<number[]> {
      const question = JSON.stringify({ address, states, shape });
      return page.evaluate(`(async ({ address, states, shape }) => {
        await tf.setBackend('cpu');
        const model = await tf.loadGraphModel(address);
        const values = tf.tidy(() => model.execute({ states: tf.tensor(states, shape) }, 'q_values').dataSync());
        model.dispose();
        return [...values];
      })(${question})`);
    },
  };
}
