// @ts-check

// A vitest reporter that writes how many tests passed, failed and were skipped, which those are, and why some were left
// out, for run-tests.mjs.

import { writeFileSync } from 'node:fs';

export default class CountReporter {
  /** Whether the caller asked for tests by name (-t), and so knows of the others. */
  selective = false;

  /** @param {import('vitest/node').Vitest} vitest */
  onInit(vitest) {
    this.selective = vitest.config.testNamePattern !== undefined;
  }

  /**
   * @param {ReadonlyArray<import('vitest/node').TestModule>} modules
   * @param {ReadonlyArray<unknown>} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    /** @type {string[]} */
    const leftOut = [];
    /** @type {Record<string, 'passed' | 'failed' | 'skipped'>} */
    const outcomes = unhandledErrors.length > 0 ? { 'an error outside every test': 'failed' } : {};
    for (const module of modules) {
      const failedBefore = counts.failed;
      for (const test of module.children.allTests()) {
        const result = test.result();
        let name = `${module.relativeModuleId} > ${test.fullName}`;
        while (name in outcomes) name += ' (another one)';
        outcomes[name] = result.state === 'pending' ? 'failed' : result.state;
        if (result.state === 'passed') counts.passed++;
        else if (result.state === 'skipped') {
          counts.skipped++;
          // The reason is what a test gave to its context's skip().
          const { note } = result;
          if (note || !this.selective) {
            leftOut.push(`${name}: ${note ?? 'skipped, no reason given'}`);
          }
        } else counts.failed++;
      }
      // A file that cannot be loaded, or whose hooks fail, is a failure although no test of it is.
      if (module.state() === 'failed' && counts.failed === failedBefore) {
        counts.failed++;
        outcomes[module.relativeModuleId] = 'failed';
      }
    }
    const written = JSON.stringify({ ...counts, leftOut, outcomes });
    writeFileSync(/** @type {string} */ (process.env.WEIGHTNORM_TEST_COUNTS), written);
  }
}
