import process from 'node:process';
import { defineConfig } from 'vitest/config';

/**
 * `npm run test:soak`: the tests that assert wall-clock times or process memory, and a thousand kills, one file after the other on a machine
 * that does nothing else. SPARTAKUS_TEST_KILLS and SPARTAKUS_TEST_RESTARTS set other numbers.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.soak.test.ts', 'test/e2e/kill.test.ts'],
    env: { SPARTAKUS_TEST_KILLS: process.env['SPARTAKUS_TEST_KILLS'] ?? '1000' },
    fileParallelism: false,
    globalSetup: ['test/support/no-stray-engines.ts', 'test/support/shared-engine.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
