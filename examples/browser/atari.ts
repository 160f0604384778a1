// The page: an episode that can be played, moved through and checked, and what the exported network says of each step.
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import wasmPlain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import wasmSimd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import wasmThreads from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import { type Episode, loadEpisode, statesOf } from './episode.ts';

/** States of which the network is asked at once. */
const BATCH = 32;

const find = <E extends HTMLElement>(id: string) => document.getElementById(id) as E;
const [pauseButton, rewardButton, checkButton] = ['pause', 'reward', 'check'].map((id) => find<HTMLButtonElement>(id));
const [agent, pace] = ['agent', 'pace'].map((id) => find<HTMLSelectElement>(id));
const place = find<HTMLInputElement>('place');
const canvas = find<HTMLCanvasElement>('screen');

interface Played {
  readonly episode: Episode;
  readonly model: tf.GraphModel;
  /** Frames of a state. */
  readonly stack: number;
  /** Sum of the rewards before each step. */
  readonly scores: readonly number[];
}

let played: Played | undefined;
let isPlaying = false;
let playedMs = 0;
/** Counts choices of an agent: what was begun for an older one ends. */
let generation = 0;

/** Q-values of some states, [count, actions]. */
async function valuesAt({ episode, model, stack }: Played, first: number, count: number): Promise<Float32Array[]> {
  const { height, width, actionNames } = episode;
  const values = tf.tidy(() => {
    const states = tf.tensor(statesOf(episode, first, count, stack), [count, stack, height, width]);
    return model.execute({ states }, 'q_values') as tf.Tensor2D;
  });
  const data = (await values.data()) as Float32Array;
  values.dispose();
  const size = actionNames.length;
  return Array.from({ length: count }, (_, i) => data.subarray(i * size, (i + 1) * size));
}

const greedy = (values: Float32Array) => values.indexOf(Math.max(...values));

function draw({ frames, height, width }: Episode, step: number): void {
  const context = canvas.getContext('2d')!;
  const picture = context.createImageData(width, height);
  for (const [i, grey] of frames[step].entries()) picture.data.set([grey, grey, grey, 255], 4 * i);
  context.putImageData(picture, 0, 0);
}

/** Shows the step of the slider. */
async function show(): Promise<void> {
  if (played === undefined) return;
  const { episode, scores } = played;
  const step = place.valueAsNumber;
  const mine = generation;
  draw(episode, step);
  find('step').textContent = `${(step + 1).toLocaleString('en')} of ${episode.actions.length.toLocaleString('en')}`;
  find('score').textContent = scores[step].toLocaleString('en');
  const [values] = await valuesAt(played, step, 1);
  if (mine !== generation || step !== place.valueAsNumber) return;
  const chosen = greedy(values);
  find('recorded').textContent = episode.actionNames[episode.actions[step]];
  find('chosen').textContent = episode.actionNames[chosen];
  const [low, high] = [Math.min(...values), values[chosen]];
  values.forEach((value, action) => {
    const share = high === low ? 0 : (value - low) / (high - low);
    find(`bar-${action}`).style.width = `${Math.max(1, 100 * share)}%`;
    find(`bar-${action}`).classList.toggle('other', action !== chosen);
    find(`q-${action}`).textContent = value.toFixed(3);
  });
}

function makeBars({ actionNames }: Episode): void {
  find('values').replaceChildren(
    ...actionNames.flatMap((name, action) => {
      const [label, bar, inner, output] = ['span', 'span', 'span', 'output'].map((tag) => document.createElement(tag));
      label.textContent = name;
      bar.className = 'bar';
      inner.id = `bar-${action}`;
      output.id = `q-${action}`;
      bar.append(inner);
      return [label, bar, output];
    }),
  );
}

async function load(): Promise<void> {
  const mine = ++generation;
  played?.model.dispose();
  played = undefined;
  stop();
  enable(false);
  find('status').textContent = 'Loading.';
  const folder = `./agents/${encodeURIComponent(agent.value)}`;
  const [episode, model] = await Promise.all([
    loadEpisode(`${folder}/episode.safetensors.gz`),
    tf.loadGraphModel(`${folder}/model.json`),
  ]);
  if (mine !== generation) return void model.dispose();
  const scores = [0];
  for (const reward of episode.rewards) scores.push(scores.at(-1)! + reward);
  played = { episode, model, stack: model.inputs[0].shape![1], scores };
  [canvas.width, canvas.height] = [episode.width, episode.height];
  makeBars(episode);
  [place.max, place.value] = [String(episode.actions.length - 1), '0'];
  find('status').textContent =
    `Score ${scores.at(-1)!.toLocaleString('en')} in ${episode.actions.length.toLocaleString('en')} agent steps.`;
  enable(true);
  await show();
}

function enable(isReady: boolean): void {
  for (const element of [pauseButton, rewardButton, checkButton, place]) element.disabled = !isReady;
}

function stop(): void {
  isPlaying = false;
  pauseButton.textContent = 'Play';
}

/** Compares every recorded action with the network's. */
async function check(): Promise<void> {
  if (played === undefined) return;
  const [mine, { episode }] = [generation, played];
  const total = episode.actions.length;
  let equal = 0;
  for (let first = 0; first < total; first += BATCH) {
    const rows = await valuesAt(played, first, Math.min(BATCH, total - first));
    if (mine !== generation) return;
    rows.forEach((values, i) => {
      if (greedy(values) === episode.actions[first + i]) equal++;
    });
    find('status').textContent = `Checking: ${first + rows.length} of ${total} steps.`;
    await new Promise((resolve) => setTimeout(resolve));
  }
  find('status').textContent =
    `${equal.toLocaleString('en')} of ${total.toLocaleString('en')} actions are those of the recording.`;
}

function play(nowMs: number): void {
  if (!isPlaying) return;
  requestAnimationFrame(play);
  const due = Math.floor(((nowMs - playedMs) * Number(pace.value)) / 1000);
  if (due < 1) return;
  playedMs = nowMs;
  place.valueAsNumber += due;
  if (place.value === place.max) stop();
  void show();
}

pauseButton.addEventListener('click', () => {
  if (isPlaying) return stop();
  if (place.value === place.max) place.value = '0';
  isPlaying = true;
  pauseButton.textContent = 'Pause';
  playedMs = performance.now();
  requestAnimationFrame(play);
});
rewardButton.addEventListener('click', () => {
  const next = played!.episode.rewards.findIndex((reward, step) => reward !== 0 && step > place.valueAsNumber);
  if (next < 0) return;
  place.value = String(next);
  void show();
});
checkButton.addEventListener('click', () => {
  checkButton.disabled = true;
  void check().finally(() => {
    checkButton.disabled = false;
  });
});
place.addEventListener('input', () => void show());
agent.addEventListener('change', () => void load());
find('controls').addEventListener('submit', (event) => event.preventDefault());

setWasmPaths({
  'tfjs-backend-wasm.wasm': wasmPlain,
  'tfjs-backend-wasm-simd.wasm': wasmSimd,
  'tfjs-backend-wasm-threaded-simd.wasm': wasmThreads,
});
await tf.setBackend('wasm');
const names: string[] = await (await fetch('./agents/agents.json')).json();
agent.replaceChildren(...names.map((name) => new Option(name, name)));
await load();
