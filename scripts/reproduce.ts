import { newCommand, runCommand, UsageError } from '../src/cli/index.ts';
import { nearest } from '../src/settings/index.ts';
import { partsCommand } from './reproduce/command.ts';
import { normGrowthCommand } from './reproduce/norm-growth.ts';
import { groups } from './reproduce/parts/index.ts';

const commands = [
  normGrowthCommand(),
  ...Object.entries(groups).map(([name, { about, parts }]) => partsCommand(name, about, parts)),
];
const names = commands.map((part) => part.name());

const command = newCommand(
  'reproduce',
  'Reproduces results of Salimans & Kingma 2016: runs, figures and every number. "reproduce NAME --help" lists ' +
    'the options of one.',
)
  .usage('<name> [options]')
  .argument('[name]', 'which')
  .action((name: string | undefined) => {
    const known = names.join(', ');
    if (name === undefined) throw new UsageError(`name what to reproduce: ${known}`);
    const meant = nearest(name, names);
    throw new UsageError(
      `there is no "${name}" to reproduce${meant === undefined ? '' : `, did you mean "${meant}"?`}: choose from ` +
        `${known}`,
    );
  });
for (const part of commands) command.addCommand(part);

await runCommand(command);
