import { restartOptions, type VectorEnv } from 'gymnasium-js-bridge';
import type { AnyAgentDefinition } from '../agent/definition.ts';
import { envOptions } from '../agent/environment.ts';
import { protocolOf, protocols } from '../agent/evaluate.ts';
import { type AgentSettings, checkEnvironment } from '../agent/settings.ts';
import { findCheckpoint, readNetwork } from '../agent/stored-network.ts';
import { readAgentRun } from '../agent/train.ts';
import { resolveInside } from '../files/inside.ts';
import type { Checkpoint } from '../runs/checkpoints.ts';
import { RunFolderError } from '../runs/errors.ts';
import { RunFolder } from '../runs/folder.ts';
import { SettingError } from '../settings/index.ts';
import type { WatchAnswer, WatchedSteps, WatchRequest } from '../viewer/watch-api.ts';
import { LiveView } from './live.ts';
import { WatchedNetwork } from './network.ts';
import { Playback, RecordingView } from './playback.ts';
import { Stage } from './stage.ts';
import type { View } from './view.ts';

const MOST_VIEWS = 4;
/** Beyond it what was asked for longest ago is forgotten. */
const MOST_BYTES = 150e6;
/** Longer rows of numbers say nothing to who looks at them. */
const MOST_OBSERVED = 32;

export interface WatchRoomOptions {
  /** Knows the agents by their names. */
  readonly find: (name: string) => AnyAgentDefinition;
  /** Whether Python modules that runs name as their environments may be imported. */
  readonly trustModules: boolean;
}

interface OpenRun {
  readonly folder: RunFolder;
  readonly definition: AnyAgentDefinition;
  readonly settings: AgentSettings;
}

/** All that is being watched. It answers one question after the other, and works only to answer. */
export class WatchRoom {
  private readonly options: WatchRoomOptions;
  /** Those asked for last are at the end. */
  private readonly views = new Map<string, View>();
  private readonly playbacks = new Map<string, Playback>();

  constructor(options: WatchRoomOptions) {
    this.options = options;
  }

  /** @throws What the run, the checkpoint, the recording or the environment is not good for. */
  async answer(request: WatchRequest): Promise<WatchAnswer> {
    const { part, from, count } = request;
    const step = await stepAsked(request);
    const key = keyOf(request, step);
    try {
      const view = await this.open(key, request, step);
      // What goes on is played for who asks for steps, and from where it stands.
      const start = view.facts.totalSteps === null ? Math.min(from, view.tape.end) : from;
      if (part === 'steps' || view.facts.totalSteps !== null) await view.advance(start + count);
      return part === 'steps' ? stepsOf(view, start, count) : bytesOf(view, request);
    } catch (error) {
      await this.closeView(key);
      throw error;
    } finally {
      await this.forget(key);
    }
  }

  private async open(key: string, request: WatchRequest, step: number | undefined): Promise<View> {
    const known = this.views.get(key);
    const view = known ?? (await this.newView(request, step));
    this.views.delete(key);
    this.views.set(key, view);
    return view;
  }

  private async newView(request: WatchRequest, step: number | undefined): Promise<View> {
    const folder = RunFolder.open(request.run);
    const run = { folder, ...(await readAgentRun(folder, this.options.find, { trusted: this.options.trustModules })) };
    const best = (await folder.best.list()).at(-1)?.step;
    const isBest = step === best && best !== undefined;
    const isKept = (await folder.checkpoints.list()).some((checkpoint) => checkpoint.step === step);
    const asked = request.checkpoint === 'best' || (isBest && !isKept) ? 'best' : step;
    const checkpoint = await insideOf(folder, await findCheckpoint(folder, asked));
    if (request.recording === null) return newLive(run, checkpoint);
    const playback = await this.playbackOf(request, run);
    const { env } = playback.stage;
    checkAlike(run, env, (await folder.describe()).environment?.settings.id);
    return new RecordingView(run.definition.name, playback, await networkOf(run, env, checkpoint, isBest));
  }

  private async playbackOf({ recording }: WatchRequest, { settings }: OpenRun): Promise<Playback> {
    const { path, version } = recording!;
    const key = `${path}\n${version}`;
    const known = this.playbacks.get(key);
    if (known !== undefined) return known;
    const playback = await Playback.open(path, timeoutOf(settings));
    this.playbacks.set(key, playback);
    return playback;
  }

  /** Forgets what was asked for longest ago, where there is too much of it. */
  private async forget(current: string): Promise<void> {
    const bytes = () => [...new Set([...this.views.values()].map(({ tape }) => tape))].reduce((a, b) => a + b.bytes, 0);
    for (const key of [...this.views.keys()]) {
      if (key === current || (this.views.size <= MOST_VIEWS && bytes() <= MOST_BYTES)) continue;
      await this.closeView(key);
    }
    await this.closeUnused();
  }

  private async closeView(key: string): Promise<void> {
    const view = this.views.get(key);
    this.views.delete(key);
    await view?.close();
    await this.closeUnused();
  }

  private async closeUnused(): Promise<void> {
    const used = new Set([...this.views.values()].map((view) => view instanceof RecordingView && view.playback));
    for (const [key, playback] of this.playbacks) {
      if (used.has(playback)) continue;
      this.playbacks.delete(key);
      await playback.close();
    }
  }
}

