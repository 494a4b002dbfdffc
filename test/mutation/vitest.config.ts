import process from 'node:process';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { PARTS } from './parts.ts';

/** The tests of the part that SPARTAKUS_MUTATION_PART names, as StrykerJS runs them against each change: in one worker, until the first failure. */
const part = PARTS.find(({ name }) => name === process.env['SPARTAKUS_MUTATION_PART']);
if (part === undefined) throw new Error('SPARTAKUS_MUTATION_PART must name a part of test/mutation/parts.ts');

/** Runs the quickest test files first: most changes are noticed by the tests of their own module, and the others are then left out. */
class QuickestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const durationOf = (file: TestSpecification): number =>
      this.ctx.cache.getTestSpecificationResult(file)?.duration ?? 0;
    return Promise.resolve(files.toSorted((a, b) => durationOf(a) - durationOf(b)));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: QuickestFirst },
    include: [...part.tests],
    exclude: ['test/**/*.soak.test.ts'],
    isolate: false,
    setupFiles: part.engine === true ? [] : ['test/support/forbid-processes.ts'],
    globalSetup: part.engine === true ? ['test/support/shared-engine.ts'] : [],
    expect: { poll: { timeout: 5_000 } },
    testTimeout: 10_000,
    hookTimeout: 10_000,
  },
});
