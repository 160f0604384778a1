// Where the reader is, kept in the address: a page, and what is chosen on it. Another page is another name here and
// another entry in `pages` of main.ts.

export const AXES = ['steps', 'frames', 'minutes'] as const;
export type AxisName = (typeof AXES)[number];

export interface Place {
  readonly page: string;
  /** Ids of runs; undefined: the newest ones. */
  readonly runs: readonly string[] | undefined;
  /** Names of curves; undefined: those that matter most. */
  readonly curves: readonly string[] | undefined;
  readonly axis: AxisName;
  /** From 0, none, to below 1. */
  readonly smoothing: number;
  /** Whether runs that differ in the seed alone are one line. */
  readonly isMean: boolean;
  readonly isPublished: boolean;
  /** What is watched: a recording of the run by its file's name; else, where `isLive`, what its agent plays now. */
  readonly recording: string | undefined;
  readonly isLive: boolean;
  /** Whose network is asked: `best`, or an agent step; undefined: the newest. */
  readonly checkpoint: string | undefined;
}

/** What other pages leave out of their addresses. */
export const NOTHING_WATCHED = { recording: undefined, isLive: false, checkpoint: undefined } as const;

/** Reads the part of an address behind its #. Whatever cannot be understood is as if it were not there. */
export function readPlace(hash: string): Place {
  const [page, query = ''] = hash.replace(/^#\/?/, '').split('?');
  const values = new URLSearchParams(query);
  const smoothing = Number(values.get('smooth') ?? 0);
  const list = (key: string) => (values.has(key) ? values.getAll(key).filter((value) => value !== '') : undefined);
  return {
    page: page === '' ? 'curves' : page,
    runs: list('run'),
    curves: list('curve'),
    axis: AXES.find((axis) => axis === values.get('x')) ?? 'steps',
    smoothing: smoothing >= 0 && smoothing < 1 ? smoothing : 0,
    isMean: values.get('mean') !== 'no',
    isPublished: values.get('published') !== 'no',
    recording: values.get('recording') ?? undefined,
    isLive: values.has('live'),
    checkpoint: values.get('checkpoint') ?? undefined,
  };
}

/** The address of a place. */
export function hashOf(place: Place): string {
  const { page, runs, curves, axis, smoothing, isMean, isPublished, recording, isLive, checkpoint } = place;
  const values = new URLSearchParams();
  // An empty list is another thing than none.
  for (const run of runs?.length === 0 ? [''] : (runs ?? [])) values.append('run', run);
  for (const curve of curves?.length === 0 ? [''] : (curves ?? [])) values.append('curve', curve);
  if (axis !== 'steps') values.set('x', axis);
  if (smoothing > 0) values.set('smooth', String(smoothing));
  if (!isMean) values.set('mean', 'no');
  if (!isPublished) values.set('published', 'no');
  if (recording !== undefined) values.set('recording', recording);
  if (isLive) values.set('live', '');
  if (checkpoint !== undefined) values.set('checkpoint', checkpoint);
  const query = values.toString();
  return `#/${page}${query === '' ? '' : `?${query}`}`;
}
