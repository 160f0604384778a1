// The keys of the page on which an agent is watched.
import { make, table } from './dom.ts';
import type { WatchPlayer } from './watch-player.ts';

const MANY_STEPS = 50;

interface Key {
  /** As the event calls it, with `Shift+` before it. */
  readonly names: readonly string[];
  readonly shown: string;
  readonly does: string;
  readonly act: (player: WatchPlayer, saliency: HTMLInputElement) => void;
}

const KEYS: readonly Key[] = [
  { names: [' ', 'k'], shown: 'Space', does: 'play or pause', act: (player) => player.toggle() },
  { names: ['ArrowRight'], shown: '→', does: 'one step on', act: (player) => player.seekBy(1) },
  { names: ['ArrowLeft'], shown: '←', does: 'one step back', act: (player) => player.seekBy(-1) },
  { names: ['Shift+ArrowRight'], shown: 'Shift →', does: 'next reward', act: (player) => player.toReward(1) },
  { names: ['Shift+ArrowLeft'], shown: 'Shift ←', does: 'previous reward', act: (player) => player.toReward(-1) },
  { names: ['PageDown'], shown: 'Page down', does: '50 steps on', act: (player) => player.seekBy(MANY_STEPS) },
  { names: ['PageUp'], shown: 'Page up', does: '50 steps back', act: (player) => player.seekBy(-MANY_STEPS) },
  { names: ['Home'], shown: 'Home', does: 'first step', act: (player) => player.seekBy(-Infinity) },
  { names: ['End'], shown: 'End', does: 'last step', act: (player) => player.seekBy(Infinity) },
  { names: ['ArrowUp', '+'], shown: '↑', does: 'faster', act: (player) => player.changeSpeed(1) },
  { names: ['ArrowDown', '-'], shown: '↓', does: 'slower', act: (player) => player.changeSpeed(-1) },
  { names: ['s'], shown: 'S', does: 'where the network looks', act: (_, saliency) => saliency.click() },
];

/** What takes these keys for itself: text that is written, lists, and whatever is pressed by the space bar. */
const TAKES_ALL = 'select, textarea, input:not([type="range"]):not([type="checkbox"])';
const TAKES_SPACE = 'button, summary, a, input[type="checkbox"]';

/** Heeds the keys while the element is in the page. */
export function listenToKeys(element: HTMLElement, player: WatchPlayer, saliency: HTMLInputElement): void {
  document.addEventListener('keydown', (event) => {
    const { target, ctrlKey, altKey, metaKey, shiftKey, key: name } = event;
    if (!element.isConnected || ctrlKey || altKey || metaKey || !(target instanceof Element)) return;
    if (target.closest(TAKES_ALL) !== null || (name === ' ' && target.closest(TAKES_SPACE) !== null)) return;
    const pressed = shiftKey && name.startsWith('Arrow') ? `Shift+${name}` : name;
    const key = KEYS.find(({ names }) => names.includes(pressed));
    if (key === undefined) return;
    event.preventDefault();
    key.act(player, saliency);
  });
}

export function keyTable(): HTMLTableElement {
  return table(
    ['key', 'what it does'],
    KEYS.map(({ shown, does }) => [make('kbd', {}, shown), does]),
  );
}
