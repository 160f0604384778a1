// What a job on a machine of the cluster does: looks whether it can run there, and runs a command of ours.
import type { Job } from '../jobs.ts';

/** The exit code of a job that its machine cannot run, which no retry mends; none of our commands ends with it. */
export const UNFIT_CODE = 78;
const UNFIT = 'weightnorm-rl: ';

/** Where the project lies on the machines of a cluster. */
export type Code =
  /** A folder that all of them have, where the project is set up. */
  | { readonly remoteDir: string }
  /** An uploaded package, which Ray unpacks into the job's working folder; the job sets up what is missing. */
  | { readonly packageName: string };

/**
 * A line for /bin/sh. Standard output of a question goes to a file beside its answer: Ray's log mixes it with errors.
 * @param marker A file of the folder of runs and what it holds: a machine that finds another there does not share it.
 */
export function entrypointOf(
  job: Job,
  args: readonly string[],
  { code, marker, answerPath }: { code: Code; marker: { path: string; id: string }; answerPath: string | undefined },
): string {
  const checks = [
    check(
      'command -v node >/dev/null 2>&1',
      'has no Node.js: install Node.js 20 or newer on every machine of the cluster',
    ),
    check(
      `node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'`,
      'has a Node.js that is too old: install Node.js 20 or newer on every machine of the cluster',
    ),
  ];
  if ('remoteDir' in code) {
    const dir = quote(code.remoteDir);
    checks.push(
      check(
        `cd ${dir} 2>/dev/null && [ -f dist/scripts/${job.command}.js ]`,
        `has no project that is set up in ${code.remoteDir} (--remote-dir): run "npm run setup" in a clone there, or ` +
          'name another folder',
      ),
    );
  }
  checks.push(
    check(
      `[ "$(cat ${quote(marker.path)} 2>/dev/null)" = ${marker.id} ]`,
      `does not see the folder of runs, ${marker.path.replace(/\/[^/]*$/, '')}: name one with --out that ` +
        'all machines share under the same path',
    ),
  );
  const program = 'remoteDir' in code ? `dist/scripts/${job.command}.js` : `scripts/run.mjs ${job.command}`;
  const output = answerPath === undefined ? '' : ` > ${quote(answerPath)}`;
  return [...checks, `exec node ${program} ${args.map(quote).join(' ')}${output}`].join('; ');
}

/** What an unfit machine said, of the log of a job that ended with UNFIT_CODE. */
export function unfitnessIn(log: string): string {
  const line = log.split('\n').findLast((text) => text.startsWith(UNFIT));
  return line?.slice(UNFIT.length) ?? 'a machine of the cluster cannot run the project';
}

function check(test: string, problem: string): string {
  return `${test} || { printf '%s\\n' ${quote(UNFIT)}"$(hostname)"${quote(` ${problem}`)}; exit ${UNFIT_CODE}; }`;
}

/** A word for /bin/sh. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
