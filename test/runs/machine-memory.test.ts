import { expect, test } from 'vitest';
import { checkMachineMemory } from '../../src/runs/machine-memory.ts';

const needs = (replay: number, batch: number) => [
  { key: 'replayCapacity', value: 1_234_567, bytes: replay },
  { key: 'batchSize', value: 64, bytes: batch },
];

test('what a machine holds is let through', () => {
  checkMachineMemory(needs(5e9, 1e9), 8e9);
});

test('the largest need is named, with a value that fits', () => {
  expect(() => checkMachineMemory(needs(20e9, 1e9), 8e9)).toThrow(
    'replayCapacity 1234567 needs 20.0 GB beside 2.5 GB for the rest, and this machine has 8.0 GB: give at most 330000',
  );
  expect(() => checkMachineMemory(needs(1e9, 20e9), 8e9)).toThrow('batchSize 64 needs 20.0 GB beside 2.5 GB');
  expect(() => checkMachineMemory(needs(1e9, 20e9), 8e9)).toThrow(/give at most 17$/);
});

test('where the rest alone is too much, no value is recommended', () => {
  expect(() => checkMachineMemory(needs(20e9, 10e9), 8e9)).toThrow(/give less$/);
});
