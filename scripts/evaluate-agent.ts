import { Option } from 'commander';
import { findAgent } from '../agents/registry.ts';
import { evaluateAgentRun, protocols } from '../src/agent/evaluate.ts';
import {
  INTERRUPTED,
  newCommand,
  numberIn,
  path,
  runCommand,
  say,
  wholeNumber,
  writeResult,
} from '../src/cli/index.ts';
import { onInterrupt } from '../src/cli/interrupt.ts';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';

const command = newCommand('evaluate-agent', 'Plays whole episodes with a trained agent and reports its scores.')
  .requiredOption('--run <folder>', 'the run folder that train-agent wrote', path)
  .option('--episodes <count>', 'episodes to play', wholeNumber(1), 10)
  .option(
    '--seed <integer>',
    'decides every episode: the same seed gives the same scores',
    wholeNumber(0, 0x7fffffff),
    1,
  )
  .addOption(
    new Option(
      '--protocol <name>',
      'how to play Atari (default: machado for runs with sticky actions, else nature)',
    ).choices(Object.keys(protocols)),
  )
  .option('--epsilon <probability>', "of a random action, in place of the protocol's", numberIn(0, 1))
  .option('--max-episode-frames <frames>', "cut Atari episodes off, in place of the protocol's", wholeNumber(1))
  .option(
    '--max-episode-steps <agent steps>',
    'cut episodes off, in any environment (default: as the run)',
    wholeNumber(1, 0x7fffffff),
  )
  .option(
    '--env-timeout-seconds <seconds>',
    'longest wait for the environments to answer, then they are started again (default: as the run)',
    numberIn(0.001, 86_400),
  )
  .option(
    '--checkpoint <agent steps|best>',
    'which checkpoint; best: that of the best evaluation while training (default: the newest)',
    (text) => (text === 'best' ? text : wholeNumber(0)(text)),
  )
  .option('--trust-modules', 'import the Python module that the run folder names as its environment')
  .option('--record', "record every episode in the run's recordings folder, for replay-episode")
  .option('--json', 'print one JSON object on stdout, and nothing else')
  .addHelpText(
    'after',
    `
Protocols:
${Object.entries(protocols)
  .map(([name, { about }]) => `  ${name.padEnd(9)}${about}`)
  .join('\n')}`,
  );

command.action(async ({ run, json, ...options }) => {
  const { version, device } = loadTensorFlow();
  say(`TensorFlow ${version} on ${device}`);
  const evaluation = await evaluateAgentRun(findAgent, {
    runDir: run,
    ...options,
    signal: onInterrupt(() => say('stopping: reporting the episodes that have ended')),
    note: say,
    onEpisode: (episode, number) =>
      say(
        `episode ${number + 1} of ${options.episodes}: score ${episode.return} in ${episode.lengthFrames} frames ` +
          `(seed ${episode.seed})`,
      ),
  });
  if (evaluation.interrupted) {
    say(`interrupted: the first ${evaluation.episodes.length} of ${options.episodes} episodes, no others`);
    process.exitCode = INTERRUPTED;
  }
  if (json) {
    await writeResult(`${JSON.stringify(evaluation)}\n`);
    return;
  }
  const { meanReturn, medianReturn, stdReturn, minReturn, maxReturn, humanNormalizedScore, episodes } = evaluation;
  const percent =
    humanNormalizedScore === null
      ? ''
      : `\nhuman-normalised ${(humanNormalizedScore * 100).toFixed(1)} % (0 % random play, 100 % a human tester)`;
  await writeResult(
    `${evaluation.environment}, ${evaluation.isBest ? 'best ' : ''}checkpoint of agent step ` +
      `${evaluation.checkpointAgentSteps}, ${evaluation.protocol ?? "the run's own"} protocol, ` +
      `epsilon ${evaluation.epsilon}\n${episodes.length} episodes: mean ${meanReturn.toFixed(1)}, ` +
      `median ${medianReturn.toFixed(1)}, std ${stdReturn.toFixed(1)}, from ${minReturn} to ${maxReturn}${percent}\n`,
  );
  for (const { recording } of episodes) if (recording !== undefined) await writeResult(`recorded ${recording}\n`);
});

await runCommand(command);
