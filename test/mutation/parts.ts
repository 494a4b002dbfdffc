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
    // Those that wait for real time, count what a process holds, or test other parts are left out.
    tests: [
      'test/collector/serve/admission/{admission,authenticator,body-deadline,connection-limiter}.test.ts',
      'test/collector/serve/admission/{json-bounds,memory-limiter,protobuf-bounds,proxy-protocol,request-origin}.test.ts',
      'test/collector/serve/{connection-counts,connection-monitor,connection-monitor-http2}.test.ts',
      'test/collector/serve/{descriptor-check,error-status,ping-policy,session-guard,stop-sending}.test.ts',
      'test/collector/serve/{listener,listener-limits,listener-close}.test.ts',
      'test/collector/serve/{routes,tls}.test.ts',
    ],
  },
  {
    name: 'rpc',
    // decode-worker.ts is the program of a thread, in which StrykerJS activates no change.
    mutate: ['src/collector/serve/rpc/*.ts', 'src/collector/serve/decode/!(decode-worker).ts'],
    // Without those that start whole collectors, which take long, and the program of the decode thread, which StrykerJS does not find.
    tests: [
      'test/collector/serve/rpc/!(error-details|error-info|kubermatic|services|validate-only).test.ts',
      'test/collector/serve/decode/*.test.ts',
    ],
  },
  {
    name: 'http',
    mutate: ['src/collector/serve/http/*.ts', 'src/collector/serve/console/*.ts'],
    // Without those that start a collector.
    tests: [
      'test/collector/serve/http/*.test.ts',
      '!test/collector/serve/http/{kubermatic,legacy-api,router}.test.ts',
      'test/collector/serve/console/*.test.ts',
      '!test/collector/serve/console/{console,metrics,statistics}.test.ts',
    ],
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
    // normalise-properties takes seconds for each change.
    tests: ['test/report/{ids,report-id}.test.ts', 'test/report/normalise/!(normalise-properties).test.ts'],
  },
];
