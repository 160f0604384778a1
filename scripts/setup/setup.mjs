// `npm run setup`. Only syntax and imports that Node.js 12 understands here: an old Node must get as far as the check.
import { nodeVersionProblem } from './node-version.mjs';

const problem = nodeVersionProblem(process.versions.node);
if (problem) {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 2;
} else {
  import('./command-line.mjs').then((commandLine) => commandLine.setUp(process.argv.slice(2)));
}
