/** A part of src/ that `npm run test:mutation` changes, and the tests that must notice it. */
export interface Part {
  readonly name: string;
  /** Globs of the source files that are changed. */
  readonly mutate: readonly string[];
  /** Globs of the test files that run against each change. Slow ones that notice nothing more are left out. */
  readonly tests: readonly string[];
  /** Whether the tests need the embedded engine. */
  readonly engine?: boolean;
}

export const PARTS: readonly Part[] = [
  {
    name: 'admission',
    mutate: ['src/collector/serve/admission/*.ts', 'src/collector/serve/*.ts'],
    tests: ['test/collector/serve/admission/*.test.ts', 'test/collector/serve/*.test.ts'],
  },
  {
    name: 'rpc',
    mutate: ['src/collector/serve/rpc/*.ts', 'src/collector/serve/decode/*.ts'],
    tests: ['test/collector/serve/rpc/*.test.ts', 'test/collector/serve/decode/*.test.ts'],
  },
  {
    name: 'http',
    mutate: ['src/collector/serve/http/*.ts', 'src/collector/serve/console/*.ts'],
    tests: ['test/collector/serve/http/*.test.ts', 'test/collector/serve/console/*.test.ts'],
  },
  { name: 'ingest', mutate: ['src/collector/ingest/*.ts'], tests: ['test/collector/ingest/*.test.ts'] },
  {
    name: 'store',
    // The engine's process is one of its own, in which StrykerJS makes no change.
    mutate: [
      'src/collector/store/**/*.ts',
      '!src/collector/store/**/*.d.ts',
      '!src/collector/store/engine/engine-process.ts',
    ],
    tests: [
      'test/collector/store/availability.test.ts',
      'test/collector/store/check-database.test.ts',
      'test/collector/store/connection-string.test.ts',
      'test/collector/store/database-spec.test.ts',
      'test/collector/store/data-directory.test.ts',
      'test/collector/store/disk-reserve.test.ts',
      'test/collector/store/embedded.test.ts',
      'test/collector/store/embedded-supervised.test.ts',
      'test/collector/store/encoded-document.test.ts',
      'test/collector/store/engine/engine-config.test.ts',
      'test/collector/store/engine/engine-errors.test.ts',
      'test/collector/store/engine/socket-directory.test.ts',
      'test/collector/store/engine/start-engine-process.test.ts',
      'test/collector/store/engine/supervise-engine.test.ts',
      'test/collector/store/init-database-steps.test.ts',
      'test/collector/store/init-for-collector.test.ts',
      'test/collector/store/mongo-client.test.ts',
      'test/collector/store/mongo-store-commands.test.ts',
      'test/collector/store/mongo-store-retry.test.ts',
      'test/collector/store/open-database.test.ts',
      'test/collector/store/quarantine-store.test.ts',
      'test/collector/store/stdout.test.ts',
      'test/collector/store/write-outcomes.test.ts',
    ],
    engine: true,
  },
  { name: 'delivery', mutate: ['src/delivery/**/*.ts'], tests: ['test/delivery/**/*.test.ts'] },
  {
    name: 'report',
    mutate: ['src/report/{ids,report-id}.ts', 'src/report/normalise/*.ts'],
    tests: ['test/report/{ids,report-id}.test.ts', 'test/report/normalise/*.test.ts'],
  },
];
