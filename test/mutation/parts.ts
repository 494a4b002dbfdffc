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
    // A thread takes seconds to start on a busy machine.
    timeoutMs: 20_000,
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
      'test/collector/store/engine/engine-listener.test.ts',
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
