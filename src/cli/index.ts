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
export { makeGivenFolder } from './given-folder.ts';
export { printable, say } from './printable.ts';
export { addSettings, givenSettings, kebab, optionName } from './schema-options.ts';
