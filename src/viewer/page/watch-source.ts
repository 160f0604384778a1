// The steps that are watched, as far as they have been asked for.
import type { Distribution, WatchedFacts, WatchedSteps, WatchPart, WatchProblem } from '../watch-api.ts';

/** Steps in a question; of those on which one may look at any time. */
const CHUNK = 50;
const PULLED = 200;
/** Pictures and the like are held up to so much; those looked at longest ago go first. */
const MOST_BYTES = 48e6;

/** What is asked for: the part of an address that says what is watched. */
export type WatchQuery = Readonly<Record<string, string>>;

/** A step with what came of it. */
export interface WatchedStep {
  readonly action: number;
  readonly reward: number;
  /** The value of each action. */
  readonly values: readonly number[];
  /** The step that its episode began with. */
  readonly start: number;
  /** The sum of the rewards of its episode up to this one, it included. */
  readonly returnSoFar: number;
  readonly observation: readonly number[] | undefined;
}

interface Chunk {
  readonly bytes: ArrayBuffer;
  /** The steps in it. */
  readonly from: number;
  readonly count: number;
}

export class WatchSource {
  facts: WatchedFacts | undefined;
  /** What went wrong, in one line. */
  problem: string | null = null;
  /** The first and the one after the last of the steps that are here. */
  oldest = 0;
  end = 0;
  private steps: WatchedStep[] = [];
  private query: WatchQuery;
  private readonly onNews: () => void;
  private readonly chunks = new Map<string, Chunk>();
  private readonly asked = new Map<string, Promise<void>>();
  private askedMs = 0;
  private isPulling = false;

  /** @param onNews Called when steps, pictures or the like have come, and when something went wrong. */
  constructor(query: WatchQuery, onNews: () => void) {
    this.query = query;
    this.onNews = onNews;
  }

  get isComplete(): boolean {
    return this.facts?.totalSteps === this.end;
  }

  at(step: number): WatchedStep | undefined {
    return this.steps[step - this.oldest];
  }

  /** All steps that are here, from `oldest` on. */
  all(): readonly WatchedStep[] {
    return this.steps;
  }

  /** Milliseconds since the server was asked for anything. */
  get quietMs(): number {
    return performance.now() - this.askedMs;
  }

  /** Asks for the steps that come next; none: only that what is watched stays. */
  async pull(count = PULLED): Promise<void> {
    if (this.isPulling) return;
    this.isPulling = true;
    const asked = this.end;
    const answer = await this.ask('steps', asked, count);
    this.isPulling = false;
    if (answer === undefined || answer instanceof ArrayBuffer) return;
    if (answer.from < asked) this.begin(answer.from); // what goes on was begun anew
    this.take(answer);
    this.onNews();
  }

  /** The picture of a step; undefined where it has not come yet, and is asked for. */
  screen(step: number): Blob | undefined {
    const chunk = this.chunk('screens', step);
    if (chunk === undefined) return undefined;
    const view = new DataView(chunk.bytes);
    let offset = 0;
    for (let i = chunk.from; i < step; i++) offset += 4 + view.getUint32(offset, true);
    return new Blob([chunk.bytes.slice(offset + 4, offset + 4 + view.getUint32(offset, true))], { type: 'image/png' });
  }

  /** What the network says of each action of a step, [actions, count]; undefined as for `screen`. */
  distributions(step: number, { count }: Exclude<Distribution, { kind: 'none' }>): Float32Array[] | undefined {
    const chunk = this.chunk('distributions', step);
    if (chunk === undefined) return undefined;
    const actions = this.facts!.actions.length;
    const own = (step - chunk.from) * actions;
    return Array.from({ length: actions }, (_, i) => new Float32Array(chunk.bytes, (own + i) * count * 4, count));
  }

