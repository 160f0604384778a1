import { availableParallelism } from 'node:os';
import { acting } from './acting.ts';
import { agents } from './agents.ts';
import { type Cifar10Options, cifar10 } from './cifar10.ts';
import { endToEnd } from './end-to-end.ts';
import { kernels } from './kernels.ts';
import { learner } from './learner.ts';
import { describeMachine, load } from './machine.ts';
import { measureMemory } from './memory.ts';
import { normalizations } from './normalizations.ts';
import type { Benchmark, Plan, PrepareOptions } from './plan.ts';
import { replay } from './replay.ts';
import { formatMemoryRow, formatMemoryVerdict, makeReport, memoryHeader, type Report } from './report.ts';
import { interleave } from './rounds.ts';
import { sidecar } from './sidecar.ts';
import { workers } from './workers.ts';

/** The benchmarks that compare variants; `memory` is of another kind. */
export const benchmarks: Readonly<Record<string, Benchmark>> = {
  learner,
  agents,
  kernels,
  normalizations,
  cifar10,
  acting,
  replay,
  sidecar,
  workers,
  'end-to-end': endToEnd,
};

export interface ComparisonOptions {
  rounds?: number | undefined;
  turnSeconds?: number | undefined;
  /** No round begins later than this. Default: the benchmark's own, and no limit where `rounds` is given. */
  seconds?: number | undefined;
}

/** Prepares a benchmark and lets its variants take turns. */
export async function compare(
  name: string,
  { rounds, turnSeconds, seconds }: ComparisonOptions,
  prepareOptions: Cifar10Options,
): Promise<{ report: Report; plan: Plan }> {
  const { note } = prepareOptions;
  const benchmark = benchmarks[name];
  const wanted = rounds ?? benchmark.rounds;
  const turnMs = (turnSeconds ?? benchmark.turnSeconds) * 1000;
  const maxMs = (seconds ?? (rounds === undefined ? benchmark.seconds : Number.POSITIVE_INFINITY)) * 1000;
  const loadBefore = load();
  if (loadBefore > availableParallelism() / 4) note(`the machine is busy (load ${loadBefore}): expect wide spreads`);
  const plan = await benchmark.prepare(prepareOptions);
  let toldMs = Number.NEGATIVE_INFINITY;
  const times = await interleave(plan.variants, {
    rounds: wanted,
    turnMs,
    maxMs,
    onRound: (round) => {
      if (performance.now() - toldMs < 2000) return;
      toldMs = performance.now();
      note(round === 0 ? 'warming up' : `round ${round} of ${wanted}`);
    },
  });
  const machine = { ...describeMachine(), loadBefore, loadAfter: load() };
  return { report: makeReport(name, plan, times, { machine, turnMs }), plan };
}

/** Runs the memory benchmark; `print` hears of each row of its table and of the verdict. */
export async function watchMemory(
  options: { updates: number; batchSize: number },
  prepareOptions: Pick<PrepareOptions, 'note' | 'defer'>,
  print: (line: string) => void,
) {
  const loadBefore = load();
  let rows = 0;
  const result = await measureMemory(options, prepareOptions, (row) => {
    if (rows++ === 0) print(memoryHeader);
    print(formatMemoryRow(row));
  });
  print(formatMemoryVerdict(result));
  return { benchmark: 'memory', machine: { ...describeMachine(), loadBefore, loadAfter: load() }, ...result };
}
