import { globSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/**
 * The tests that start a child process or MongoDB's embedded engine, or that wait for timeouts in real time. Every other test is a unit
 * test, in which starting either is an error (test/support/forbid-processes.ts).
 */
const INTEGRATION = [
  'test/e2e/**',
  'test/hostile/**',
  'test/deploy/**',
  'test/cli/{doctor,explain}',
  'test/collector/legacy/{fuzz,kubermatic-fuzz}',
  'test/collector/serve/http/**',
  'test/collector/serve/admission/{authenticator,limits,request-origin}',
  'test/collector/serve/console/metrics',
  'test/collector/serve/rpc/kubermatic',
  'test/collector/serve/{connection-limits,connections,keep-country,protocols,quarantine,schema-drift}',
  'test/collector/store/{kinds,mongo,outage}',
  'test/kubermatic/reporter',
  'test/kubernetes/kubeconfig',
  'test/readme',
].map((path) => (path.endsWith('*') ? `${path}/*.test.ts` : `${path}.test.ts`));

for (const pattern of INTEGRATION)
  if (globSync(pattern).length === 0) throw new Error(`vitest.config.ts: no file matches ${pattern}`);

/** What `npm run test:soak` runs (vitest.soak.config.ts): times and memory are asserted there alone. */
const SOAK = 'test/**/*.soak.test.ts';

export default defineConfig({
  test: {
    // One more than the cores of the smallest machine: many tests wait for clocks, disks and processes.
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...INTEGRATION, SOAK],
          setupFiles: ['test/support/forbid-processes.ts'],
          // Files share a worker's modules: loading them for each file takes longer than the tests.
          isolate: false,
          testTimeout: 20_000,
          hookTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: INTEGRATION,
          exclude: [SOAK],
          // The embedded engine is a native addon, one per process: each file gets a process of its own.
          pool: 'forks',
          testTimeout: 20_000,
          hookTimeout: 20_000,
        },
      },
    ],
  },
});