  /** The gradients of a step, bytes [height, width] or a row, and what 255 stands for; undefined as for `screen`. */
  saliency(step: number): { largest: number; levels: Uint8Array } | undefined {
    const chunk = this.chunk('saliency', step);
    if (chunk === undefined) return undefined;
    const { bytes, from, count } = chunk;
    const size = bytes.byteLength / count - 4;
    return {
      largest: new Float32Array(bytes, 0, count)[step - from],
      levels: new Uint8Array(bytes, 4 * count + (step - from) * size, size),
    };
  }

  /** Asks early for what will be looked at soon. */
  expect(part: Exclude<WatchPart, 'steps'>, step: number): void {
    if (step < this.end) this.chunk(part, step);
  }

  private chunk(part: Exclude<WatchPart, 'steps'>, step: number): Chunk | undefined {
    if (step < this.oldest || step >= this.end) return undefined;
    const key = `${part} ${Math.floor(step / CHUNK)}`;
    const known = this.chunks.get(key);
    if (known !== undefined && step >= known.from && step < known.from + known.count) {
      this.chunks.delete(key);
      this.chunks.set(key, known);
      return known;
    }
    if (!this.asked.has(key)) this.asked.set(key, this.askChunk(part, key, step));
    return undefined;
  }

  private async askChunk(part: WatchPart, key: string, step: number): Promise<void> {
    const start = Math.floor(step / CHUNK) * CHUNK;
    const from = Math.max(start, this.oldest);
    const until = Math.min(start + CHUNK, this.end);
    const bytes = await this.ask(part, from, until - from);
    this.asked.delete(key);
    // Some of it may have been forgotten there meanwhile: it is asked for again, if it is still looked at.
    if (!(bytes instanceof ArrayBuffer) || bytes.byteLength === 0 || from < this.oldest) return;
    this.chunks.set(key, { bytes, from, count: until - from });
    let held = [...this.chunks.values()].reduce((sum, chunk) => sum + chunk.bytes.byteLength, 0);
    for (const [oldKey, { bytes: old }] of this.chunks) {
      if (held <= MOST_BYTES || oldKey === key) break;
      this.chunks.delete(oldKey);
      held -= old.byteLength;
    }
    this.onNews();
  }

  private async ask(part: WatchPart, from: number, count: number): Promise<WatchedSteps | ArrayBuffer | undefined> {
    this.askedMs = performance.now();
    const query = new URLSearchParams({ ...this.query, from: String(from), count: String(count) });
    try {
      const response = await fetch(`api/watch/${part}?${query}`);
      if (!response.ok) throw new Error('there is no such run or recording');
      if (!response.headers.get('content-type')?.includes('json')) return await response.arrayBuffer();
      const answer: WatchedSteps | WatchProblem = await response.json();
      if (!('problem' in answer)) return answer;
      this.problem = answer.problem;
    } catch (error) {
      this.problem = error instanceof TypeError ? 'the server does not answer' : (error as Error).message;
    }
    this.onNews();
    return undefined;
  }

  private begin(at: number): void {
    this.steps = [];
    this.chunks.clear();
    this.oldest = at;
    this.end = at;
  }

  private take({ facts, oldest, from, actions, rewards, values, starts, observations }: WatchedSteps): void {
    // A newer checkpoint is another network: what was begun with one goes on with it.
    if (facts.totalSteps !== null) this.query = { ...this.query, checkpoint: String(facts.checkpoint.step) };
    this.facts = facts;
    if (from > this.end) this.begin(from);
    for (const [i, start] of starts.entries()) {
      const before = this.steps[this.steps.length - 1];
      const reward = rewards[i];
      const returnSoFar = (before !== undefined && before.start === start ? before.returnSoFar : 0) + reward;
      const observation = observations?.[i];
      this.steps.push({ action: actions[i], reward, values: values[i], start, returnSoFar, observation });
    }
    this.end = from + starts.length;
    const gone = this.steps.splice(0, Math.max(Math.min(oldest, this.end) - this.oldest, 0)).length;
    this.oldest += gone;
  }
}
