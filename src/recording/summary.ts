import type { EpisodeRecording } from './episode-file.ts';
import { GAME_FRAMES_PER_SECOND } from './screens.ts';

/** What a recording is about, as lines of a label and a text. */
export function summaryLines(recording: EpisodeRecording): [label: string, text: string][] {
  const { settings, rom, packages, python, seed, actor } = recording;
  const { kind, id, ...details } = settings;
  return [
    kind === 'atari' ? ['game', `${id}${rom ? ` (ROM ${rom.name}, SHA-256 ${rom.sha256})` : ''}`] : ['environment', id],
    ['score', number(recording.return)],
    ['length', lengthText(recording)],
    ['end', recording.terminated ? 'by the rules of the game' : 'cut off by a time limit'],
    ['seed', String(seed)],
    ['played by', pairs(actor) || 'not recorded'],
    ['made with', `${pairs(packages)}, Python ${python}`],
    ['settings', pairs(details)],
  ];
}

/** The same as data: everything but the arrays. */
export function summaryData(recording: EpisodeRecording) {
  const { actions: _actions, rewards: _rewards, frameHashes: _frameHashes, ...data } = recording;
  const seconds = data.settings.kind === 'atari' ? data.lengthFrames / GAME_FRAMES_PER_SECOND : undefined;
  return { ...data, ...(seconds !== undefined && { lengthSeconds: seconds }) };
}

function lengthText({ settings, lengthSteps, lengthFrames }: EpisodeRecording): string {
  const steps = `${number(lengthSteps)} agent steps`;
  if (settings.kind !== 'atari') return steps;
  const seconds = number(lengthFrames / GAME_FRAMES_PER_SECOND);
  return `${steps}, ${number(lengthFrames)} frames, ${seconds} s at ${GAME_FRAMES_PER_SECOND} frames/s`;
}

function pairs(values: Record<string, unknown>): string {
  return Object.entries(values)
    .map(
      ([key, value]) =>
        `${key} ` +
        (typeof value === 'number' ? number(value) : typeof value === 'object' ? JSON.stringify(value) : String(value)),
    )
    .join(', ');
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 3 });
}
