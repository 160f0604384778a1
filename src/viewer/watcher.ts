import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageFolder } from '../files/package-folder.ts';
import { killGroup, startChild } from '../jobs/child-process.ts';
import type { WatchAnswer, WatchRequest } from './watch-api.ts';

/** Where nobody has watched for so long, the process ends: TensorFlow and emulators take some hundred megabytes. */
const IDLE_MS = 60_000;
/** More than pages ask at once. */
const MOST_WAITING = 100;

export interface WatcherOptions {
  /** Whether Python modules that runs name as their environments may be imported. */
  readonly trustModules?: boolean | undefined;
  readonly idleMs?: number | undefined;
}

type Child = ReturnType<typeof startChild>;

/**
 * Asks a process of its own, in which TensorFlow and the emulators run. It is started with the first question, answers
 * one after the other, and ends where nothing has been asked for a while.
 */
export class Watcher {
  private readonly options: WatcherOptions;
  private readonly waiting = new Map<number, (answer: WatchAnswer) => void>();
  private child: Child | undefined;
  private idle: NodeJS.Timeout | undefined;
  private asked = 0;

  constructor(options: WatcherOptions = {}) {
    this.options = options;
  }

  /** Never rejects: what goes wrong is an answer too. */
  async ask(request: WatchRequest): Promise<WatchAnswer> {
    if (this.waiting.size >= MOST_WAITING) return { problem: 'too much is being watched at once: close some pages' };
    clearTimeout(this.idle);
    this.child ??= this.start();
    const { child } = this;
    const id = this.asked++;
    const answer = await new Promise<WatchAnswer>((resolve) => {
      this.waiting.set(id, resolve);
      child.send({ id, request }, (error) => {
        // Where it has ended, `close` answers, with its last words.
        if (error && child.pid === undefined) this.answer(id, { problem: error.message });
      });
    });
    if (this.waiting.size === 0) {
      clearTimeout(this.idle);
      this.idle = setTimeout(() => this.close(), this.options.idleMs ?? IDLE_MS).unref();
    }
    return answer;
  }

  /** Ends the process; what was asked of it is answered by a problem. */
  close(): void {
    clearTimeout(this.idle);
    if (this.child !== undefined) killGroup(this.child);
    this.forgetChild('it was ended');
  }

  private start(): Child {
    const script = join(packageFolder(), 'dist/agents/watch-process.js');
    const args = [script, ...(this.options.trustModules ? ['--trust-modules'] : [])];
    const child = startChild(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced', // bytes stay bytes
    });
    let lastLine = '';
    createInterface({ input: child.stderr! }).on('line', (line) => {
      lastLine = line;
    });
    child.on('message', ({ id, answer }: { id: number; answer: WatchAnswer }) => this.answer(id, answer));
    child.once('error', (error) => {
      if (this.child === child) this.forgetChild(error.message);
    });
    child.once('close', (code, signal) => {
      if (this.child === child) this.forgetChild(lastLine || (signal ?? `exit code ${code}`));
    });
    return child;
  }

  private answer(id: number, answer: WatchAnswer): void {
    this.waiting.get(id)?.(answer);
    this.waiting.delete(id);
  }

  private forgetChild(why: string): void {
    this.child = undefined;
    for (const id of [...this.waiting.keys()]) this.answer(id, { problem: `the watching process ended: ${why}` });
  }
}
