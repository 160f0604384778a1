// The game's screen, and over it where the network looks.
import type { WatchedFacts } from '../watch-api.ts';
import { make } from './dom.ts';
import { visible } from './format.ts';

const MOST_CONSOLE_PIXELS = 320;

export class WatchScreen {
  readonly element: HTMLElement;
  private readonly screen = make('canvas', { className: 'screen', role: 'img' });
  private readonly overlay = make('canvas', { className: 'overlay', ariaHidden: 'true' });
  private readonly box = make('div', { className: 'screen-box' }, this.screen, this.overlay);
  private readonly none = make('p', { className: 'empty' });
  /** What was asked to be drawn last: pictures may come in another order. */
  private wanted = -1;

  constructor() {
    this.element = make('div', {}, this.box, this.none);
  }

  begin({ screen, noScreen, sight, environment }: WatchedFacts): void {
    this.wanted = -1;
    this.none.textContent = noScreen === null ? '' : `No screen: ${visible(noScreen)}`;
    this.none.hidden = noScreen === null;
    this.box.hidden = screen === null;
    if (screen === null) return;
    this.screen.ariaLabel = `screen of ${environment}`;
    Object.assign(this.screen, { height: screen.height, width: screen.width });
    // A console's pixels are to be seen as they are; thin lines of a large picture would be lost so.
    this.screen.style.imageRendering = screen.width < MOST_CONSOLE_PIXELS ? 'pixelated' : 'auto';
    this.box.style.aspectRatio = String((screen.width * screen.pixelAspect) / screen.height);
    if (sight !== null) Object.assign(this.overlay, { height: sight.height, width: sight.width });
  }

  /** Shows the picture of a step. What has not come yet leaves the one before, which is dimmed. */
  async draw(step: number, picture: () => Blob | undefined): Promise<void> {
    if (this.wanted === step) return;
    const found = picture();
    this.box.classList.toggle('is-late', found === undefined);
    if (found === undefined) return;
    this.wanted = step;
    const bitmap = await createImageBitmap(found);
    if (this.wanted === step) {
      this.screen.getContext('2d')!.drawImage(bitmap, 0, 0);
      this.screen.dataset.step = String(step);
    }
    bitmap.close();
  }

  /** Shows gradients, 255 the largest; nothing where there are none. */
  drawOverlay(levels: Uint8Array | undefined): void {
    const { height, width } = this.overlay;
    const context = this.overlay.getContext('2d')!;
    this.overlay.hidden = levels === undefined;
    if (levels === undefined || levels.length !== height * width) return;
    const image = context.createImageData(width, height);
    for (let i = 0; i < levels.length; i++) {
      const share = levels[i] / 255;
      // From red to yellow, and the more of it the larger the gradient.
      image.data.set([255, 255 * share, 40, 255 * Math.min(1.2 * share ** 0.7, 0.95)], 4 * i);
    }
    context.putImageData(image, 0, 0);
  }
}
