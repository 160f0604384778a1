export { reportAtEnd, writeRunReport } from './write-report.ts';
