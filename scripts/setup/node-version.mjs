// Kept in old syntax, like the files that import it: an old Node must be able to parse it in order to be told that it
// is too old.

export var oldestNode = 20;

/**
 * @param {string} version as in `process.versions.node`
 * @returns {string | undefined} one line for the user, or undefined where this Node will do
 */
export function nodeVersionProblem(version) {
  if (Number(version.split('.')[0]) >= oldestNode) return undefined;
  return (
    'Node.js ' +
    version +
    ' is too old: weightnorm-rl needs Node.js ' +
    oldestNode +
    ' or newer. Install one (for example with "nvm install 22") and run the command again.'
  );
}
