import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { openOrdinaryFile } from '../files/inside.ts';
import { Curve } from './curve.ts';
import { parseEventLine, type RunEvent, scalarsOf } from './events.ts';

/** Some thousand lines: what is read at once keeps whoever else waits for some milliseconds. */
const CHUNK_BYTES = 1 << 18;
/** A line of ours has a few hundred bytes; what has no end is no line. */
const LONGEST_LINE_BYTES = 1 << 20;
/** Enough of what was read to know the file again: lines carry times to the nanosecond. */
const REMEMBERED_BYTES = 256;
/** A network has some dozens of layers with a few numbers each. */
const MOST_CURVES = 2000;

/**
 * The curves in a `metrics.jsonl` that may be growing: each `update` reads only what is new. Where a resumed run has
 * cut lines off and written them again, it begins anew. Lines that are no events are counted and passed over.
 */
export class MetricsFollower {
  private readonly path: string;
  private curves = new Map<string, Curve>();
  private newestByKind = new Map<RunEvent['kind'], RunEvent>();
  private newestEvent: RunEvent | undefined;
  private problem: { lines: number; first: string } | undefined;
  private wallSeconds: number | null = null;
  private lines = 0;
  private offset = 0;
  private remembered = Buffer.alloc(0);
  private inode: number | undefined;
  private updating: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  /** Names of curves as `scalarsOf` gives them, sorted. */
  get names(): string[] {
    return [...this.curves.keys()].sort();
  }

  curve(name: string): Curve | undefined {
    return this.curves.get(name);
  }

  /** The newest event that is whole. */
  get newest(): RunEvent | undefined {
    return this.newestEvent;
  }

  newestOf(kind: RunEvent['kind']): RunEvent | undefined {
    return this.newestByKind.get(kind);
  }

  /** What is wrong with the file in one sentence, or undefined. */
  get damage(): string | undefined {
    if (this.problem === undefined) return undefined;
    const { lines, first } = this.problem;
    return `${lines} ${lines === 1 ? 'line' : 'lines'} of metrics.jsonl cannot be read: ${first}`;
  }

  /** Reads what has come since; the end of a line that is being written is waited for. */
  update(): Promise<void> {
    this.updating = this.updating.catch(() => {}).then(() => this.readNew());
    return this.updating;
  }

  private async readNew(): Promise<void> {
    const file = await openOrdinaryFile(this.path);
    if (file === undefined) {
      this.beginAnew(undefined);
      return;
    }
    try {
      const { size, ino } = await file.stat();
      if (ino !== this.inode || size < this.offset || !(await this.isAsRemembered(file))) this.beginAnew(ino);
      await this.readLines(file, size);
    } finally {
      await file.close();
    }
  }

  private beginAnew(inode: number | undefined): void {
    this.curves = new Map();
    this.newestByKind = new Map();
    this.newestEvent = undefined;
    this.problem = undefined;
    this.wallSeconds = null;
    this.lines = 0;
    this.offset = 0;
    this.remembered = Buffer.alloc(0);
    this.inode = inode;
  }

  private async isAsRemembered(file: FileHandle): Promise<boolean> {
    const { length } = this.remembered;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, this.offset - length);
    return bytesRead === length && buffer.equals(this.remembered);
  }

  private async readLines(file: FileHandle, size: number): Promise<void> {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let rest = Buffer.alloc(0);
    let isTooLong = false;
    for (let at = this.offset; at < size; ) {
      const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK_BYTES, size - at), at);
      if (bytesRead === 0) break;
      at += bytesRead;
      const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
        if (!isTooLong) this.take(bytes.toString('utf8', start, end));
        isTooLong = false;
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (start > 0) {
        this.offset = at - rest.length;
        this.remembered = Buffer.from(bytes.subarray(Math.max(0, start - REMEMBERED_BYTES), start));
      }
      if (rest.length > LONGEST_LINE_BYTES) {
        if (!isTooLong) this.complain(this.lines + 1, `it has more than ${LONGEST_LINE_BYTES} bytes`);
        isTooLong = true;
        rest = Buffer.alloc(0);
        this.offset = at;
        this.remembered = Buffer.alloc(0);
      }
      await setImmediate();
    }
  }

  private take(line: string): void {
    this.lines += 1;
    let event: RunEvent;
    try {
      event = parseEventLine(line);
    } catch (error) {
      this.complain(this.lines, (error as Error).message);
      return;
    }
    this.newestEvent = event;
    this.newestByKind.set(event.kind, event);
    // Episodes of version 0.1.0 do not say when they ended: the time of the line before them is near enough.
    this.wallSeconds = event.wallSeconds ?? this.wallSeconds;
    for (const [name, value] of scalarsOf(event)) {
      let curve = this.curves.get(name);
      if (curve === undefined) {
        if (this.curves.size >= MOST_CURVES) continue;
        curve = new Curve();
        this.curves.set(name, curve);
      }
      curve.add(event.position, this.wallSeconds, value);
    }
  }

  private complain(line: number, reason: string): void {
    this.problem ??= { lines: 0, first: `line ${line}: ${reason.slice(0, 200)}` };
    this.problem.lines += 1;
  }
}
