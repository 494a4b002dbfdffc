import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { ErrorKind } from '../../../runtime/errors.ts';
import { type Dialect, type IngestHooks, PROTOCOLS, type Protocol } from '../../ingest/hooks.ts';
import type { ConnectionStats } from '../connection-counts.ts';

export interface MetricsOptions {
  /** The program's version with its `v`. */
  readonly version: string;
  /** What waits for the database or is being written. */
  readonly pending: () => { readonly items: number; readonly bytes: number };
  readonly connections: () => ConnectionStats;
  /** Whether the database is there, as far as is known. */
  readonly isDatabaseThere: () => boolean;
}

/** Every counter of the collector. */
export interface Metrics {
  readonly ingestHooks: IngestHooks;
  /** A client was answered no. */
  countRefusal(protocol: Protocol, kind: ErrorKind): void;
  /** The exposition for Prometheus. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** What all names begin with; those of the process itself and of Node.js have the library's names. */
const PREFIX = 'spartakus_collector_';
const BATCH_REPORTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
const BATCH_BYTES = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384].map((kib) => kib * 1_024);
const COMMIT_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
/** The dialects of each protocol. */
const DIALECTS: Readonly<Record<Protocol, readonly Dialect[]>> = {
  connect: ['report'],
  grpc: ['report'],
  'grpc-web': ['report'],
  http: ['spartakus', 'coreos', 'kubermatic'],
};

/**
 * Makes the metrics, in a registry of their own. Every label has a value of a list that is written down in this program, never one
 * that a client chose: so the number of series is bounded, and none of them tells of anybody.
 */
export function createMetrics({ version, pending, connections, isDatabaseThere }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const counted = (name: string, help: string, read: () => number): Counter =>
    new Counter({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });

  /**
   * A counter by labels, whose values are given in one text, with a space in between. At an event nothing but a map is touched: the
   * library takes ten times as long, which would be a tenth of what a report in a stream takes.
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
    'Reports and records, by how they came, in which dialect, and what became of them: stored, duplicate, or why not.',
    ['protocol', 'dialect', 'outcome'],
  );
  // A rate can be told of a series only that was there before.
  for (const protocol of PROTOCOLS) {
    for (const dialect of DIALECTS[protocol])
      for (const outcome of ['stored', 'duplicate']) countReport(`${protocol} ${dialect} ${outcome}`, 0);
  }
  const countRefusal = tally(
    'refusals_total',
    'Requests, and reports of streams, that were answered no, by protocol and reason.',
    ['protocol', 'reason'],
  );
  const batchReports = new Histogram({
    name: `${PREFIX}batch_reports`,
    help: 'How many reports a write held.',
    buckets: BATCH_REPORTS,
    registers,
  });
  const batchBytes = new Histogram({
    name: `${PREFIX}batch_bytes`,
    help: 'About how large a write was in the database.',
    buckets: BATCH_BYTES,
    registers,
  });
  const commitSeconds = new Histogram({
    name: `${PREFIX}commit_seconds`,
    help: 'How long a write took until it was durable, or had failed.',
    buckets: COMMIT_SECONDS,
    registers,
  });

  gauge('pending_reports', 'Reports that wait for the database or are being written.', () => pending().items);
  gauge('pending_bytes', 'The same in bytes, about as the database has them.', () => pending().bytes);
  gauge('database_up', 'Whether the database is there: 1 or 0.', () => (isDatabaseThere() ? 1 : 0));
  counted('connections_opened_total', 'Connections that were opened.', () => connections().opened);
  counted(
    'connections_refused_total',
    'Connections that were refused because there were too many.',
    () => connections().refused,
  );
  counted(
    'received_bytes_total',
    'Bytes that came over connections, TLS and framing included.',
    () => connections().receivedBytes,
  );
  void new Gauge({
    name: `${PREFIX}connections`,
    help: 'Connections that are open, by version of HTTP; "new" are those that have not said it yet.',
    labelNames: ['kind'] as const,
    registers,
    collect() {
      for (const [kind, count] of Object.entries(connections().open)) this.set({ kind }, count);
    },
  });
  new Gauge({
    name: `${PREFIX}build_info`,
    help: 'The version of the program; always 1.',
    labelNames: ['version'] as const,
    registers,
  }).set({ version }, 1);

  return {
    ingestHooks: {
      onReport: ({ protocol, dialect }, outcome) => countReport(`${protocol} ${dialect} ${outcome}`),
      onWrite: ({ items, bytes }) => {
        batchReports.observe(items);
        batchBytes.observe(bytes);
        return commitSeconds.startTimer();
      },
    },
    countRefusal: (protocol, reason) => countRefusal(`${protocol} ${reason}`),
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}
