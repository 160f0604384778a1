// @ts-check

// A vitest reporter that writes how many tests passed, failed and were skipped, and which and why, for run-tests.mjs.

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
    for (const module of modules) {
      const failedBefore = counts.failed;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') counts.passed++;
        else if (result.state === 'skipped') {
          counts.skipped++;
          // The reason is what a test gave to its context's skip().
          const { note } = result;
          if (note || !this.selective) {
            leftOut.push(`${module.relativeModuleId} > ${test.fullName}: ${note ?? 'skipped, no reason given'}`);
          }
        } else counts.failed++;
      }
      // A file that cannot be loaded, or whose hooks fail, is a failure although no test of it is.
      if (module.state() === 'failed' && counts.failed === failedBefore) counts.failed++;
    }
    writeFileSync(/** @type {string} */ (process.env.WEIGHTNORM_TEST_COUNTS), JSON.stringify({ ...counts, leftOut }));
  }
}
