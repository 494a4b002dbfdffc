import { globSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { defineConfig } from 'vitest/config';

/**
 * The tests that start a child process or MongoDB's embedded engine, or that wait for timeouts or disks in real time. Every other test is a unit
 * test, in which starting either is an error (test/support/forbid-processes.ts).
 */
const INTEGRATION = [
  'test/browser/**/*.test.ts',
  'test/ci/tests.test.ts',
  'test/cli/completion.test.ts',
  'test/cli/doctor.test.ts',
  'test/cli/environment.test.ts',
  'test/cli/explain.test.ts',
  'test/cli/gather-flags.test.ts',
  'test/cli/man-page.test.ts',
  'test/cli/quarantine.test.ts',
  'test/cli/stats.test.ts',
  'test/collector/legacy/fuzz.test.ts',
  'test/collector/legacy/kubermatic-fuzz.test.ts',
  'test/collector/serve/admission/limits.test.ts',
  'test/collector/serve/connection-limits.test.ts',
  'test/collector/serve/connection-end.test.ts',
  'test/collector/serve/connections.test.ts',
  'test/collector/serve/console/metrics.test.ts',
  'test/collector/serve/console/statistics.test.ts',
  'test/collector/serve/http/{kubermatic,legacy-api}.test.ts',
  'test/collector/serve/keep-country.test.ts',
  'test/collector/serve/nothing-left.test.ts',
  'test/collector/serve/pings.test.ts',
  'test/collector/serve/protocols.test.ts',
  'test/collector/serve/quarantine.test.ts',
  'test/collector/serve/decode/large-decoder.test.ts',
  'test/collector/serve/request-memory.test.ts',
  'test/collector/serve/rpc/kubermatic.test.ts',
  'test/collector/serve/rpc/error-details.test.ts',
  'test/collector/serve/rpc/error-info.test.ts',
  'test/collector/serve/rpc/services.test.ts',
  'test/collector/serve/rpc/validate-only.test.ts',
  'test/collector/serve/schema-drift.test.ts',
  'test/collector/serve/unread-responses.test.ts',
  'test/collector/store/engine/start-engine.test.ts',
  'test/collector/store/damage.test.ts',
  'test/collector/store/init-database.test.ts',
  'test/collector/statistics/lease.test.ts',
  'test/collector/statistics/point-store.test.ts',
  'test/collector/statistics/roll-up.test.ts',
  'test/collector/statistics/statistics.test.ts',
  'test/collector/store/kinds.test.ts',
  'test/collector/store/mongo-store.test.ts',
  'test/collector/store/outage.test.ts',
  'test/collector/store/quarantine-store.test.ts',
  'test/collector/store/replica-set.test.ts',
  'test/collector/store/sharded-cluster.test.ts',
  'test/deploy/**/*.test.ts',
  'test/docs/privacy.test.ts',
  'test/docs/queries.test.ts',
  'test/e2e/**/*.test.ts',
  'test/hostile/**/*.test.ts',
  'test/kubermatic/reporter.test.ts',
  'test/kubernetes/kubeconfig.test.ts',
  'test/privacy/consent.test.ts',
  'test/volunteer/delivery.test.ts',
];

/**
 * The tests that count what their process holds, such as its timers: each file has a process of its own. In one that they share, a `fetch`
 * of the file before keeps timers for some seconds.
 */
const ALONE = [
  'test/collector/serve/admission/body-deadline.test.ts',
  'test/collector/serve/admission/proxy-protocol.test.ts',
  'test/collector/serve/connection-monitor.test.ts',
  'test/collector/serve/http/router-held.test.ts',
  'test/collector/serve/rpc/connect-handler.test.ts',
  'test/collector/serve/session-guard.test.ts',
  'test/collector/serve/stop-sending.test.ts',
  'test/collector/serve/timers.test.ts',
];

for (const pattern of [...INTEGRATION, ...ALONE])
  if (globSync(pattern).length === 0) throw new Error(`vitest.config.ts: no file matches ${pattern}`);

/** What `npm run test:soak` runs (vitest.soak.config.ts): times and memory are asserted there alone. */
const SOAK = 'test/**/*.soak.test.ts';
/** What `npm run test:image` runs (vitest.image.config.ts). */
const IMAGE = 'test/image/**';

// The compile cache of Node.js for the workers, and for the threads and engines that they start from the sources.
process.env['NODE_COMPILE_CACHE'] ??= path.join(import.meta.dirname, 'node_modules/.cache/compile');

/** A poll waits for an event. By default it gives up after a second, which a busy machine may need. */
const POLL = { poll: { timeout: 20_000 } };

export default defineConfig({
  test: {
    // One more than the cores of the smallest machine: many tests wait for clocks, disks and processes.
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...INTEGRATION, ...ALONE, SOAK, IMAGE],
          setupFiles: ['test/support/forbid-processes.ts'],
          // Files share a worker's modules: loading them for each file takes longer than the tests.
          isolate: false,
          expect: POLL,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: INTEGRATION,
          exclude: [SOAK],
          globalSetup: [
            'test/support/no-stray-engines.ts',
            'test/support/bundled-program.ts',
            'test/support/shared-engine.ts',
          ],
          pool: 'forks',
          // As those of the unit tests: for many files, loading the modules takes as long as the tests.
          isolate: false,
          expect: POLL,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: { name: 'alone', include: ALONE, pool: 'forks', expect: POLL, testTimeout: 60_000, hookTimeout: 60_000 },
      },
    ],
  },
});
