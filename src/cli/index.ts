export {
  INTERRUPTED,
  newCommand,
  numberIn,
  path,
  runCommand,
  shellWord,
  UsageError,
  wholeNumber,
  writeResult,
} from './command.ts';
export { printable, say } from './printable.ts';
export { addSettings, givenSettings, kebab, optionName } from './schema-options.ts';
