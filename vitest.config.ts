import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The embedded engine is a native addon, one per process: each file gets a process of its own.
    pool: 'forks',
    isolate: true,
    // One more than the cores of the smallest machine: many tests wait for clocks, disks and processes.
    maxWorkers: 3,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // Connect's client rejects a promise that nobody holds where a collector that stops finds it idle.
    onUnhandledError: ({ message }) => !message.includes('received GOAWAY without any open streams'),
  },
});
