// A program that owns a sidecar and ends in the way that its first argument says. It uses the package as it is
// installed: compiled.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { makeVectorEnv } from 'gymnasium-js-bridge';

const [way, id = 'CartPole-v1'] = process.argv.slice(2);

if (way === 'worker' && isMainThread) {
  // A thread of its own has the environment, and is ended with it open.
  const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
  const pid = await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
  console.log(pid);
  setInterval(() => {}, 1000);
}

if (way === 'start') makeVectorEnv({ id }).catch(() => {}); // and be killed meanwhile
const isStarter = way === 'start' || (way === 'worker' && isMainThread);
const env = isStarter ? undefined : await makeVectorEnv({ id });
if (env) {
  await env.reset();
  // Before the id is printed: whoever reads it may send the signal at once.
  if (way === 'save-on-interrupt') {
    process.once('SIGINT', async () => {
      const { rewards } = await env.step([1]); // the sidecar must still be there
      await env.close();
      console.log(`saved ${rewards[0]}`);
      process.exit(0);
    });
  }
  if (isMainThread) console.log(env.info.pid);
  else parentPort.postMessage(env.info.pid);
}

switch (way) {
  case 'return':
    break; // without close(): an idle environment does not keep Node running
  case 'close':
    await env.close();
    break;
  case 'exit':
    process.exit(3);
    break;
  case 'exit-busy':
    env.send([2]);
    process.exit(3);
    break;
  case 'throw':
    setTimeout(() => {
      throw new Error('uncaught');
    }, 1);
    break;
  case 'worker':
  case 'wait':
  case 'save-on-interrupt':
    setInterval(() => {}, 1000);
    break;
  case 'sleep-step':
    env.send([2]); // keeps Node running
    break;
  case 'greedy-step':
    env.send([3]);
    break;
}
