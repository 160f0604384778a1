/** What is used of the package, which has no types. */
declare module 'gifenc' {
  /** Red, green and blue, 0-255. */
  export type Colour = [number, number, number];

  export interface FrameOptions {
    /** The colours: those of the first frame serve all frames that bring none of their own. */
    palette?: Colour[];
    /** How long the frame stands, in milliseconds. */
    delay: number;
  }

  /** @param rgba Four bytes a pixel, a whole buffer of its own. */
  export function quantize(rgba: Uint8Array, maxColors: number): Colour[];
  export function applyPalette(rgba: Uint8Array, palette: Colour[]): Uint8Array;
  /** The animation loops for ever. */
  export function GIFEncoder(): {
    writeFrame(index: Uint8Array, width: number, height: number, options: FrameOptions): void;
    finish(): void;
    bytes(): Uint8Array;
  };
}
