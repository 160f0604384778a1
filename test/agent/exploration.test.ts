import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createExploration, type ExplorationOptions } from '../../src/agent/exploration.ts';

const options: ExplorationOptions = {
  exploration: 'temporally-extended',
  holdExponent: 2,
  longestHoldSteps: 500,
  numEnvs: 4,
  numActions: 9,
  seed: 3,
};

/** The choices of so many steps, by lane. */
function choices(given: Partial<ExplorationOptions>, epsilons: readonly number[]): number[][] {
  const exploration = createExploration({ ...options, ...given });
  const lanes: number[][] = Array.from({ length: given.numEnvs ?? options.numEnvs }, () => []);
  for (const epsilon of epsilons) {
    exploration.choose(epsilon).forEach((action, lane) => {
      lanes[lane].push(action);
    });
  }
  return lanes;
}

/**
 * Lengths of holds, told apart by an epsilon of 0.02: two holds hardly ever follow each other without a greedy step.
 */
function heldLengths(actions: readonly number[]): number[] {
  const lengths: number[] = [];
  let held = 0;
  for (const action of actions) {
    if (action !== -1) held += 1;
    else if (held > 0) {
      lengths.push(held);
      held = 0;
    }
  }
  return lengths;
}

test.each([
  [2, 500],
  [1.5, 20],
  [3, 100],
])('lengths of holds have the zeta distribution with exponent %d, cut off at %d', (holdExponent, longestHoldSteps) => {
  const epsilon = 0.02;
  const steps = new Array<number>(150_000).fill(epsilon);
  const lengths = choices({ holdExponent, longestHoldSteps }, steps).flatMap(heldLengths);
  // A run of exploring steps is one hold, or with probability epsilon each time one more behind it: the sum of them.
  const weights = Array.from({ length: longestHoldSteps }, (_, i) => (i + 1) ** -holdExponent);
  const total = weights.reduce((a, b) => a + b, 0);
  const hold = [0, ...weights.map((weight) => weight / total)];
  const expected = [0];
  for (let n = 1; n <= 40; n++) {
    let followed = 0;
    for (let k = 1; k < n; k++) followed += (hold[k] ?? 0) * expected[n - k];
    expected[n] = (1 - epsilon) * (hold[n] ?? 0) + epsilon * followed;
  }
  // Pearson's chi-square over the lengths 1 to 9 and all longer ones: 9 degrees of freedom, p = 0.0001 at 33.7.
  const bins = Array.from({ length: 9 }, (_, i) => ({
    seen: lengths.filter((length) => length === i + 1).length,
    wanted: expected[i + 1] * lengths.length,
  }));
  const rest = lengths.length - bins.reduce((sum, { seen }) => sum + seen, 0);
  bins.push({ seen: rest, wanted: lengths.length - bins.reduce((sum, { wanted }) => sum + wanted, 0) });
  const chiSquare = bins.reduce((sum, { seen, wanted }) => sum + (seen - wanted) ** 2 / wanted, 0);
  expect(lengths.length).toBeGreaterThan(3000);
  expect(chiSquare).toBeLessThan(33.7);
  if (longestHoldSteps === 500) expect(Math.max(...lengths)).toBeGreaterThan(100);
  if (longestHoldSteps === 20) expect(Math.max(...lengths)).toBeLessThanOrEqual(60); // three holds in a row at most
});

test('held actions are uniform, and with a longest hold of 1 the policy is epsilon-greedy in distribution', () => {
  const actions = choices({ longestHoldSteps: 1 }, new Array<number>(20_000).fill(0.5)).flat();
  const share = actions.filter((action) => action === -1).length / actions.length;
  expect(Math.abs(share - 0.5)).toBeLessThan(0.01); // 5.6 standard deviations
  for (let action = 0; action < options.numActions; action++) {
    const count = actions.filter((chosen) => chosen === action).length;
    const wanted = (0.5 * actions.length) / options.numActions;
    expect(Math.abs(count - wanted)).toBeLessThan(5 * Math.sqrt(wanted));
  }
});

