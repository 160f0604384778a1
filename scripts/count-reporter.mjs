// @ts-check

// A vitest reporter that writes how many tests passed, failed and were skipped, for run-tests.mjs.

import { writeFileSync } from 'node:fs';

export default class CountReporter {
  /**
   * @param {ReadonlyArray<import('vitest/node').TestModule>} modules
   * @param {ReadonlyArray<unknown>} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      const failedBefore = counts.failed;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'skipped') counts.skipped++;
        else counts.failed++;
      }
      // A file that cannot be loaded, or whose hooks fail, is a failure although no test of it is.
      if (module.state() === 'failed' && counts.failed === failedBefore) counts.failed++;
    }
    writeFileSync(/** @type {string} */ (process.env.WEIGHTNORM_TEST_COUNTS), JSON.stringify(counts));
  }
}
