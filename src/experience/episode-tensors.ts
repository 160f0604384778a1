// Logged episodes as tensors, as a checkpoint keeps them.
import { type NewTensors, StateError, type StoredTensors } from '../runs/trainable.ts';
import type { LoggedEpisode } from './episode-log.ts';

/**
 * Each lane's episodes, oldest first: `episodes/<lane>/seeds`, `firstRows`, `lengths`, `ended` with one element an
 * episode, and `actions`, all episodes' after each other.
 */
export function packEpisodes(lanes: readonly LoggedEpisode[][]): NewTensors {
  return Object.assign({}, ...lanes.map((episodes, lane) => packLane(`episodes/${lane}`, episodes)));
}

function packLane(prefix: string, episodes: LoggedEpisode[]): NewTensors {
  const perEpisode = (values: number[]) =>
    ({ dtype: 'F64', shape: [values.length], data: Float64Array.from(values) }) as const;
  const lengths = episodes.map(({ actions }) => actions.length);
  const shape = [lengths.reduce((sum, length) => sum + length, 0)];
  const actions = episodes.map((episode) => episode.actions);
  const isBytes = actions.every((array) => array instanceof Uint8Array);
  return {
    [`${prefix}/seeds`]: perEpisode(episodes.map(({ seed }) => seed)),
    [`${prefix}/firstRows`]: perEpisode(episodes.map(({ firstRow }) => firstRow)),
    [`${prefix}/lengths`]: perEpisode(lengths),
    [`${prefix}/ended`]: perEpisode(episodes.map(({ ended }) => Number(ended))),
    [`${prefix}/actions`]: isBytes
      ? { dtype: 'U8', shape, data: actions as Uint8Array[] }
      : { dtype: 'I32', shape, data: actions as Int32Array[] },
  };
}

/** The episodes of so many lanes. @throws StateError for a tensor that is missing. */
export function unpackEpisodes(tensors: StoredTensors, lanes: number): LoggedEpisode[][] {
  return Array.from({ length: lanes }, (_, lane) => unpackLane(`episodes/${lane}`, tensors));
}

function unpackLane(prefix: string, tensors: StoredTensors): LoggedEpisode[] {
  const read = (part: string) => {
    const tensor = tensors[`${prefix}/${part}`];
    if (tensor === undefined) throw new StateError(`tensor "${prefix}/${part}" is missing`);
    return tensor.data as Float64Array;
  };
  const [seeds, firstRows, lengths, ended] = ['seeds', 'firstRows', 'lengths', 'ended'].map(read);
  const actions = read('actions') as unknown as Uint8Array | Int32Array;
  let start = 0;
  return Array.from(seeds, (seed, i) => {
    const end = start + lengths[i];
    const episode = { seed, firstRow: firstRows[i], ended: ended[i] === 1, actions: actions.subarray(start, end) };
    start = end;
    return episode;
  });
}
