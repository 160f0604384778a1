export { deriveSeed, Generator } from './generator.ts';
