import { expect, test } from 'vitest';
import { findChromium, NEEDS_CHROMIUM } from './chromium.ts';
import { learnCartPole } from './learn-cart-pole.ts';
import { bundle, bundledModules, openPage } from './page.ts';

const entry = new URL('./learn-cart-pole.ts', import.meta.url);
const STEPS = 400;

type Learned = Awaited<ReturnType<typeof learnCartPole>>;

function check({ updates, losses, returns, finite, leaked }: Learned): void {
  expect(updates).toBe((STEPS - 50) / 2);
  expect(losses).toHaveLength(updates);
  expect(losses.every(Number.isFinite)).toBe(true);
  expect(returns.length).toBeGreaterThan(3);
  expect(finite).toBe(true);
  expect(leaked).toBe(0);
}

test('what an agent needs to learn imports nothing of Node, and no code that only Node runs', async () => {
  const modules = await bundledModules(entry, [/^@tensorflow\//]); // tfjs has its own ways to run in both
  const names = modules.map((id) => id.split('?')[0].replace(/^.*(\/(src|agents|envs|node_modules)\/)/, '$1'));
  expect(names).toContain('/src/agent/value-agent.ts');
  expect(names.filter((name) => /browser-external|^node:|zeromq|msgpack|sidecar/.test(name))).toEqual([]);
  expect(names.filter((name) => /^\/src\/(cli|files|recording|datasets|supervised|report)\//.test(name))).toEqual([]);
});

test('a DQN learns op by op, without TensorFlow', async () => {
  check(await learnCartPole(STEPS));
});

test('a DQN learns CartPole in a browser', async (context) => {
  const browser = findChromium();
  if (!browser) return context.skip(NEEDS_CHROMIUM);
  const page = await openPage(browser, await bundle(entry));
  const learned = await page.evaluate<Learned>(`bundle.learnCartPole(${STEPS})`);
  check(learned);
  // The same seeds and the same arithmetic as in Node, up to rounding.
  const here = await learnCartPole(STEPS);
  expect(learned.losses[0]).toBeCloseTo(here.losses[0], 4);
  expect(page.complaints).toEqual([]);
  expect(page.requests).toEqual([page.address, `${page.address}bundle.js`]);
});
