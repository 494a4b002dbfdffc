import { writeFileSync } from 'node:fs';
import process from 'node:process';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule, TestSpecification } from 'vitest/node';

/**
 * Writes "123 passed, 0 failed" to the file that SPARTAKUS_TEST_COUNTS names, when the run ends. The reporters of Vitest count failed tests only;
 * here each of these is a failure too: a file without a failed test that failed all the same (it does not load, or a hook failed), a file that did
 * not run because its worker ended before it, and each error outside of the tests (an unhandled rejection, a worker that ended).
 */
export default class CountReporter implements Reporter {
  #planned: readonly TestSpecification[] = [];

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    this.#planned = specifications;
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const file = process.env['SPARTAKUS_TEST_COUNTS'];
    if (file === undefined) throw new Error('SPARTAKUS_TEST_COUNTS must name the file to write the counts to');
    const ran = new Set(modules.map(({ moduleId, project }) => `${project.name} ${moduleId}`));
    const lost = this.#planned.filter(({ moduleId, project }) => !ran.has(`${project.name} ${moduleId}`));
    let passed = 0;
    let failed = lost.length + errors.length;
    for (const module of modules) {
      const results = [...module.children.allTests()].map((test) => test.result().state);
      const failedTests = results.filter((state) => state === 'failed').length;
      passed += results.filter((state) => state === 'passed').length;
      failed += failedTests;
      // A test that is still pending did not end. A test that is skipped is none of these.
      const isFailed = module.state() === 'failed' || results.includes('pending');
      if (isFailed && failedTests === 0) failed += 1;
    }
    for (const { moduleId } of lost) process.stderr.write(`${moduleId} did not run\n`);
    writeFileSync(file, `${passed} passed, ${failed} failed\n`);
  }
}
