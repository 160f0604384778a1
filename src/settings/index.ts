export {
  describeProblem,
  fromFile,
  SettingError,
  type SettingProblem,
  showSetting,
  spellSettings,
} from './errors.ts';
export { choice, flag, number, precision, seed, sizes, wholeNumber } from './fields.ts';
export { nearest } from './nearest.ts';
export {
  type Preset,
  parseSettings,
  resolveSettings,
  resumedSettings,
  type SettingsDefinition,
  unknownName,
} from './resolve.ts';
