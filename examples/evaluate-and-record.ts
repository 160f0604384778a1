// Evaluates and records a checkpoint, and emulates a recording again.
// Run: npm run build && node dist/examples/evaluate-and-record.js
import { evaluate, train } from 'weightnorm-rl/agents';
import { readRecording, verifyRecording } from 'weightnorm-rl/recording';

const runDir = process.argv[2] ?? 'runs/evaluate-and-record';
const run = await train({ env: 'CartPole-v1', steps: 2_000, runDir, checkpointPeriodSteps: 1_000 });
for await (const { position, events } of run) {
  if (events.length > 0 && position > 1_900) console.log(`agent step ${position}: an episode has ended`);
}

for (const checkpoint of [1_000, 2_000]) {
  const { meanReturn, episodes } = await evaluate({ runDir, checkpoint, episodes: 3, record: true });
  const recording = await readRecording(episodes[0].recording!);
  const { equal } = await verifyRecording(recording);
  const same = equal ? 'plays again bit for bit' : 'plays another game';
  console.log(`checkpoint ${checkpoint}: mean return ${meanReturn.toFixed(1)}; its first recording ${same}`);
}
