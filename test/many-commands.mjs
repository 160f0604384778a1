// Runs commands of this project one after the other in one process and prints how each ended, as JSON:
// node many-commands.mjs '[["train-agent", ...], ...]'
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const scripts = fileURLToPath(new URL('../dist/scripts', import.meta.url));
const write = process.stdout.write.bind(process.stdout);
process.setMaxListeners(0);

const endings = [];
for (const [i, [name, ...args]] of JSON.parse(process.argv[2]).entries()) {
  const script = join(scripts, `${name}.js`);
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) {
    process[stream].write = (text, ...rest) => {
      output[stream] += text;
      rest.at(-1)?.();
      return true;
    };
  }
  process.argv = [process.execPath, script, ...args];
  process.exitCode = undefined;
  // The query makes it another module, which runs anew; what it imports is there already.
  await import(`${pathToFileURL(script)}?run=${i}`);
  endings.push({ code: process.exitCode ?? 0, signal: null, ...output });
}
process.exitCode = 0;
write(JSON.stringify(endings));