/** What goes on is one thing whatever its checkpoint. */
function keyOf({ run, recording }: WatchRequest, step: number | undefined): string {
  return recording === null ? `${run}\nlive` : [run, recording.path, recording.version, step].join('\n');
}

/** The step of the checkpoint that is meant now; undefined where there is none. */
async function stepAsked({ run, checkpoint }: WatchRequest): Promise<number | undefined> {
  if (typeof checkpoint === 'number') return checkpoint;
  const folder = RunFolder.open(run);
  return (await (checkpoint === 'best' ? folder.best : folder.checkpoints).list()).at(-1)?.step;
}

function timeoutOf({ envTimeoutSeconds }: AgentSettings): number {
  return Math.ceil(envTimeoutSeconds * 1000);
}

/** @throws SettingError where the environment is not what the run's agent plays in. */
function checkAlike({ definition, settings }: OpenRun, env: VectorEnv, id: string | undefined): void {
  if (id !== undefined && id !== env.settings.id) {
    throw new RunFolderError(`the recording is of ${env.settings.id}, and the agent of this run plays ${id}`);
  }
  const seen = { ...settings, maxEpisodeSteps: null, numEnvs: env.numEnvs };
  const problem = checkEnvironment(seen, env) ?? definition.checkEnv(seen, env);
  if (problem !== undefined) throw new SettingError(problem);
}

async function networkOf(
  { definition, settings }: OpenRun,
  env: VectorEnv,
  checkpoint: Checkpoint,
  isBest = false,
): Promise<WatchedNetwork> {
  const load = await readNetwork(checkpoint);
  return new WatchedNetwork({ definition, settings, env, load, checkpoint: { step: checkpoint.step, isBest } });
}

/** The same checkpoint. @throws RunFolderError where a link leads out of the run's folder. */
async function insideOf({ path }: RunFolder, checkpoint: Checkpoint): Promise<Checkpoint> {
  if ((await resolveInside(path, checkpoint.path)) !== undefined) return checkpoint;
  throw new RunFolderError(`${checkpoint.path} leads out of the folder of the run`);
}

async function newLive(run: OpenRun, checkpoint: Checkpoint): Promise<LiveView> {
  const { definition, settings, folder } = run;
  const protocol = protocolOf(settings);
  const played = { ...settings, ...(protocol !== null && protocols[protocol].settings), numEnvs: 1 };
  const stage = await Stage.open({ ...envOptions(played), ...restartOptions(undefined) });
  try {
    checkAlike(run, stage.env, undefined);
    return new LiveView({
      agent: definition.name,
      stage,
      network: await networkOf(run, stage.env, checkpoint),
      epsilon: protocol === null ? settings.evaluationEpsilon : protocols[protocol].epsilon,
      async newer(than) {
        try {
          const newest = (await folder.checkpoints.list()).at(-1);
          if (newest === undefined || newest.step <= than) return undefined;
          return await networkOf(run, stage.env, await insideOf(folder, await findCheckpoint(folder, newest.step)));
        } catch {
          return undefined; // removed meanwhile, or damaged: the one before it plays on
        }
      },
    });
  } catch (error) {
    await stage.close();
    throw error;
  }
}

function stepsOf(view: View, asked: number, count: number): WatchedSteps {
  const { tape, facts, network } = view;
  const from = Math.max(asked, tape.oldest);
  const steps = Array.from({ length: Math.max(Math.min(asked + count, tape.end) - from, 0) }, (_, i) => from + i);
  const observed = network.stateOptions.frameShape.reduce((product, length) => product * length, 1);
  return {
    facts,
    oldest: tape.oldest,
    from,
    actions: steps.map((step) => tape.at(step).action),
    rewards: steps.map((step) => tape.at(step).reward),
    values: steps.map((step) => Array.from(view.valuesAt(step), rounded)),
    starts: steps.map((step) => tape.at(step).start),
    observations:
      facts.sight === null && observed <= MOST_OBSERVED
        ? steps.map((step) => Array.from(tape.frame(step), rounded))
        : null,
  };
}

/** As exact as a float32, and shorter as text. */
function rounded(value: number): number {
  return Number(value.toPrecision(8));
}

function bytesOf({ tape, network }: View, { part, from: asked, count }: WatchRequest): Uint8Array {
  const from = Math.max(asked, tape.oldest);
  const length = Math.max(Math.min(asked + count, tape.end) - from, 0);
  const steps = Array.from({ length }, (_, i) => from + i);
  if (length === 0) return new Uint8Array();
  if (part === 'screens') {
    return Buffer.concat(
      steps.flatMap((step) => {
        const screen = tape.at(step).screen ?? new Uint8Array();
        return [new Uint8Array(Uint32Array.of(screen.length).buffer), screen];
      }),
    );
  }
  const states = tape.states(from, length);
  if (part === 'distributions') return Buffer.concat(network.distributions(states).map(bytesOfFloats));
  const actions = steps.map((step) => tape.at(step).action);
  const rows = network.saliency(states, actions);
  const largest = rows.map((row) => row.reduce((a, b) => Math.max(a, b), 0));
  const levels = rows.map((row, i) => Uint8Array.from(row, (value) => Math.round((255 * value) / (largest[i] || 1))));
  return Buffer.concat([bytesOfFloats(Float32Array.from(largest)), ...levels]);
}

function bytesOfFloats(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
