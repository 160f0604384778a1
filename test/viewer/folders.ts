// Run folders made by hand, good and bad.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a config.json of today holds, with some settings of one's own. */
export function config(settings: object = {}): object {
  return {
    ...{ formatVersion: 2, kind: 'agent', name: 'dqn', preset: 'fast', version: '0.1.0', commit: null },
    settings: { seed: 1, steps: 1000, ...settings },
    environment: { settings: { kind: 'atari', id: 'enduro', frameSkip: 4 }, packages: {} },
    machine: null,
    packages: { node: '20.0.0' },
  };
}

export function progressLine(agentSteps: number, numbers: object = {}): string {
  const line = { kind: 'progress', agentSteps, loss: agentSteps / 10, ...numbers, wallSeconds: agentSteps / 7 };
  return `${JSON.stringify(line)}\n`;
}

/** Makes a folder; text is written as it is, anything else as JSON. */
export function makeRun(path: string, configuration: unknown, metrics?: string): string {
  mkdirSync(path, { recursive: true });
  const text = typeof configuration === 'string' ? configuration : JSON.stringify(configuration);
  if (configuration !== undefined) writeFileSync(join(path, 'config.json'), text);
  if (metrics !== undefined) writeFileSync(join(path, 'metrics.jsonl'), metrics);
  return path;
}
