export {
  didYouMean,
  nearest,
  newCommand,
  numberIn,
  runCommand,
  shellWord,
  UsageError,
  wholeNumber,
  writeResult,
} from './command.ts';
export { addSettings, givenSettings, kebab } from './schema-options.ts';
