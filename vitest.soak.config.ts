import process from 'node:process';
import { defineConfig } from 'vitest/config';

/** The tests of which `npm test` runs a part of the cases: test/support/sampled.ts. */
const SAMPLED = [
  'test/collector/legacy/fuzz.test.ts',
  'test/collector/legacy/kubermatic-fuzz.test.ts',
  'test/collector/statistics/roll-up.test.ts',
  'test/e2e/kill.test.ts',
  'test/e2e/kubermatic.test.ts',
  'test/e2e/restart.test.ts',
  'test/kubermatic/privacy.test.ts',
  'test/kubermatic/reporter.test.ts',
  'test/privacy/kubermatic.test.ts',
  'test/privacy/published-statistics.test.ts',
  'test/report/go-json.test.ts',
  'test/volunteer/privacy.test.ts',
];

/**
 * `npm run test:soak`: the tests that assert wall-clock times or process memory, and the long tests with all of their cases, one file after the other
 * on a machine that does nothing else. SPARTAKUS_TEST_KILLS, SPARTAKUS_TEST_RESTARTS and SPARTAKUS_TEST_HISTORIES set other numbers.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.soak.test.ts', ...SAMPLED],
    env: { SPARTAKUS_TEST_ALL_CASES: '1', SPARTAKUS_TEST_KILLS: process.env['SPARTAKUS_TEST_KILLS'] ?? '1000' },
    fileParallelism: false,
    pool: 'forks',
    globalSetup: [
      'test/support/no-stray-engines.ts',
      'test/support/bundled-program.ts',
      'test/support/shared-engine.ts',
    ],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
