import type { FinishedEpisode } from 'gymnasium-js-bridge';
import { JsonLog } from './json-log.ts';
import type { TensorBoardWriter } from './tensorboard.ts';

/** Of TensorBoard's writer what scalars need. */
export type ScalarWriter = Pick<TensorBoardWriter, 'scalar' | 'flush' | 'close'>;

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
  private readonly log: JsonLog;
  private readonly scalars: ScalarWriter | undefined;

  /** `keepBytes` as for `JsonLog`. */
  constructor(path: string, scalars?: ScalarWriter, keepBytes = 0) {
    this.log = new JsonLog(path, keepBytes);
    this.scalars = scalars;
  }

  /** Length of the file: what a checkpoint remembers. */
  get position(): number {
    return this.log.position;
  }

  progress(metrics: ProgressMetrics & Record<string, number>): void {
    this.log.write(metrics);
    const { agentSteps, ...values } = metrics;
    for (const [name, value] of Object.entries(values)) this.scalars?.scalar(`train/${name}`, value, agentSteps);
    this.scalars?.flush();
  }

  episode(agentSteps: number, episode: FinishedEpisode): void {
    const { env, seed, index, lengthSteps, lengthFrames, truncated } = episode;
    this.log.write({
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

  close(): void {
    this.scalars?.close();
    this.log.close();
  }
}
