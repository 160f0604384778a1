// An episode as `replay-episode --observations FILE.safetensors.gz` writes it.

export interface Episode {
  /** What the agent saw before each action: bytes of [height, width] grey pixels, and one more after the last. */
  readonly frames: readonly Uint8Array[];
  readonly height: number;
  readonly width: number;
  readonly actions: Int32Array;
  /** Not clipped. */
  readonly rewards: Float64Array;
  readonly actionNames: readonly string[];
}

interface Entry {
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** @throws Error where the address gives no such file. */
export async function loadEpisode(address: string): Promise<Episode> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  const compressed = await response.arrayBuffer();
  // Some servers say that the file is compressed, and the browser has opened it then.
  const isOpen = new DataView(compressed).getUint16(0) !== 0x1f8b;
  const bytes = isOpen ? compressed : await new Response(unzip(compressed)).arrayBuffer();
  const headerEnd = 8 + Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.slice(8, headerEnd)));
  const part = (name: string): ArrayBuffer => {
    const [begin, end] = (header[name] as Entry).data_offsets;
    return bytes.slice(headerEnd + begin, headerEnd + end);
  };
  const { shape } = header.observations as Entry; // [steps + 1, 1, height, width]
  const [count, [height, width]] = [shape[0], shape.slice(-2)];
  const pixels = new Uint8Array(part('observations'));
  return {
    frames: Array.from({ length: count }, (_, i) => pixels.subarray(i * height * width, (i + 1) * height * width)),
    height,
    width,
    actions: new Int32Array(part('actions')),
    rewards: new Float64Array(part('rewards')),
    actionNames: JSON.parse(header.__metadata__.actionMeanings),
  };
}

function unzip(compressed: ArrayBuffer): ReadableStream {
  return new Blob([compressed]).stream().pipeThrough(new DecompressionStream('gzip'));
}

/** States of so many frames before the actions from `first` on, oldest frame first, with zeros before the episode. */
export function statesOf(
  { frames, height, width }: Episode,
  first: number,
  count: number,
  stack: number,
): Float32Array {
  const size = height * width;
  const states = new Float32Array(count * stack * size);
  for (let i = 0; i < count * stack; i++) {
    const frame = first + Math.floor(i / stack) - stack + 1 + (i % stack);
    if (frame >= 0) states.set(frames[frame], i * size);
  }
  return states;
}
