import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { DiskSpace } from '../../../report/report-sink.ts';
import { PROTOCOLS, type Protocol } from '../../../report/request-origin.ts';
import type { ErrorKind } from '../../../runtime/errors.ts';
import { CLUSTER_LOOKUPS, type Dialect, type IngestObserver } from '../../ingest/observer.ts';
import type { StatisticsStatus } from '../../statistics/statistics.ts';
import type { ConnectionStats } from '../connection-counts.ts';

interface MetricsOptions {
  readonly version: string;
  readonly memory: { readonly reservedBytes: number; readonly maxBytes: number };
  readonly pending: () => { readonly items: number; readonly bytes: number };
  readonly connections: () => ConnectionStats;
  readonly descriptorExhaustions: () => number;
  readonly isDatabaseAvailable: () => boolean;
  readonly busiestAddressRatio: () => number;
  /** Absent for a database on another machine. */
  readonly disk?: (() => DiskSpace | undefined) | undefined;
  /** Absent without TLS. */
  readonly certificateExpiry?: (() => Date) | undefined;
}

export interface Metrics {
  readonly ingestObserver: Required<Omit<IngestObserver, 'onCluster'>>;
  /** Adds the metrics of the statistics, where the collector computes them. */
  observeStatistics(status: () => StatisticsStatus): void;
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
export function createMetrics(options: MetricsOptions): Metrics {
  const { memory, pending, connections, disk, certificateExpiry } = options;
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
    'Reports and records by protocol, dialect and outcome: stored, duplicate, validated (validate_only), or the kind of the error.',
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
  const countQuarantined = tally(
    'quarantined_reports_total',
    'Reports and records stored in quarantine, which are not counted, by dialect.',
    ['dialect'],
  );
  for (const dialect of new Set(Object.values(DIALECTS).flat())) countQuarantined(dialect, 0);
  const countLookup = tally(
    'cluster_lookups_total',
    'Reports of clusters that were not in the cache: known to the database, new, or new beyond --max-new-clusters (quarantined).',
    ['result'],
  );
  for (const result of CLUSTER_LOOKUPS) countLookup(result, 0);
  gauge(
    'busiest_address_ratio',
    'Share of one client address in the clusters of this hour, if it has at least 20; near 1 behind a proxy that is not trusted.',
    options.busiestAddressRatio,
  );
  let unknownFields = 0;
  counter(
    'unknown_fields_total',
    'Dropped fields that the schema does not have: of protobuf, unless --keep-unknown-fields, and of legacy JSON, where a newer name has another type.',
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
  gauge('database_up', 'Whether the database is available: 1 or 0.', () => Number(options.isDatabaseAvailable()));
  if (disk !== undefined) {
    gauge('disk_free_bytes', 'Free space for the database.', () => disk()?.freeBytes ?? 0);
    gauge('disk_reserve_bytes', 'With less free space, reports are rejected.', () => disk()?.reserveBytes ?? 0);
    gauge('disk_full', 'Whether reports are rejected because the reserve is reached: 1 or 0.', () =>
      Number(disk()?.isExhausted ?? false),
    );
  }
  if (certificateExpiry !== undefined)
    gauge(
      'certificate_expiry_timestamp_seconds',
      'When the certificate of --tls-cert, or another one of its chain, expires, in seconds since 1970.',
      () => certificateExpiry().getTime() / 1_000,
    );
  counter('connections_opened_total', 'Accepted connections.', () => connections().opened);
  counter(
    'connections_rejected_total',
    'Connections that were rejected because there were too many, or too many a second.',
    () => connections().rejected,
  );
  counter(
    'connections_unread_total',
    'Connections that were closed because their clients did not read the responses.',
    () => connections().unread,
  );
  counter(
    'file_descriptor_exhaustions_total',
    'Checks, one per second, that found no free file descriptor; connections are rejected meanwhile.',
    options.descriptorExhaustions,
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
  }).set({ version: options.version }, 1);

  const observeStatistics = (status: () => StatisticsStatus): void => {
    gauge(
      'statistics_last_update_timestamp_seconds',
      'When this collector last updated the statistics, in seconds since 1970; 0 if it has not: another one may do it.',
      () => (status().lastAt?.getTime() ?? 0) / 1_000,
    );
    gauge(
      'statistics_last_update_duration_seconds',
      'Duration of the last update of the statistics.',
      () => status().lastDurationMs / 1_000,
    );
    gauge(
      'statistics_dirty_days',
      'Days whose figures are to be computed again: late, released or erased reports.',
      () => status().dirtyDays,
    );
    counter('statistics_reports_total', 'Reports that this collector has counted.', () => status().reports);
    counter('statistics_failures_total', 'Updates of the statistics that failed.', () => status().failures);
  };

  return {
    observeStatistics,
    ingestObserver: {
      onAnswer: (protocol, dialect, outcome) => countReport(`${protocol} ${dialect} ${outcome}`),
      onWrite: ({ items, bytes }) => {
        batchReports.observe(items);
        batchBytes.observe(bytes);
        return commitSeconds.startTimer();
      },
      onUnknownFields: (count) => (unknownFields += count),
      onClusterLookup: (result) => countLookup(result),
      onQuarantined: (dialect) => countQuarantined(dialect),
    },
    countRejection: (protocol, reason) => countRejection(`${protocol} ${reason}`),
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}
