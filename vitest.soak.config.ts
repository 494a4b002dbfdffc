import { defineConfig } from 'vitest/config';

/**
 * `npm run test:soak`: tests that assert wall-clock times and process memory, one file after the other on a machine that does nothing
 * else, and the restarts and kills of test/e2e/ many times over.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.soak.test.ts', 'test/e2e/{kill,restart}.test.ts'],
    fileParallelism: false,
    env: { SPARTAKUS_TEST_KILLS: '1000', SPARTAKUS_TEST_RESTARTS: '50' },
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
