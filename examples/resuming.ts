// Leaves a run in its midst, resumes and lengthens it. Run: npm run build && node dist/examples/resuming.js
import { join } from 'node:path';
import { resume, train } from 'weightnorm-rl/agents';
import { readEvents } from 'weightnorm-rl/runs';

const runDir = process.argv[2] ?? 'runs/resuming';
const run = await train({ env: 'CartPole-v1', steps: 2_000, runDir });
for await (const { position } of run) {
  if (position >= 1_000) break; // saves, and closes the environments
}
console.log(`left at agent step ${run.summary().position}`);

const resumed = await resume({ runDir, steps: 3_000 });
const { position } = await resumed.finish();

const episodes = (await readEvents(join(runDir, 'metrics.jsonl'))).filter(({ kind }) => kind === 'episode');
console.log(`resumed to agent step ${position}, after ${episodes.length} episodes in all`);
