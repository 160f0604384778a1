// The commands of the tutorial and the how-to pages, in their order, as a reader types them: with less to do.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { pages } from '../site/sidebar.mjs';
import { mainRoot, start } from './processes.ts';
import { until } from './until.ts';

const isLong = process.env.WEIGHTNORM_DOCS === 'long';
const NEEDS_ASKING = 'types every command of the pages, a minute of two processors: npm run test:docs';

const short = '--learning-starts 100 --hidden-units 8 --log-period-steps 100';

/** Options behind those of the page, or the test that has the command. */
const plan: Record<string, { with: string } | { testedBy: string }> = {
  'npm run train-agent -- --env-id CartPole-v1 --steps 10000': { with: `--steps 400 ${short}` },
  'npm run evaluate-agent -- --run runs/CartPole-v1-classic-control-seed1 --episodes 10': { with: '' },
  'npm run train-agent -- --game Enduro --steps 300000 --view': {
    with: `--steps 300 --max-episode-frames 100 ${short}`,
  },
  'npm run train-agent -- --run-dir runs/Enduro-fast-seed1 --resume': { with: '--steps 320' },
  'npm run view-runs': { with: '' },
  'npm run evaluate-agent -- --run runs/Enduro-fast-seed1 --episodes 2 --record': { with: '--max-episode-frames 100' },
  'npm run replay-episode -- runs/Enduro-fast-seed1/recordings/FILE --verify --video enduro.mp4': { with: '' },
  'PYTHONPATH=examples npm run train-agent -- --env-id own_environment:Corridor-v0 --env-option length=6 --steps 4000 --run-dir runs/corridor':
    {
      with: `--steps 400 ${short}`,
    },
  'PYTHONPATH=examples npm run evaluate-agent -- --run runs/corridor --episodes 20 --trust-modules': { with: '' },
  'npm run train-agent -- --env-id CartPole-v1 --steps 1000 --run-dir runs/resumed': { with: short },
  'npm run train-agent -- --run-dir runs/resumed --resume': { with: '' },
  'npm run train-agent -- --run-dir runs/resumed --resume --steps 1500': { with: '' },
  'npm run train-agent -- --run-dir runs/resumed --resume --checkpoint 1000 --steps 1200': { with: '' },
  'npm run compare-runs -- runs/* --out report.html': { with: '' },
  'npm run sweep -- normalizations.yaml --dry-run': { with: '' },
  'npm run sweep -- normalizations.yaml --jobs 2': { testedBy: 'test/cli/sweep.test.ts' },
  'npm run view-runs -- runs/Enduro-fast-seed1 --open': { testedBy: 'test/viewer/page.test.ts' },
  'npm run train-agent -- --game Enduro --view': { testedBy: 'test/docs-commands.test.ts' },
  'npm run view-runs -- runs --report': { with: '' },
  'npm run tensorboard': { testedBy: 'test/cli/tensorboard.test.ts' },
  'npm run tensorboard -- runs/Enduro-fast-seed1 --port 7000': { testedBy: 'test/cli/tensorboard.test.ts' },
  'npm run export-agent -- --run runs/Enduro-fast-seed1 --format onnx enduro-onnx': { with: '--no-video' },
  'npm run export-agent -- --run runs/Enduro-fast-seed1 --format agent --half --no-video enduro': { with: '' },
  'npm run evaluate-agent -- --run enduro --epsilon 0 --episodes 2 --record': { with: '--max-episode-frames 100' },
  'npm run evaluate-agent -- --run examples/agents/enduro --episodes 2': { with: '--max-episode-frames 100' },
  'npm run train-agent -- --env-id MinAtar/Breakout-v1 --num-envs 8 --env-workers 2': { with: `--steps 400 ${short}` },
  'npm run ray -- up --cpus 2': { testedBy: 'test/ray/head.test.ts' },
  'npm run ray -- status': { testedBy: 'test/ray/head.test.ts' },
  'npm run ray -- down': { testedBy: 'test/ray/head.test.ts' },
  'npm run sweep -- normalizations.yaml --ray http://127.0.0.1:8265 --remote-dir .': {
    testedBy: 'test/ray/sweep.test.ts',
  },
  'git clone ... /shared/weightnorm-rl && cd /shared/weightnorm-rl && npm run setup': {
    testedBy: 'test/setup/python.test.ts',
  },
  'npm run sweep -- normalizations.yaml --out /shared/runs/normalizations --ray http://127.0.0.1:8265 --remote-dir /shared/weightnorm-rl --run-cpus 4':
    { testedBy: 'test/ray/sweep.test.ts' },
  'srun npm run sweep -- normalizations.yaml --out /shared/runs/normalizations --only $SLURM_ARRAY_TASK_ID': {
    testedBy: 'test/cli/sweep.test.ts',
  },
  'npm run sweep -- normalizations.yaml --out /shared/runs/normalizations': { testedBy: 'test/cli/sweep.test.ts' },
  'npm run simulate-scale -- --update-ms 3.3 --acting-ms 1 --acting-state-ms 0.02': { with: '' },
  'npm run browser-examples': { testedBy: 'test/browser/pages.test.ts' },
};

