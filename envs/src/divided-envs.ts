import { arrayTypes } from './array-types.ts';
import type { Batch, Envs, StepBatch } from './batch-vector-env.ts';
import type { ObservationArray } from './types.ts';

/** Consecutive environments of all, and what runs them. */
interface Part {
  envs: Envs;
  /** The number of its first environment among all. */
  first: number;
  count: number;
}

/** How many environments each of so many parts has: as even as can be, the larger parts first. */
export function shares(numEnvs: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, part) => Math.floor(numEnvs / parts) + Number(part < numEnvs % parts));
}

/**
 * Environments that are divided over several processes, and step at the same time. Seeds are given to each, so what
 * they show does not depend on the division.
 */
export class DividedEnvs implements Envs {
  private readonly parts: readonly Part[];
  private readonly onClosed: () => void;

  /**
   * @param all Parts of the same environment, with as many environments as `counts` says.
   * @param onClosed Is called when all are closed.
   */
  constructor(all: readonly Envs[], counts: readonly number[], onClosed: () => void) {
    this.onClosed = onClosed;
    let first = 0;
    this.parts = all.map((envs, part) => {
      const count = counts[part]!;
      first += count;
      return { envs, first: first - count, count };
    });
  }

  get observationSpace() {
    return this.parts[0]!.envs.observationSpace;
  }

  get actionSpace() {
    return this.parts[0]!.envs.actionSpace;
  }

  get settings() {
    return this.parts[0]!.envs.settings;
  }

  get info() {
    return this.parts[0]!.envs.info;
  }

  async reset(mask: readonly boolean[], seeds: Int32Array): Promise<Batch> {
    const batches = await this.ofAll(({ envs, first, count }) =>
      envs.reset(mask.slice(first, first + count), seeds.slice(first, first + count)),
    );
    return this.joined(batches);
  }

  async step(actions: Int32Array, nextSeeds: Int32Array): Promise<StepBatch> {
    const batches = await this.ofAll(({ envs, first, count }) =>
      envs.step(actions.slice(first, first + count), nextSeeds.slice(first, first + count)),
    );
    const rewards = new Float64Array(actions.length);
    const terminated = new Uint8Array(actions.length);
    const truncated = new Uint8Array(actions.length);
    this.parts.forEach(({ first }, part) => {
      rewards.set(batches[part]!.rewards, first);
      terminated.set(batches[part]!.terminated, first);
      truncated.set(batches[part]!.truncated, first);
    });
    const final = batches.flatMap(({ finalObservations }) => finalObservations ?? []);
    const lengths = batches.flatMap(({ lengthFrames }) => (lengthFrames ? [...lengthFrames] : []));
    return {
      ...this.joined(batches),
      ...{ rewards, terminated, truncated },
      ...(final.length > 0 && { finalObservations: this.concatenated(final) }),
      ...(lengths.length > 0 && { lengthFrames: Int32Array.from(lengths) }),
    };
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.parts.map(({ envs }) => envs.close()));
    this.onClosed();
  }

  /**
   * Makes a request of all parts at once. Where one fails the others are awaited all the same, so that none has a
   * request under way when the next comes.
   */
  private async ofAll<T>(request: (part: Part) => Promise<T>): Promise<T[]> {
    const outcomes = await Promise.allSettled(this.parts.map(request));
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  private joined(batches: readonly Batch[]): Batch {
    return {
      observations: this.concatenated(batches.map(({ observations }) => observations)),
      lives: Int32Array.from(batches.flatMap(({ lives }) => [...lives])),
    };
  }

  private concatenated(arrays: readonly ObservationArray[]): ObservationArray {
    if (arrays.length === 1) return arrays[0]!; // not a copy, where there is one sidecar
    const length = arrays.reduce((sum, array) => sum + array.length, 0);
    const whole: ObservationArray = new arrayTypes[this.observationSpace.dtype](length);
    let at = 0;
    for (const array of arrays) {
      whole.set(array, at);
      at += array.length;
    }
    return whole;
  }
}
