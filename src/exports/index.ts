export { agentGraph, type ExportedAgent } from './agent-graph.ts';
export { type ExportAgentOptions, type ExportedRun, type ExportedTensor, exportAgentRun } from './export-run.ts';
export type { FilmedEpisode } from './film.ts';
export { EXPORT_FORMATS, type ExportFormat, type WriteOptions, writeGraph } from './formats.ts';
export { Graph, type Value, type Weight } from './graph.ts';
export { ExportError } from './layers.ts';
