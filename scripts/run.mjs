// `node scripts/run.mjs NAME ARGUMENTS`: sets up whatever is missing, then runs the command NAME ("test" runs the
// tests). Only syntax and imports that Node.js 12 understands here: an old Node must get as far as the check.
import { nodeVersionProblem } from './setup/node-version.mjs';

const problem = nodeVersionProblem(process.versions.node);
if (problem) {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 2;
} else {
  import('./setup/command-line.mjs').then((commandLine) => commandLine.run(process.argv.slice(2)));
}
