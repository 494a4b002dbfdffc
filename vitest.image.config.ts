import { defineConfig } from 'vitest/config';

/**
 * `npm run test:image`: makes the image's root file systems (deploy/image) and runs every command in them. SPARTAKUS_TEST_ROOTFS names a
 * directory in which deploy/image/rootfs.sh has made them.
 */
export default defineConfig({
  test: {
    include: ['test/image/**/*.test.ts'],
    globalSetup: ['test/image/build-rootfs.ts'],
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
