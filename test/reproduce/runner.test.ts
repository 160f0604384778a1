import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readEpochs } from '../../scripts/reproduce/metrics.ts';
import { runsProgress } from '../../src/cli/runs-progress.ts';
import {
  argsOf,
  localExecutor,
  type QuestionJob,
  readAnswer,
  runJobs,
  stateOf,
  type TrainingJob,
} from '../../src/jobs/index.ts';
import { printed, startCommand } from '../processes.ts';
import { until } from '../until.ts';

let runsPath: string;
beforeAll(() => {
  runsPath = mkdtempSync(join(tmpdir(), 'runner-'));
});
afterAll(() => rmSync(runsPath, { recursive: true, force: true }));

const training: TrainingJob = {
  kind: 'training',
  name: 'vae',
  command: 'train-supervised',
  base: { task: 'vae-mnist', recipe: 'reduced' },
  settings: {
    ...{ normalization: 'weight', seed: 3, epochs: 3, batchSize: 50, trainExamples: 500, testExamples: 50 },
    ...{ widthMultiplier: 0.5, flowSteps: 0, latentUnits: 4, initializationExamples: 50 },
  },
};
const question = (name: string, steps: number, after?: string): QuestionJob => ({
  kind: 'question',
  name,
  ...(after !== undefined && { after }),
  command: 'reproduce',
  args: ['norm-growth', '--steps', String(steps), '--seeds', '1', '--out', join(runsPath, `${name}-files`)],
});

/** Runs the jobs and returns what was printed. */
async function run(
  jobs: (TrainingJob | QuestionJob)[],
  { signal = new AbortController().signal, atOnce = 1 }: { signal?: AbortSignal; atOnce?: number } = {},
) {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  }) as unknown as NodeJS.WriteStream;
  const note = (line: string) => void stream.write(`${line}\n`);
  const estimates: { done: number; secondsLeft: number | undefined }[] = [];
  const progressOf = (total: number) => {
    const shown = runsProgress(stream, total);
    const update: typeof shown.update = (done, doing, secondsLeft) => {
      estimates.push({ done, secondsLeft });
      shown.update(done, doing, secondsLeft);
    };
    return { ...shown, update };
  };
  const outcome = await runJobs(jobs, { runsPath, executor: localExecutor({ atOnce }), signal, note, progressOf });
  return { ...outcome, printed: text, estimates };
}

test('an interrupted run goes on to the numbers of its settings; a finished one is not run again', async () => {
  const folder = join(runsPath, training.name);
  const metrics = join(folder, 'metrics.jsonl');
  expect(await stateOf(training, runsPath)).toBe('new');
  const controller = new AbortController();
  const first = run([training, question('after', 1)], { signal: controller.signal });
  await until('the first epoch was saved', () => existsSync(join(folder, 'checkpoints/10')));
  controller.abort();
  expect(await first).toMatchObject({ interrupted: true, failures: {} });
  expect(await stateOf(training, runsPath)).toBe('begun');
  expect(existsSync(join(runsPath, 'after.json'))).toBe(false);

  const second = await run([question('before', 1), training]);
  expect(second).toMatchObject({ interrupted: false, failures: {} });
  expect(second.printed).toContain('vae: goes on (run 2 of 2)');
  expect(second.estimates.some(({ done }) => done === 1)).toBe(true);
  for (const { done, secondsLeft } of second.estimates) {
    expect(secondsLeft).toEqual(done === 0 ? undefined : expect.any(Number));
  }
  expect((await readEpochs(metrics)).map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  expect(await stateOf(training, runsPath)).toBe('finished');

  const before = readFileSync(metrics, 'utf8');
  const third = await run([training, training]);
  expect(third.printed).toBe('1 of 1 runs are there already\n');
  expect(readFileSync(metrics, 'utf8')).toBe(before);
});

test('a folder whose run has other settings is refused, with both values', async () => {
  const other = { ...training, settings: { ...training.settings, widthMultiplier: 0.25 } };
  await expect(run([other])).rejects.toThrow(
    /^widthMultiplier 0\.25: .+vae holds a run with 0\.5; remove that folder, or give another out$/,
  );
});

test('what was killed before its first checkpoint starts anew', async () => {
  const folder = join(runsPath, 'killed');
  const description = {
    ...{ formatVersion: 2, kind: 'supervised', name: 'vae-mnist', preset: 'reduced', version: '0.1.0', commit: null },
    ...{ settings: training.settings, machine: null, packages: {} },
  };
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(description));
  writeFileSync(join(folder, 'metrics.jsonl'), '{"kind":"progress","upda');
  const job = { ...training, name: 'killed' };
  expect(await stateOf(job, runsPath)).toBe('new');
  const args = await argsOf(job, 'new', runsPath);
  expect(args.join(' ')).toMatch(/^--task vae-mnist --recipe reduced .*--width-multiplier 0\.5 .*--run-dir .+killed$/);
  expect(existsSync(folder)).toBe(false);
});

test('an answer is kept until the question changes, and a failure does not keep others from their turn', async () => {
  const wrong = question('wrong', 0);
  const right = question('right', 1);
  const { failures, printed: text } = await run([wrong, right]);
  expect(failures).toEqual({ wrong: expect.stringMatching(/^reproduce: option '--steps <updates>' argument '0'/) });
  expect(text).toMatch(/^wrong: failed after .* argument '0'/m);
  expect(await stateOf(wrong, runsPath)).toBe('new');
  expect(await stateOf(right, runsPath)).toBe('finished');
  expect(await stateOf(question('right', 2), runsPath)).toBe('new');
  const answer = await readAnswer<{ reproduces: string }>(join(runsPath, 'right.json'));
  expect(answer).toMatchObject({ args: right.args, result: { reproduces: 'norm-growth' } });
});

test('what waits for a run that failed is not asked', async () => {
  const { failures, printed: text } = await run([question('failing', 0), question('behind', 1, 'failing')]);
  expect(failures).toMatchObject({ behind: 'not asked, since failing failed' });
  expect(text).toMatch(/^behind: not asked, since failing failed$/m);
  expect(text).not.toContain('behind: starts');
  expect(existsSync(join(runsPath, 'behind.json'))).toBe(false);
});

test('who has nothing to do takes the next job that waits for no other', async () => {
  const jobs = [
    question('first', 2),
    question('second', 1, 'first'),
    question('third', 1, 'first'),
    question('free', 1),
  ];
  const { failures, printed: text } = await run(jobs, { atOnce: 2 });
  expect(failures).toEqual({});
  const order = Array.from(text.matchAll(/^(\w+): (starts|done)/gm), ([, name, what]) => `${name} ${what}`);
  expect(order.slice(0, 2)).toEqual(['first starts', 'free starts']);
  for (const name of ['second', 'third']) {
    expect(order.indexOf(`${name} starts`)).toBeGreaterThan(order.indexOf('first done'));
  }
});

test('Ctrl-C ends the command with exit code 130 and says how to go on', async () => {
  const out = join(runsPath, 'stopped');
  const started = startCommand('reproduce', ['figure-draw', '--out', out, '--json']);
  await printed(started, 'draw-mnist-weight-seed1: starts (run 1 of 2)');
  started.child.kill('SIGINT');
  const { code, stdout, stderr } = await started.ended;
  expect(code, stderr).toBe(130);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^stopped; go on with: npm run reproduce -- figure-draw --budget quick --out .+stopped$/m);
  expect(stderr).not.toContain('none-seed1: starts');
});
