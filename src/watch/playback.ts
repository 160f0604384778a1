// A recorded episode, played again.
import { type EpisodeRecording, frameHash, readRecording } from '../recording/episode-file.ts';
import { environmentOptions } from '../recording/verify.ts';
import type { WatchedFacts } from '../viewer/watch-api.ts';
import type { WatchedNetwork } from './network.ts';
import { type Scene, Stage } from './stage.ts';
import { Tape, type TapeOptions } from './tape.ts';
import { addScene, endOfTurn, factsOf, type View } from './view.ts';

/** An episode as far as it has been played again; several networks may be asked about it. */
export class Playback {
  readonly recording: EpisodeRecording;
  readonly stage: Stage;
  private tapeNow: Tape | undefined;
  private scene: Scene | undefined;

  private constructor(recording: EpisodeRecording, stage: Stage) {
    this.recording = recording;
    this.stage = stage;
  }

  /** @throws DamagedFileError for a recording that cannot be read; what the environment throws. */
  static async open(path: string, timeoutMs: number): Promise<Playback> {
    const recording = await readRecording(path);
    const stage = await Stage.open(environmentOptions(recording, { timeoutMs }));
    if (recording.rom?.sha256 !== stage.env.info.rom?.sha256) {
      await stage.close();
      throw new Error(`the ROM of ${recording.settings.id} is another one than that of the recording`);
    }
    return new Playback(recording, stage);
  }

  /** The steps so far. Networks of one run stack them all alike. */
  tape(options: TapeOptions): Tape {
    this.tapeNow ??= new Tape(options);
    return this.tapeNow;
  }

  async advance(tape: Tape, to: number): Promise<void> {
    const { actions, rewards, frameHashes, lengthSteps, seed } = this.recording;
    const turnEnd = endOfTurn();
    while (tape.end < Math.min(to, lengthSteps) && performance.now() < turnEnd) {
      const step = tape.end;
      this.scene ??= await this.stage.reset(seed);
      if (frameHash(this.scene.observation) !== frameHashes[step]) throw divergence(step, 'another picture');
      // The emulators go on while the picture is made.
      const stepping = this.stage.step(actions[step], seed);
      await Promise.all([stepping, addScene(tape, this.stage, this.scene, step === 0)]);
      const after = await stepping;
      if (after.reward !== rewards[step]) throw divergence(step, `reward ${after.reward}`);
      const isLast = step + 1 === lengthSteps;
      if ((after.finalObservation !== undefined) !== isLast) throw divergence(step, 'the end elsewhere');
      tape.complete(actions[step], rewards[step]);
      this.scene = after;
      if (isLast) await this.close();
    }
  }

  async close(): Promise<void> {
    await this.stage.close();
  }
}

function divergence(step: number, what: string): Error {
  return new Error(`the game takes another course than the recording at agent step ${step}: ${what}`);
}

/** A recorded episode with what one network says of it. */
export class RecordingView implements View {
  readonly facts: WatchedFacts;
  readonly network: WatchedNetwork;
  readonly tape: Tape;
  readonly playback: Playback;
  private readonly values: Float32Array[] = [];

  constructor(agent: string, playback: Playback, network: WatchedNetwork) {
    this.playback = playback;
    this.network = network;
    this.tape = playback.tape(network.stateOptions);
    const { lengthSteps, actor } = playback.recording;
    const player = Object.entries(actor).map(([key, value]) => `${key} ${value}`);
    this.facts = {
      ...factsOf(playback.stage, network),
      agent,
      totalSteps: lengthSteps,
      playedBy: player.join(', ') || null,
      epsilon: null,
    };
  }

  async advance(to: number): Promise<void> {
    await this.playback.advance(this.tape, to);
    const known = this.values.length;
    const until = Math.min(to, this.tape.end);
    if (until > known) this.values.push(...this.network.values(this.tape.states(known, until - known)));
  }

  valuesAt(step: number): Float32Array {
    return this.values[step];
  }

  /** The playback is for others to close: another network may be asked about it. */
  async close(): Promise<void> {
    this.network.dispose();
  }
}
