import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { linkPackage, mainRoot, makeProject, run, start, timed } from './project.ts';

/** A project that is set up, with the commands and tests that are given by name and code. */
function makeReadyProject(files: Record<string, string>): string {
  const root = makeProject();
  symlinkSync(join(mainRoot, '.venv'), join(root, '.venv'));
  for (const name of ['node-api-headers', '@tensorflow/tfjs-node-gpu', 'vitest']) linkPackage(root, name);
  for (const [name, code] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), code);
  }
  return root;
}

describe('a command', () => {
  test('runs with its arguments and its own exit code, set-up staying silent', async () => {
    const code = 'console.log(process.argv[1].slice(-20), ...process.argv.slice(2)); process.exitCode = 7;';
    const root = makeReadyProject({ 'dist/scripts/say.js': code });
    expect(await run(root, ['scripts/run.mjs', 'say', '--game', 'Enduro'])).toMatchObject({
      code: 7,
      stdout: '/dist/scripts/say.js --game Enduro\n',
      stderr: '',
    });
  });

  test('handles its own signals', async () => {
    const code = `process.on('SIGINT', () => process.exit(5)); setInterval(() => {}, 1000); console.log('ready');`;
    const { child, ended } = start(makeReadyProject({ 'dist/scripts/wait.js': code }), ['scripts/run.mjs', 'wait']);
    await once(child.stdout!, 'data');
    child.kill('SIGINT');
    expect((await ended).code).toBe(5);
  });

  test.each(['no-such', '../evil', ''])('called %j does not exist: one line, exit code 2', async (name) => {
    expect(await run(makeReadyProject({}), ['scripts/run.mjs', name])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: `There is no command "${name}".\n`,
    });
  });
});

describe('npm run setup', () => {
  test('takes under 2 s of a processor where nothing is to be done', () => {
    const { code, stdout, processorSeconds } = timed(makeReadyProject({}));
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Everything is up to date.\n' });
    expect(processorSeconds).toBeLessThan(2);
  });

  test('explains itself', async () => {
    const { code, stdout } = await run(makeProject(), ['scripts/setup/setup.mjs', '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/--gpu[\s\S]*--cpu[\s\S]*--force[\s\S]*WEIGHTNORM_PYTHON/);
  });

  test.each([
    [['--frobnicate'], "Unknown option '--frobnicate': see"],
    [['--gpu', '--cpu'], '--gpu and --cpu exclude each other: see'],
    [['fast'], "Unexpected argument 'fast'"],
  ])('refuses %j in one line', async (args, line) => {
    const { code, stdout, stderr } = await run(makeProject(), ['scripts/setup/setup.mjs', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^.+\n$/);
    expect(stderr).toContain(line);
  });
});

describe('npm test', () => {
  const testFile = (body: string) => `import { expect, test } from 'vitest';\n${body}`;
  const counts = async (files: Record<string, string>) => {
    const { code, stdout } = await run(makeReadyProject(files), ['scripts/run.mjs', 'test']);
    return { code, last: stdout.trimEnd().split('\n').at(-1) };
  };

  test('ends with the counts and exit code 0 when all tests pass', async () => {
    const body = "test('is', () => expect(1).toBe(1)); test('too', () => {}); test.skip('later', () => {});";
    expect(await counts({ 'a.test.ts': testFile(body) })).toEqual({ code: 0, last: '2 passed, 0 failed, 1 skipped' });
  });

  test('fails for a failing test, and for a file that cannot be loaded', async () => {
    const files = {
      'a.test.ts': testFile("test('is', () => {}); test('is not', () => expect(1).toBe(2));"),
      'b.test.ts': "import './no-such-file.ts';",
    };
    expect(await counts(files)).toEqual({ code: 1, last: '1 passed, 2 failed' });
  });

  test('--repeat runs all rounds, lists what is not stable, and counts every test once', async () => {
    const everySecondTime = `
      import { appendFileSync, readFileSync } from 'node:fs';
      test('is every second time', () => {
        appendFileSync('rounds', 'x');
        expect(readFileSync('rounds', 'utf8').length % 2).toBe(1);
      });`;
    const root = makeReadyProject({
      'a.test.ts': testFile(`${everySecondTime} test('is', () => {}); test('is not', () => expect(1).toBe(2));`),
      'b.test.ts': testFile("test('was not asked for', () => {});"),
    });
    const { code, stdout } = await run(root, ['scripts/run.mjs', 'test', '--repeat', '2', 'a.test.ts']);
    expect({ code, last: stdout.trimEnd().split('\n').slice(-3) }).toEqual({
      code: 1,
      last: [
        'failed each time: a.test.ts > is not',
        'not stable: a.test.ts > is every second time: failed in 1 of 2 rounds',
        '1 passed, 2 failed',
      ],
    });
    expect(stdout.match(/^\d+ passed, \d+ failed/gm)).toHaveLength(1);
  });

  test.each([[['--repeat']], [['--repeat=0']], [['--repeat', '1.5']], [['--repeat', 'a.test.ts']]])(
    'refuses %j in one line',
    async (args) => {
      expect(await run(makeReadyProject({}), ['scripts/run.mjs', 'test', ...args])).toMatchObject({
        code: 2,
        stdout: '',
        stderr: '--repeat takes a whole number from 1 up, as in "npm test -- --repeat 10".\n',
      });
    },
  );

  test('fails when no test runs', async () => {
    expect(await counts({})).toEqual({ code: 1, last: '0 passed, 0 failed' });
  });
});
