// What the server has told so far, asked anew every few seconds.
import type { PublishedCurve } from '../../comparison/published-curves.ts';
import type { CurveColumns } from '../../runs/curve.ts';
import type { RunCurves, RunDetails, RunList, RunRow } from '../api.ts';

const AT_ONCE = 4;

interface KnownCurves {
  version: string;
  names: readonly string[];
  damage: string | null;
  points: Map<string, CurveColumns>;
}

export class Store {
  list: RunList = { folder: '', runs: [], note: null };
  private readonly curves = new Map<string, KnownCurves>();
  private readonly details = new Map<string, { version: string; value: RunDetails }>();
  private readonly published = new Map<string, readonly PublishedCurve[]>();

  run(id: string): RunRow | undefined {
    return this.list.runs.find((run) => run.id === id);
  }

  /** @returns Whether the list has changed. */
  async refreshList(): Promise<boolean> {
    const list = await ask<RunList>('api/runs');
    const hasChanged = JSON.stringify(list) !== JSON.stringify(this.list);
    this.list = list;
    return hasChanged;
  }

  /** Asks for what is not known of these curves of these runs; `onNews` is called as answers come. */
  async refreshCurves(runs: readonly RunRow[], wanted: readonly string[], onNews: () => void): Promise<void> {
    const missing = runs.filter(({ id, version }) => {
      const known = this.curves.get(id);
      return known?.version !== version || wanted.some((name) => known.names.includes(name) && !known.points.has(name));
    });
    const next = async (): Promise<void> => {
      const run = missing.shift();
      if (run === undefined) return;
      const query = [['run', run.id], ...wanted.map((name) => ['curve', name])];
      const { names, damage, curves } = await ask<RunCurves>(`api/curves?${new URLSearchParams(query)}`);
      this.curves.set(run.id, { version: run.version, names, damage, points: new Map(curves) });
      onNews();
      await next();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
  }

  points(id: string, curve: string): CurveColumns | undefined {
    return this.curves.get(id)?.points.get(curve);
  }

  damageOf(id: string): string | null {
    return this.curves.get(id)?.damage ?? null;
  }

  /** The curves that at least one of these runs has. */
  namesOf(ids: readonly string[]): string[] {
    return [...new Set(ids.flatMap((id) => this.curves.get(id)?.names ?? []))].sort();
  }

  async detailsOf({ id, version, state }: RunRow): Promise<RunDetails> {
    const known = this.details.get(id);
    const key = `${version} ${state}`;
    if (known?.version === key) return known.value;
    const value = await ask<RunDetails>(`api/run?${new URLSearchParams({ run: id })}`);
    this.details.set(id, { version: key, value });
    return value;
  }

  /** What `publishedFor` has found. */
  knownPublished(environment: string): readonly PublishedCurve[] {
    return this.published.get(environment) ?? [];
  }

  async publishedFor(environment: string): Promise<readonly PublishedCurve[]> {
    const known = this.published.get(environment);
    if (known !== undefined) return known;
    const value = await ask<PublishedCurve[]>(`api/published?${new URLSearchParams({ environment })}`);
    this.published.set(environment, value);
    return value;
  }
}

async function ask<T>(address: string): Promise<T> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.json();
}
