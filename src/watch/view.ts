import { GAME_FRAMES_PER_SECOND } from '../recording/screens.ts';
import type { WatchedFacts } from '../viewer/watch-api.ts';
import type { WatchedNetwork } from './network.ts';
import { encodeScreen } from './picture.ts';
import type { Scene, Stage } from './stage.ts';
import type { Tape } from './tape.ts';

/** Something that is watched with the eyes of one network. */
export interface View {
  readonly facts: WatchedFacts;
  readonly network: WatchedNetwork;
  readonly tape: Tape;
  /** Plays on to a step, or as far as it comes in one turn, or to the end. */
  advance(to: number): Promise<void>;
  /** The values of each action in a step that was played. */
  valuesAt(step: number): Float32Array;
  close(): Promise<void>;
}

/** How long one question may take: others wait meanwhile. */
const TURN_MS = 500;
/** Where nothing says how fast a game is. */
const PLAIN_STEPS_PER_SECOND = 30;
/** A console's picture was 4:3, whatever its pixels. */
const CONSOLE_ASPECT = 4 / 3;

/** When a turn that begins now is over. */
export function endOfTurn(): number {
  return performance.now() + TURN_MS;
}

/** Adds what is seen to a tape, its screen as a picture. */
export async function addScene(tape: Tape, stage: Stage, scene: Scene, startsEpisode: boolean): Promise<void> {
  const size = stage.screenSize;
  const picture = size && scene.screen && (await encodeScreen(scene.screen, size.height, size.width));
  tape.add(scene.observation, picture ?? undefined, startsEpisode);
}

/** What can be said of a stage and a network; the rest is for who watches what. */
export function factsOf(
  { env, screenSize, noScreen, stepsPerSecond }: Stage,
  { checkpoint, distribution, stateOptions: { frameShape } }: WatchedNetwork,
): Omit<WatchedFacts, 'agent' | 'totalSteps' | 'playedBy' | 'epsilon'> {
  const { settings, actionSpace } = env;
  const isConsole = settings.kind === 'atari';
  const isPicture = frameShape.length >= 2;
  return {
    environment: settings.id,
    actions: actionSpace.meanings ?? Array.from({ length: actionSpace.n }, (_, action) => `action ${action}`),
    distribution,
    screen: screenSize && {
      ...screenSize,
      pixelAspect: isConsole ? (CONSOLE_ASPECT * screenSize.height) / screenSize.width : 1,
    },
    noScreen,
    sight: isPicture ? { height: frameShape[0], width: frameShape[1] } : null,
    stepsPerSecond: isConsole
      ? GAME_FRAMES_PER_SECOND / (settings.frameSkip ?? 1)
      : (stepsPerSecond ?? PLAIN_STEPS_PER_SECOND),
    checkpoint,
  };
}
