import path from 'node:path';
import process from 'node:process';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { PARTS } from './test/mutation/parts.ts';

/** The tests of the part that SPARTAKUS_MUTATION_PART names, as StrykerJS runs them against each change: in one worker, until the first failure. */
const part = PARTS.find(({ name }) => name === process.env['SPARTAKUS_MUTATION_PART']);
if (part === undefined) throw new Error('SPARTAKUS_MUTATION_PART must name a part of test/mutation/parts.ts');

/**
 * Runs test files in the order of their globs, and of one glob the quickest first: the first failure ends a run, and most changes are
 * noticed by the tests of their own module.
 */
class ListedFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const indexOf = ({ moduleId }: TestSpecification): number =>
      part?.tests.findIndex((glob) => path.matchesGlob(path.relative(process.cwd(), moduleId), glob)) ?? 0;
    const durationOf = (file: TestSpecification): number =>
      this.ctx.cache.getTestSpecificationResult(file)?.duration ?? 0;
    return Promise.resolve(
      files.toSorted((left, right) => indexOf(left) - indexOf(right) || durationOf(left) - durationOf(right)),
    );
  }
}

export default defineConfig({
  test: {
    include: [...part.tests],
    exclude: ['test/**/*.soak.test.ts'],
    isolate: false,
    sequence: { sequencer: ListedFirst },
    setupFiles: part.engine === true ? [] : ['test/support/forbid-processes.ts'],
    globalSetup: part.engine === true ? ['test/support/shared-engine.ts'] : [],
    expect: { poll: { timeout: 5_000 } },
    testTimeout: part.timeoutMs ?? 10_000,
    hookTimeout: part.timeoutMs ?? 10_000,
  },
});
