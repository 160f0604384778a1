// What atari.html shows: each agent of examples/agents as a graph of tfjs, with its recorded episode; into
// public/agents, or into the folder that is given.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const place = (path) => fileURLToPath(new URL(path, import.meta.url));
const agents = place('../agents');
const out = process.argv[2] ?? place('./public/agents');

function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [place(`../../dist/scripts/${script}.js`), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const names = readdirSync(agents, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
for (const name of names) {
  const [recording] = readdirSync(`${agents}/${name}/recordings`);
  console.error(`${name}: its network, and what it saw in ${recording}`);
  run('export-agent', '--run', `${agents}/${name}`, '--format', 'tfjs', '--no-video', `${out}/${name}`);
  run(
    ...['replay-episode', `${agents}/${name}/recordings/${recording}`],
    ...['--observations', `${out}/${name}/episode.safetensors.gz`],
  );
}
writeFileSync(`${out}/agents.json`, JSON.stringify(names));
