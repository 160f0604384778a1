import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { newCommand, numberIn, runCommand, say, UsageError, wholeNumber, writeResult } from '../src/cli/index.ts';
import { onInterrupt } from '../src/cli/interrupt.ts';
import { newBar } from '../src/cli/progress.ts';
import {
  differenceText,
  type EmulationOptions,
  type EpisodeRecording,
  OBSERVATIONS_EXTENSIONS,
  readRecording,
  renderGif,
  renderMp4,
  saveObservations,
  summaryData,
  summaryLines,
  type Verification,
  verifyRecording,
} from '../src/recording/index.ts';

interface Options {
  verify?: true;
  video?: string;
  gif?: string;
  observations?: string;
  speed: number;
  fromStep?: number;
  toStep?: number;
  json?: true;
  force?: true;
  envTimeoutSeconds: number;
}

const command = newCommand(
  'replay-episode',
  'Shows what an episode recording is about, emulates it again, makes a video of it.',
)
  .argument('<file>', 'episode recording (.episode.safetensors)')
  .option(
    '--verify',
    'emulate the episode again and compare every frame, reward and the end; exit code 1 when they differ',
  )
  .option(
    '--video <out.mp4>',
    'make an H.264 video with every frame (60 frames/s x speed of a game; other environments say how fast they are)',
  )
  .option('--gif <out.gif>', 'make a GIF (at most 20 frames/s)')
  .option(
    '--observations <out.safetensors>',
    'write what the agent saw, its actions and rewards; .safetensors.gz: compressed',
  )
  .option('--speed <factor>', 'speed of the video and the GIF, from 0.1 to 10', numberIn(0.1, 10), 1)
  .option('--from-step <agent step>', 'first step that the video and the GIF show', wholeNumber(1))
  .option('--to-step <agent step>', 'last step that they show', wholeNumber(1))
  .option('--force', 'replace an existing file')
  .option(
    '--env-timeout-seconds <seconds>',
    'longest wait for the environment to answer; then it is started again',
    numberIn(0.001, 86_400),
    60,
  )
  .option('--json', 'print one JSON object')
  .action(replayEpisode);

await runCommand(command);

async function replayEpisode(file: string, options: Options): Promise<void> {
  const { video, gif, observations, speed, fromStep = 1, toStep } = options;
  if (video !== undefined) checkOutput('--video', video, ['.mp4'], options);
  if (gif !== undefined) checkOutput('--gif', gif, ['.gif'], options);
  if (observations !== undefined) {
    checkOutput('--observations', observations, OBSERVATIONS_EXTENSIONS, options);
    if (resolve(observations) === resolve(file))
      throw new UsageError(`--observations ${observations}: is the recording itself`);
  }
  if (video === undefined && gif === undefined) {
    const [given] = (['speed', 'fromStep', 'toStep'] as const).filter(
      (key) => command.getOptionValueSource(key) === 'cli',
    );
    const option = command.options.find((known) => known.attributeName() === given);
    if (option) throw new UsageError(`${option.long} does nothing without --video or --gif`);
  }
  if ((video ?? gif ?? observations) === undefined && options.force)
    throw new UsageError('--force does nothing without an output: --video, --gif or --observations');
  const recording = await readRecording(file);
  const lastStep = toStep ?? recording.lengthSteps;
  if (fromStep > lastStep) {
    const what = toStep === undefined ? 'episode' : 'part';
    throw new UsageError(`--from-step ${fromStep}: the ${what} ends at step ${lastStep}`);
  }
  if (toStep !== undefined && toStep > recording.lengthSteps)
    throw new UsageError(`--to-step ${toStep}: the episode ends at step ${recording.lengthSteps}`);
  if ((video ?? gif) !== undefined && recording.settings.kind === 'typescript') {
    throw new UsageError(`${file}: ${recording.settings.id} is written in TypeScript and has no screen to show`);
  }

  const signal = onInterrupt(() => {});
  const note = (line: string) => say(`replay-episode: note: ${line}`);
  try {
    const withProgress = (label: string, run: (replay: EmulationOptions) => Promise<void>) =>
      showProgress(label, recording.lengthSteps, (onProgress) =>
        run({ onProgress, signal, note, timeoutMs: Math.ceil(options.envTimeoutSeconds * 1000) }),
      );
    let verification: Verification | undefined;
    if (options.verify) {
      await withProgress('verifying', async (replay) => {
        verification = await verifyRecording(recording, replay);
      });
    }
    if (verification === undefined || verification.equal) {
      if (video !== undefined)
        await withProgress(video, (replay) =>
          renderMp4(recording, { ...replay, path: video, speed, fromStep, toStep }),
        );
      if (gif !== undefined)
        await withProgress(gif, (replay) => renderGif(recording, { ...replay, path: gif, speed, fromStep, toStep }));
      if (observations !== undefined)
        await withProgress(observations, (replay) => saveObservations(recording, { ...replay, path: observations }));
    }
    await report(file, recording, options, verification);
  } catch (error) {
    if (!signal.aborted) throw error;
    say('replay-episode: interrupted');
    process.exitCode = 130;
  }
}

async function report(
  file: string,
  recording: EpisodeRecording,
  options: Options,
  verification: Verification | undefined,
): Promise<void> {
  const { video, gif, observations, json } = options;
  const made = Object.entries({ video, gif, observations }).filter(([, path]) => path !== undefined);
  const failed = verification !== undefined && !verification.equal;
  for (const { name, recorded, current } of verification?.packageDifferences ?? []) {
    say(`replay-episode: note: recorded with ${name} ${recorded}, emulated with ${current}`);
  }
  if (verification?.difference) say(`replay-episode: ${file}: ${differenceText(verification.difference)}`);
  if (failed) process.exitCode = 1;

  if (json) {
    const outputs = failed ? {} : Object.fromEntries(made);
    await writeResult(
      `${JSON.stringify({ file, ...summaryData(recording), ...(verification && { verification }), ...outputs })}\n`,
    );
    return;
  }
  if (verification?.equal) {
    await writeResult(`${file}: equal: all ${recording.lengthSteps + 1} frames, the rewards and the end\n`);
  }
  if (!failed) for (const [, path] of made) await writeResult(`${path}: made\n`);
  if (verification === undefined && made.length === 0) {
    const lines = summaryLines(recording).map(([label, text]) => `${label.padEnd(12)} ${text}\n`);
    await writeResult(lines.join(''));
  }
}

/** Finds out what would go wrong at the end before the work begins. */
function checkOutput(option: string, path: string, extensions: readonly string[], { force }: Options): void {
  if (!extensions.some((extension) => path.toLowerCase().endsWith(extension)))
    throw new UsageError(`${option} ${path}: the file name must end in ${extensions.join(' or ')}`);
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing?.isDirectory()) throw new UsageError(`${option} ${path}: is a folder`);
  if (existing && !force) throw new UsageError(`${option} ${path}: the file exists; --force replaces it`);
  const folder = statSync(dirname(path), { throwIfNoEntry: false });
  if (!folder?.isDirectory()) throw new UsageError(`${option} ${path}: no folder ${dirname(path)}`);
}

/** A bar on standard error where that is a terminal. */
async function showProgress(
  label: string,
  total: number,
  run: (onProgress: (done: number) => void) => Promise<void>,
): Promise<void> {
  if (!process.stderr.isTTY) return run(() => {});
  const bar = newBar(process.stderr, `${label} {bar} {value}/{total} agent steps, {eta_formatted} left`, true);
  bar.start(total, 0);
  try {
    await run((done) => bar.update(done));
  } finally {
    bar.stop();
  }
}
