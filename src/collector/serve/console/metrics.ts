import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import { PROTOCOLS, type Protocol } from '../../../report/request-origin.ts';
import type { ErrorKind } from '../../../runtime/errors.ts';
import type { Dialect, IngestObserver } from '../../ingest/observer.ts';
import type { ConnectionStats } from '../connection-counts.ts';

interface MetricsOptions {
  readonly version: string;
  readonly memory: { readonly reservedBytes: number; readonly maxBytes: number };
  readonly pending: () => { readonly items: number; readonly bytes: number };
  readonly connections: () => ConnectionStats;
  readonly isDatabaseAvailable: () => boolean;
}

export interface Metrics {
  readonly ingestObserver: IngestObserver;
  countRejection(protocol: Protocol, kind: ErrorKind): void;
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
}

const PREFIX = 'spartakus_collector_';
const BATCH_REPORTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
const BATCH_BYTES = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384].map((kib) => kib * 1_024);
const COMMIT_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const DIALECTS: Readonly<Record<Protocol, readonly Dialect[]>> = {
  connect: ['report'],
  grpc: ['report'],
  'grpc-web': ['report'],
  http: ['spartakus', 'coreos', 'kubermatic'],
};

/** Label values are from fixed lists, so the number of series is bounded, and none identifies a client. */
export function createMetrics({ version, memory, pending, connections, isDatabaseAvailable }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const gauge = (name: string, help: string, read: () => number): void =>
    void new Gauge({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const counter = (name: string, help: string, read: () => number): void =>
    void new Counter({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });

  /**
   * A counter with labels, whose values are passed as one text, separated by spaces. The library's increment takes ten times as long, a
   * tenth of the cost of a streamed report.
   */
  const tally = (
    name: string,
    help: string,
    labelNames: readonly string[],
  ): ((values: string, by?: number) => void) => {
    const counts = new Map<string, number>();
    void new Counter({
      name: PREFIX + name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [values, count] of counts) {
          const parts = values.split(' ');
          this.inc(Object.fromEntries(labelNames.map((label, index) => [label, parts[index] ?? ''])), count);
        }
      },
    });
    return (values, by = 1) => counts.set(values, (counts.get(values) ?? 0) + by);
  };
  const countReport = tally(
    'reports_total',
    'Reports and records by protocol, dialect and outcome: stored, duplicate, or the kind of the error.',
    ['protocol', 'dialect', 'outcome'],
  );
  // Prometheus' rate() needs a series that existed before its first increment.
  for (const protocol of PROTOCOLS) {
    for (const dialect of DIALECTS[protocol])
      for (const outcome of ['stored', 'duplicate']) countReport(`${protocol} ${dialect} ${outcome}`, 0);
  }
  const countRejection = tally(
    'rejections_total',
    'Rejected requests, and rejected reports of streams, by protocol and reason.',
    ['protocol', 'reason'],
  );
  let unknownFields = 0;
  counter(
    'unknown_fields_total',
    'Protobuf fields that the schema does not have, dropped from reports and records; 0 with --keep-unknown-fields.',
    () => unknownFields,
  );
  const histogram = (name: string, help: string, buckets: number[]): Histogram =>
    new Histogram({ name: PREFIX + name, help, buckets, registers });
  const batchReports = histogram('batch_reports', 'Reports per write.', BATCH_REPORTS);
  const batchBytes = histogram('batch_bytes', 'Estimated size of a write in the database.', BATCH_BYTES);
  const commitSeconds = histogram('commit_seconds', 'Time until a write was durable or had failed.', COMMIT_SECONDS);

  gauge('pending_reports', 'Reports that wait for the database or are being written.', () => pending().items);
  gauge('pending_bytes', 'The same in bytes, as estimated for the database.', () => pending().bytes);
  gauge(
    'request_memory_bytes',
    'Memory that requests take until their response, as estimated: received, decompressed and decoded.',
    () => memory.reservedBytes,
  );
  gauge('request_memory_limit_bytes', 'The limit of the same, --max-body-memory.', () => memory.maxBytes);
  gauge('database_up', 'Whether the database is available: 1 or 0.', () => (isDatabaseAvailable() ? 1 : 0));
  counter('connections_opened_total', 'Accepted connections.', () => connections().opened);
  counter(
    'connections_rejected_total',
    'Connections that were rejected because there were too many.',
    () => connections().rejected,
  );
  counter(
    'received_bytes_total',
    'Bytes received over connections, TLS and framing included.',
    () => connections().receivedBytes,
  );
  void new Gauge({
    name: `${PREFIX}connections`,
    help: 'Open connections by version of HTTP; "new" where it is not yet known.',
    labelNames: ['kind'] as const,
    registers,
    collect() {
      for (const [kind, count] of Object.entries(connections().open)) this.set({ kind }, count);
    },
  });
  new Gauge({
    name: `${PREFIX}build_info`,
    help: 'The version of the program; the value is always 1.',
    labelNames: ['version'] as const,
    registers,
  }).set({ version }, 1);

  return {
    ingestObserver: {
      onAnswer: (protocol, dialect, outcome) => countReport(`${protocol} ${dialect} ${outcome}`),
      onWrite: ({ items, bytes }) => {
        batchReports.observe(items);
        batchBytes.observe(bytes);
        return commitSeconds.startTimer();
      },
      onUnknownFields: (count) => (unknownFields += count),
    },
    countRejection: (protocol, reason) => countRejection(`${protocol} ${reason}`),
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}
