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
}

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
  };
}

/** The address of a place. */
export function hashOf({ page, runs, curves, axis, smoothing, isMean, isPublished }: Place): string {
  const values = new URLSearchParams();
  // An empty list is another thing than none.
  for (const run of runs?.length === 0 ? [''] : (runs ?? [])) values.append('run', run);
  for (const curve of curves?.length === 0 ? [''] : (curves ?? [])) values.append('curve', curve);
  if (axis !== 'steps') values.set('x', axis);
  if (smoothing > 0) values.set('smooth', String(smoothing));
  if (!isMean) values.set('mean', 'no');
  if (!isPublished) values.set('published', 'no');
  const query = values.toString();
  return `#/${page}${query === '' ? '' : `?${query}`}`;
}