test('a hold goes on whatever epsilon becomes; without one, epsilon 0 never explores and 1 always does', () => {
  const epsilons = [1, ...new Array<number>(3000).fill(0)];
  for (const lane of choices({ holdExponent: 0, numEnvs: 50 }, epsilons)) {
    const length = lane.indexOf(-1);
    expect(lane.slice(0, length)).toEqual(new Array(length).fill(lane[0]));
    expect(lane.slice(length).every((action) => action === -1)).toBe(true);
  }
  for (const exploration of ['epsilon-greedy', 'temporally-extended'] as const) {
    expect(choices({ exploration }, [0, 0, 0]).flat()).toEqual(new Array(12).fill(-1));
    expect(choices({ exploration }, new Array(500).fill(1)).flat()).not.toContain(-1);
  }
});

test('a lane explores in the same way whatever the others do, and however many there are', () => {
  const epsilons = Array.from({ length: 2000 }, (_, step) => (step % 7) / 10);
  const many = choices({ numEnvs: 6 }, epsilons);
  const few = choices({ numEnvs: 2 }, epsilons);
  expect(few).toEqual(many.slice(0, 2));
  expect(new Set(many.map((lane) => lane.join())).size).toBe(6);
});

test('a policy made from a state goes on with the same choices', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('epsilon-greedy' as const, 'temporally-extended' as const),
      fc.integer({ min: 0, max: 1000 }),
      fc.integer({ min: 0, max: 60 }),
      (exploration, seed, before) => {
        const whole = createExploration({ ...options, exploration, seed });
        for (let step = 0; step < before; step++) whole.choose(0.4);
        const state = JSON.parse(JSON.stringify(whole.getState()));
        const continued = createExploration({ ...options, exploration, seed: seed + 1 });
        continued.setState(state);
        for (let step = 0; step < 200; step++) expect(continued.choose(0.3)).toEqual(whole.choose(0.3));
      },
    ),
  );
});

test('a state of another policy, or of another number of environments, is refused', () => {
  const state = createExploration(options).getState();
  expect(() => createExploration({ ...options, numEnvs: 3 }).setState(state)).toThrow('with 3 environments');
  expect(() => createExploration({ ...options, exploration: 'epsilon-greedy' }).setState(state)).toThrow(
    '"epsilon-greedy"',
  );
  const plain = createExploration({ ...options, exploration: 'epsilon-greedy' }).getState();
  expect(() => createExploration(options).setState(plain)).toThrow('"temporally-extended"');
});

test.each(['epsilon-greedy', 'temporally-extended'] as const)(
  "%s: with a spread of 7 lane k of N explores with epsilon^(1 + 7 k / (N - 1)), Ape-X's",
  (exploration) => {
    const steps = 40_000;
    const given = { exploration, numEnvs: 3, epsilonSpread: 7, longestHoldSteps: 1 };
    const lanes = choices(given, new Array<number>(steps).fill(0.4));
    lanes.forEach((lane, k) => {
      const wanted = 0.4 ** (1 + (7 * k) / 2);
      const share = lane.filter((action) => action !== -1).length / steps;
      expect(Math.abs(share - wanted)).toBeLessThan(5 * Math.sqrt((wanted * (1 - wanted)) / steps));
    });
    // At epsilon 1 all lanes explore, and one lane alone has epsilon itself.
    expect(choices(given, [1, 1]).flat()).not.toContain(-1);
    const alone = { exploration, numEnvs: 1 };
    const epsilons = Array.from({ length: 500 }, (_, step) => (step % 9) / 10);
    expect(choices({ ...alone, epsilonSpread: 7 }, epsilons)).toEqual(choices(alone, epsilons));
  },
);

test('none never explores, has no state, and takes up no other', () => {
  expect(choices({ exploration: 'none' }, [0, 0.5, 1]).flat()).toEqual(new Array(12).fill(-1));
  const none = createExploration({ ...options, exploration: 'none' });
  expect(none.getState()).toEqual([]);
  none.setState([]);
  const plain = createExploration({ ...options, exploration: 'epsilon-greedy' });
  expect(() => none.setState(plain.getState())).toThrow('"none"');
  expect(() => plain.setState([])).toThrow('"epsilon-greedy"');
});
