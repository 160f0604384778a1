// The few protocol buffers of TensorBoard that are needed here, as bytes.

/** A field whose content has a length: text, bytes, or a message. */
function field(number: number, content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content as Uint8Array);
  return Buffer.concat([Buffer.from([number * 8 + 2, ...varint(bytes.length)]), bytes]);
}

function doubleField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(9, number * 8 + 1);
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

/** A whole number in groups of 7 bits, the lowest first; the highest bit says that more follow. */
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

/** `SummaryMetadata { plugin_data { plugin_name, content } }` of tensorflow/core/framework/summary.proto. */
export function summaryMetadata(
  plugin: 'scalars' | 'images' | 'histograms' | 'hparams',
  content?: Uint8Array,
): Uint8Array {
  return field(1, Buffer.concat([field(1, plugin), ...(content ? [field(2, content)] : [])]));
}

/**
 * `HParamsPluginData { session_start_info { hparams, start_time_secs } }` of
 * tensorboard/plugins/hparams/plugin_data.proto: with what settings a run began. Lists are given as text, what is null
 * is left out.
 */
export function sessionStart(settings: Readonly<Record<string, unknown>>, startSeconds: number): Uint8Array {
  const entries = Object.entries(settings)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => field(1, Buffer.concat([field(1, name), field(2, valueMessage(value))])));
  return field(3, Buffer.concat([...entries, doubleField(5, startSeconds)]));
}

/** `google.protobuf.Value`. */
function valueMessage(value: unknown): Buffer {
  if (typeof value === 'number') return doubleField(2, value);
  if (typeof value === 'boolean') return Buffer.from([4 * 8, Number(value)]);
  return field(3, typeof value === 'string' ? value : JSON.stringify(value));
}
