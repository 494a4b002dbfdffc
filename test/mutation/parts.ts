/** A part of src/ that `npm run test:mutation` changes, and the tests that must notice it. */
export interface Part {
  readonly name: string;
  /** Globs of the source files that are changed. */
  readonly mutate: readonly string[];
  /** Globs of the test files that run against each change. Slow ones that notice nothing more are left out. */
  readonly tests: readonly string[];
  /** Whether the tests need the embedded engine. */
  readonly engine?: boolean;
  /** The timeout of a test or hook (default: 10 s). Changes after which tests do not end take as long. */
  readonly timeoutMs?: number;
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
    mutate: ['src/collector/store/**/*.ts', '!src/collector/store/**/*.d.ts'],
    tests: ['test/collector/store/**/*.test.ts'],
    engine: true,
  },
  {
    name: 'delivery',
    mutate: ['src/delivery/**/*.ts'],
    // The others simulate days, or repeat with servers what connection-errors.test.ts and drain.test.ts notice.
    tests: ['test/delivery/**/!(long-outage|connection-problem|rejected-token).test.ts'],
    timeoutMs: 5_000,
  },
  {
    name: 'report',
    mutate: ['src/report/{ids,report-id}.ts', 'src/report/normalise/*.ts'],
    tests: ['test/report/{ids,report-id}.test.ts', 'test/report/normalise/*.test.ts'],
  },
];
