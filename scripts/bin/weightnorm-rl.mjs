#!/usr/bin/env node
// Only syntax and imports that Node.js 12 understands here: an old Node must get as far as the check.
import { nodeVersionProblem } from '../setup/node-version.mjs';

const problem = nodeVersionProblem(process.versions.node);
if (problem) {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 2;
} else {
  import('../setup/command-line.mjs').then((commandLine) => commandLine.main(process.argv.slice(2)));
}
