// Okabe and Ito's colours that the colour-blind tell apart, for a light and for a dark ground; then the same, dashed.
const LIGHT = ['#0072b2', '#d55e00', '#009e73', '#b0508a', '#2a8fc7', '#b27a00', '#444444', '#7a5fd0'];
const DARK = ['#56b4e9', '#ff9a5c', '#2fd3a3', '#e8a0cb', '#9ad0f5', '#f0c052', '#d9d9d9', '#b3a1ff'];
const DASHES: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

export interface LineStyle {
  readonly colour: string;
  readonly dash: readonly number[];
}

/** Which colour whom: who is shown keeps its own while others come and go. */
export class Palette {
  private readonly slots = new Map<string, number>();

  /** Forgets all but these, and gives those that are new the first colours that are free. */
  keep(keys: readonly string[]): void {
    const wanted = new Set(keys);
    for (const key of this.slots.keys()) if (!wanted.has(key)) this.slots.delete(key);
    const taken = new Set(this.slots.values());
    let free = 0;
    for (const key of keys) {
      if (this.slots.has(key)) continue;
      while (taken.has(free)) free += 1;
      taken.add(free);
      this.slots.set(key, free);
    }
  }

  styleOf(key: string): LineStyle {
    const slot = this.slots.get(key) ?? 0;
    const colours = isDark() ? DARK : LIGHT;
    const dash = DASHES[Math.floor(slot / colours.length) % DASHES.length];
    return { colour: colours[slot % colours.length], dash };
  }
}

export const publishedStyle = (): LineStyle => ({ colour: isDark() ? '#8d8d8d' : '#8a8a8a', dash: [5, 4] });

/** Whether the page is dark: by the switch, else as the system is. */
export function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : chosen === 'dark';
}