const texts = ['/tutorial', ...pages.find(({ text }) => text === 'How-to')!.items!.map(({ link }) => link)].map(
  (link) => readFileSync(join(mainRoot, `docs${link}.md`), 'utf8'),
);
const typed = texts
  .flatMap((text) =>
    [...text.matchAll(/^```bash\n(.*?)^```$/gms)].flatMap(([, block]) =>
      block
        .trim()
        .replaceAll(/ *\\\n */g, ' ')
        .split('\n'),
    ),
  )
  .map((line) => line.replace(/ +# .*/, ''));
const programs = typed.filter((line) => line.includes('dist/examples/'));
// What is not begun by npm is the program of somebody else, such as `wandb`.
const commands = typed.filter((line) => /\bnpm run\b/.test(line) && !programs.includes(line));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'docs-commands-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('each command is run, or names the test that does', () => {
  expect([...new Set(commands)].sort()).toEqual(Object.keys(plan).sort());
  for (const how of Object.values(plan)) {
    if ('testedBy' in how) expect(existsSync(join(mainRoot, how.testedBy)), how.testedBy).toBe(true);
  }
});

test('each program that is run is an example, and shown beside', () => {
  for (const line of programs) {
    const [, name] = /^npm run build && node dist\/examples\/([a-z-]+)\.js$/.exec(line) ?? [];
    expect(existsSync(join(mainRoot, `examples/${name}.ts`)), line).toBe(true);
    expect(
      texts.some((text) => text.includes(line) && text.includes(`<<< ../examples/${name}.ts`)),
      line,
    ).toBe(true);
  }
});

describe('the commands', () => {
  beforeEach(({ skip }) => skip(!isLong, NEEDS_ASKING));

  test.each(Object.entries(plan).flatMap(([line, how]) => ('with' in how ? [[line, how.with]] : [])))(
    '%s',
    async (line, more) => {
      const [, path, name, given = ''] = /^(?:PYTHONPATH=(\S+) )?npm run ([a-z-]+)(?: -- (.*))?$/.exec(line)!;
      if (name === 'sweep')
        writeFileSync(join(folder, 'normalizations.yaml'), /```yaml\n(.*?)```/s.exec(texts.join(''))![1]);
      const args = `${given} ${more}`
        .split(' ')
        .filter((word) => word !== '')
        .flatMap(asShell);
      const started = start(process.execPath, [join(mainRoot, 'dist/scripts', `${name}.js`), ...args], {
        cwd: folder,
        ...(path && { env: { PYTHONPATH: join(mainRoot, path) } }),
      });
      if (line === 'npm run view-runs') {
        const address = () => /http:\/\/127\.0\.0\.1:\d+\//.exec(started.output.stdout)?.[0];
        await until('it tells its address', () => address() !== undefined, started.child);
        expect((await fetch(address()!)).status).toBe(200);
        started.child.kill('SIGINT');
      }
      const { code, stderr } = await started.ended;
      expect(code, stderr).toBe(0);
    },
  );

  test('left what the pages say', () => {
    for (const file of ['enduro.mp4', 'report.html', 'enduro-onnx/model.onnx', 'runs/resumed/report.html'])
      expect(existsSync(join(folder, file)), file).toBe(true);
    expect(readdirSync(join(folder, 'runs/resumed/checkpoints'))).toContain('1500-set-aside');
  });
});

/** What a shell makes of a word, and a reader of FILE. */
function asShell(word: string): string[] {
  if (word.startsWith('examples/')) return [join(mainRoot, word)];
  if (word === 'runs/*') return readdirSync(join(folder, 'runs')).map((name) => join('runs', name));
  const [, recordings] = /^(.*)\/FILE$/.exec(word) ?? [];
  if (recordings === undefined) return [word];
  return [join(recordings, readdirSync(join(folder, recordings))[0])];
}
