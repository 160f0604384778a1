import { closeSync, existsSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import type { FinishedEpisode } from 'gymnasium-js-bridge';

/** Writes scalars for TensorBoard; `tf.node.summaryFileWriter` is one. */
export interface ScalarWriter {
  scalar(name: string, value: number, step: number): void;
  flush(): void;
}

/** Averages over the agent steps since the last line. */
export interface ProgressMetrics {
  agentSteps: number;
  updates: number;
  stepsPerSecond: number;
  epsilon: number;
  /** Absent before learning starts. */
  loss?: number;
  meanQ?: number;
  wallSeconds: number;
}

/**
 * `metrics.jsonl`, one JSON object a line with units in the keys, and the same numbers as TensorBoard scalars.
 */
export class MetricsWriter {
  private readonly file: number;
  private readonly scalars: ScalarWriter | undefined;
  private bytes: number;

  /** `keepBytes`: where a resumed run's checkpoint stood; what was written after it is cut off, for it is about to happen again. */
  constructor(path: string, scalars?: ScalarWriter, keepBytes = 0) {
    if (existsSync(path) && statSync(path).size > keepBytes) truncateSync(path, keepBytes);
    this.file = openSync(path, 'a');
    this.bytes = statSync(path).size;
    this.scalars = scalars;
  }

  /** Length of the file: what a checkpoint remembers. */
  get position(): number {
    return this.bytes;
  }

  progress(metrics: ProgressMetrics & Record<string, number>): void {
    this.writeLine(metrics);
    const { agentSteps, ...values } = metrics;
    for (const [name, value] of Object.entries(values)) this.scalars?.scalar(`train/${name}`, value, agentSteps);
    this.scalars?.flush();
  }

  episode(agentSteps: number, episode: FinishedEpisode): void {
    const { env, seed, index, lengthSteps, lengthFrames, truncated } = episode;
    this.writeLine({
      agentSteps,
      episodeReturn: episode.return,
      episodeLengthSteps: lengthSteps,
      episodeLengthFrames: lengthFrames,
      episodeSeed: seed,
      episodeIndex: index,
      env,
      truncated,
    });
    this.scalars?.scalar('episode/return', episode.return, agentSteps);
    this.scalars?.scalar('episode/lengthFrames', lengthFrames, agentSteps);
  }

  private writeLine(values: object): void {
    this.bytes += writeSync(this.file, `${JSON.stringify(values)}\n`);
  }

  close(): void {
    this.scalars?.flush();
    closeSync(this.file);
  }
}
