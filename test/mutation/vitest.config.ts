import process from 'node:process';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { PARTS } from './parts.ts';

/** Runs the files that failed for the last change first, and short ones before long ones: the first failure ends a run. */
class ShortestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const costOf = (file: TestSpecification): number => {
      const last = this.ctx.cache.getTestSpecificationResult(file);
      return last?.failed === true ? -1 : (last?.duration ?? 0);
    };
    return Promise.resolve(files.toSorted((one, other) => costOf(one) - costOf(other)));
  }
}

/** The tests of the part that SPARTAKUS_MUTATION_PART names, as StrykerJS runs them against each change: in one worker, until the first failure. */
const part = PARTS.find(({ name }) => name === process.env['SPARTAKUS_MUTATION_PART']);
if (part === undefined) throw new Error('SPARTAKUS_MUTATION_PART must name a part of test/mutation/parts.ts');

export default defineConfig({
  test: {
    include: [...part.tests],
    exclude: ['test/**/*.soak.test.ts'],
    isolate: false,
    sequence: { sequencer: ShortestFirst },
    setupFiles: part.engine === true ? [] : ['test/support/forbid-processes.ts'],
    globalSetup: part.engine === true ? ['test/support/shared-engine.ts'] : [],
    expect: { poll: { timeout: 5_000 } },
    testTimeout: part.timeoutMs ?? 10_000,
    hookTimeout: part.timeoutMs ?? 10_000,
  },
});
