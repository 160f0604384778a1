// The page: learns in short slices between two pictures, and shows what is learned.
import { createChart } from './chart.ts';
import { drawCart } from './draw-cart.ts';
import { beginLearning, LEARNED, type Learning, MOST_STEPS, type Normalization } from './learning.ts';

/** Milliseconds between two pictures, and between two drawings of the chart: more of them slow learning down. */
const PICTURE_MS = 40;
const CHART_MS = 500;
/** Milliseconds of learning between two looks at what the user does. */
const SLICE_MS = 12;
/** The game's own pace. */
const REAL_TIME_STEPS_PER_SECOND = 50;

const find = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;
const pauseButton = find<HTMLButtonElement>('pause');
const normalization = find<HTMLSelectElement>('normalization');
const seed = find<HTMLInputElement>('seed');
const realTime = find<HTMLInputElement>('real-time');
const canvas = find<HTMLCanvasElement>('cart');
const chart = createChart(find('chart'));

let learning: Learning | undefined;
let network: Normalization = 'weight';
let isRunning = false;
let shownEpisodes = 0;
let learnedAt: number | undefined;
/** The loop that learns, which ends where it was paused or another run was begun. */
let underWay = Promise.resolve();
/** When pictures and chart were drawn last. */
let [shownMs, chartMs] = [0, 0];
/** Counts begun runs: a slice of an older one ends. */
let generation = 0;

/** Gives the page a turn, without the wait that timers have. */
const channel = new MessageChannel();
let goOn = () => {};
channel.port1.onmessage = () => goOn();
function turn(): Promise<void> {
  return new Promise((resolve) => {
    goOn = resolve;
    channel.port2.postMessage(null);
  });
}

/** Learns until paused, begun anew or at its end. */
async function learn(run: Learning, mine: number): Promise<void> {
  let due = performance.now();
  let paceFrom = { ms: performance.now(), steps: run.steps };
  while (isRunning && mine === generation && run.steps < MOST_STEPS) {
    const sliceEnd = performance.now() + SLICE_MS;
    while (performance.now() < sliceEnd && run.steps < MOST_STEPS && isRunning) {
      if (realTime.checked) {
        if (performance.now() < due) break;
        due = Math.max(due, performance.now() - SLICE_MS) + 1000 / REAL_TIME_STEPS_PER_SECOND;
      }
      await run.step();
      noteEpisodes(run);
    }
    const elapsed = performance.now() - paceFrom.ms;
    if (elapsed > 1000) {
      find('pace').textContent = String(Math.round((1000 * (run.steps - paceFrom.steps)) / elapsed));
      paceFrom = { ms: performance.now(), steps: run.steps };
    }
    await turn();
  }
  if (mine !== generation) return;
  isRunning = false;
  chart.draw();
  showState();
}

function noteEpisodes({ returns, mean, steps }: Learning): void {
  if (returns.length === shownEpisodes) return;
  shownEpisodes = returns.length;
  if (mean === undefined) return;
  chart.add(network, steps, mean);
  if (mean >= LEARNED.mean) learnedAt ??= steps;
  showState();
}

function showState(): void {
  const ended = (learning?.steps ?? 0) >= MOST_STEPS;
  pauseButton.textContent = isRunning ? 'Pause' : learning && learning.steps > 0 ? 'Go on' : 'Start';
  pauseButton.disabled = ended;
  const what = ended ? 'Ended.' : isRunning ? 'Learning.' : learning && learning.steps > 0 ? 'Paused.' : 'Ready.';
  const learned =
    learnedAt === undefined
      ? ''
      : ` Learned after ${learnedAt.toLocaleString('en')} steps: mean ${LEARNED.mean} reached.`;
  const text = what + learned;
  if (find('status').textContent !== text) find('status').textContent = text;
}

/** Shows the numbers and pictures that change with every step. */
function show(nowMs: number): void {
  requestAnimationFrame(show);
  if (learning === undefined || nowMs - shownMs < PICTURE_MS) return;
  shownMs = nowMs;
  drawCart(canvas, learning.state);
  if (!isRunning) return;
  find('steps').textContent = learning.steps.toLocaleString('en');
  find('episodes').textContent = String(learning.returns.length);
  find('mean').textContent = learning.mean?.toFixed(1) ?? '-';
  find('epsilon').textContent = `${Math.round(100 * learning.epsilon)} %`;
  if (nowMs - chartMs > CHART_MS) {
    chartMs = nowMs;
    chart.draw();
  }
  const values = learning.qValues();
  const top = Math.max(1, ...values);
  values.forEach((value, action) => {
    find(`bar-${action}`).style.width = `${(100 * Math.max(0, value)) / top}%`;
    find(`q-${action}`).textContent = value.toFixed(2);
  });
}

/** Replaces what was learned by a new beginning with the settings of the page. */
async function begin(): Promise<void> {
  if (!seed.reportValidity()) return;
  const mine = ++generation;
  const before = learning;
  learning = undefined;
  isRunning = false;
  await underWay; // a step of it may be
  await before?.dispose();
  network = normalization.value as Normalization;
  const begun = await beginLearning(seed.valueAsNumber, network);
  if (mine !== generation) return void begun.dispose();
  learning = begun;
  learnedAt = undefined;
  shownEpisodes = 0;
  chart.begin(network);
  chart.draw();
  for (const id of ['steps', 'episodes']) find(id).textContent = '0';
  for (const id of ['mean', 'pace', 'q-0', 'q-1']) find(id).textContent = '-';
  for (const id of ['bar-0', 'bar-1']) find(id).style.width = '0';
  find('epsilon').textContent = '100 %';
  showState();
}

pauseButton.addEventListener('click', () => {
  if (learning === undefined) return;
  isRunning = !isRunning;
  showState();
  const [run, mine] = [learning, generation];
  // One loop at a time: where the last has not noticed the pause, it goes on.
  if (isRunning) underWay = underWay.then(() => learn(run, mine));
});
find('restart').addEventListener('click', begin);
normalization.addEventListener('change', begin);
seed.addEventListener('change', begin);
find('controls').addEventListener('submit', (event) => event.preventDefault());

await begin();
requestAnimationFrame(show);
