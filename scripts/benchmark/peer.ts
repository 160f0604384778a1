import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { killGroup, startChild } from '../../src/jobs/child-process.ts';
import { peersFolder } from './paths.ts';
import type { Variant } from './plan.ts';

interface Answer {
  about?: Record<string, string>;
  ms?: number;
}

/** A Python program of `peers/` that works when it is its turn; see peers/turns.py. */
export class Peer {
  /** What runs there: names and versions. */
  about: Record<string, string> = {};
  private readonly script: string;
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private readonly stderr: string[] = [];
  private failure: Error | undefined;
  private waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;

  private constructor(python: string, script: string, options: object) {
    this.script = script;
    this.child = startChild(python, ['-u', join(peersFolder, script), JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    this.child.stdin!.on('error', () => {}); // EPIPE when the child is gone, which `close` tells
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.waiting?.resolve(JSON.parse(line)));
    createInterface({ input: this.child.stderr! }).on('line', (line) => {
      this.stderr.push(line);
      if (this.stderr.length > 20) this.stderr.shift();
    });
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.fail(error.message);
        resolve();
      });
      this.child.once('close', (code, signal) => {
        this.fail(`ended (${signal ?? `exit code ${code}`})`);
        resolve();
      });
    });
  }

  /** Starts a peer and waits until it is prepared, which can take a minute. */
  static async start(python: string, script: string, options: object): Promise<Peer> {
    const peer = new Peer(python, script, options);
    peer.about = (await peer.answer()).about ?? {};
    return peer;
  }

  /** A variant that works in this peer. */
  variant(name: string, title: string): Variant {
    return {
      name,
      title,
      turn: async (turnMs) => {
        this.child.stdin!.write(`${JSON.stringify({ variant: name, turnMs })}\n`);
        const { ms } = await this.answer();
        return ms!;
      },
    };
  }

  /** Asks the peer to end; makes it after two seconds. */
  async close(): Promise<void> {
    this.child.stdin!.end();
    const timer = setTimeout(() => killGroup(this.child), 2000);
    await this.ended;
    clearTimeout(timer);
  }

  private async answer(): Promise<Answer> {
    if (this.failure !== undefined) throw this.failure;
    try {
      return await new Promise((resolve, reject) => {
        this.waiting = { resolve, reject };
      });
    } finally {
      this.waiting = undefined;
    }
  }

  private fail(what: string): void {
    // The line with the exception is the one to show of a traceback; other lines can follow it.
    const lastWords = this.stderr.findLast((line) => /^[\w.]*(Error|Exception)\b/.test(line)) ?? this.stderr.at(-1);
    this.failure ??= new Error(`peers/${this.script} ${what}${lastWords === undefined ? '' : `: ${lastWords}`}`);
    this.waiting?.reject(this.failure);
  }
}
