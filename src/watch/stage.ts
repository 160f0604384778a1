import {
  BridgeError,
  isAtariId,
  makeVectorEnv,
  type ObservationArray,
  type StepResult,
  type VectorEnv,
  type VectorEnvOptions,
} from 'gymnasium-js-bridge';
import { screenOptions } from '../recording/screens.ts';

/** What is there before an action. */
export interface Scene {
  /** What the agent sees. */
  readonly observation: ObservationArray;
  /** RGB, [height, width, 3]; undefined where there is no screen. */
  readonly screen: Uint8Array | undefined;
}

/** What an action led to. */
export interface SceneAfter extends Scene {
  readonly reward: number;
  /** The last observation of an episode that has ended; the scene is then the first one of the next. */
  readonly finalObservation: ObservationArray | undefined;
}

/**
 * One environment twice: as the agent sees it, and in step with it as it looks on a screen. The same seed and actions
 * give both the same game, which is checked by its rewards and ends.
 */
export class Stage {
  readonly env: VectorEnv;
  /** Why there is no screen. */
  readonly noScreen: string | null;
  private readonly screens: VectorEnv | undefined;

  private constructor(env: VectorEnv, screens: VectorEnv | string) {
    this.env = env;
    [this.screens, this.noScreen] = typeof screens === 'string' ? [undefined, screens] : [screens, null];
  }

  /** @throws What `makeVectorEnv` throws; an environment that cannot be drawn is watched without a screen. */
  static async open(options: VectorEnvOptions): Promise<Stage> {
    const kind = options.game !== undefined || isAtariId(options.id ?? '') ? 'atari' : 'gymnasium';
    const [env, screens] = await Promise.allSettled([
      makeVectorEnv(options),
      makeVectorEnv(screenOptions(kind, options)),
    ]);
    if (env.status === 'rejected') {
      if (screens.status === 'fulfilled') await screens.value.close();
      throw env.reason;
    }
    if (screens.status === 'fulfilled') return new Stage(env.value, screens.value);
    if (screens.reason instanceof BridgeError) return new Stage(env.value, screens.reason.message);
    await env.value.close();
    throw screens.reason;
  }

  /** Height and width of the screen. */
  get screenSize(): { height: number; width: number } | null {
    if (this.screens === undefined) return null;
    const [height, width] = this.screens.observationSpace.shape.slice(-3);
    return { height, width };
  }

  /** How many steps are a second at the pace of the game. */
  get stepsPerSecond(): number | undefined {
    return this.screens?.info.framesPerSecond;
  }

  async reset(seed: number): Promise<Scene> {
    const seeds = { seeds: [seed] };
    const [seen, shown] = await Promise.all([this.env.reset(seeds), this.screens?.reset(seeds)]);
    return { observation: seen.observations, screen: shown?.observations as Uint8Array | undefined };
  }

  /** @param nextSeed What the next episode begins with, should this one end. */
  async step(action: number, nextSeed: number): Promise<SceneAfter> {
    const options = { nextSeeds: [nextSeed] };
    const [seen, shown] = await Promise.all([this.env.step([action], options), this.screens?.step([action], options)]);
    if (shown !== undefined && !isSame(seen, shown)) {
      throw new Error(`${this.env.settings.id} plays another game with a screen than without: it cannot be watched`);
    }
    return {
      observation: seen.observations,
      screen: shown?.observations as Uint8Array | undefined,
      reward: seen.rewards[0],
      finalObservation: seen.finished[0]?.finalObservation,
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.env.close(), this.screens?.close()]);
  }
}

function isSame(one: StepResult, other: StepResult): boolean {
  return one.rewards[0] === other.rewards[0] && one.finished.length === other.finished.length;
}
