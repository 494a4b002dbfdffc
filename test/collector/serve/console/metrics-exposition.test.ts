import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { ConnectionStats } from '../../../../src/collector/serve/connection-counts.ts';
import { createMetrics, type Metrics } from '../../../../src/collector/serve/console/metrics.ts';
import type { StatisticsStatus } from '../../../../src/collector/statistics/statistics.ts';
import { readSamples } from '../../../support/exposition.ts';

type Options = Parameters<typeof createMetrics>[0];

const NO_CONNECTIONS: ConnectionStats = {
  opened: 0,
  rejected: 0,
  unread: 0,
  receivedBytes: 0,
  open: { http1: 0, http2: 0, new: 0 },
};

function makeMetrics(options: Partial<Options> = {}): Metrics {
  return createMetrics({
    version: 'v0',
    memory: { reservedBytes: 0, maxBytes: 1 },
    pending: () => ({ items: 0, bytes: 0 }),
    connections: () => NO_CONNECTIONS,
    descriptorExhaustions: () => 0,
    isDatabaseAvailable: () => false,
    busiestAddressRatio: () => 0,
    ...options,
  });
}

async function scrape(metrics: Metrics): Promise<ReadonlyMap<string, number>> {
  return readSamples((await metrics.render()).body);
}

/** The series whose names begin with a text. */
async function scrapeSome(metrics: Metrics, prefix: string): Promise<Readonly<Record<string, number>>> {
  return Object.fromEntries([...(await scrape(metrics))].filter(([series]) => series.startsWith(prefix)));
}

test('docs/operations.md lists every metric of the collector with its type, and each has a help text', async () => {
  const page = await readFile(path.join(import.meta.dirname, '../../../../docs/operations.md'), 'utf8');
  const listed = [...page.matchAll(/^\| `(spartakus_collector_\w+)`(?:[^|]*) \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  const metrics = makeMetrics({ disk: () => undefined, certificateExpiry: () => new Date(0) });
  metrics.observeStatistics(() => ({ lastAt: undefined, lastDurationMs: 0, reports: 0, failures: 0, dirtyDays: 0 }));

  const { body, contentType } = await metrics.render();

  const namesOf = (line: RegExp): readonly string[] =>
    [...body.matchAll(line)].map(([, ...groups]) => groups.join(' ')).toSorted();
  expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(listed.toSorted()).toStrictEqual(namesOf(/^# TYPE (spartakus_collector_\w+) (\w+)$/gm));
  expect(namesOf(/^# HELP (spartakus_collector_\w+) \S.{10,}$/gm)).toStrictEqual(
    namesOf(/^# TYPE (spartakus_collector_\w+)/gm),
  );
});

describe('what other parts count is read at each scrape', () => {
  test('requests, the database, and connections', async () => {
    const memory = { reservedBytes: 5, maxBytes: 10 };
    const connections = vi.fn<() => ConnectionStats>(() => ({
      opened: 11,
      rejected: 12,
      unread: 13,
      receivedBytes: 14,
      open: { http1: 15, http2: 16, new: 17 },
    }));
    const isDatabaseAvailable = vi.fn<() => boolean>(() => true);
    const metrics = makeMetrics({
      version: 'v1.2.3',
      memory,
      connections,
      isDatabaseAvailable,
      pending: () => ({ items: 3, bytes: 4 }),
      descriptorExhaustions: () => 6,
      busiestAddressRatio: () => 0.7,
    });

    const first = await scrape(metrics);
    memory.reservedBytes = 2;
    connections.mockReturnValue({ ...NO_CONNECTIONS, opened: 21 });
    isDatabaseAvailable.mockReturnValue(false);
    const second = await scrape(metrics);

    expect(Object.fromEntries(first)).toMatchObject({
      'build_info{version="v1.2.3"}': 1,
      request_memory_bytes: 5,
      request_memory_limit_bytes: 10,
      pending_reports: 3,
      pending_bytes: 4,
      file_descriptor_exhaustions_total: 6,
      busiest_address_ratio: 0.7,
      database_up: 1,
      connections_opened_total: 11,
      connections_rejected_total: 12,
      connections_unread_total: 13,
      received_bytes_total: 14,
      'connections{kind="http1"}': 15,
      'connections{kind="http2"}': 16,
      'connections{kind="new"}': 17,
    });
    expect(Object.fromEntries(second)).toMatchObject({
      request_memory_bytes: 2,
      file_descriptor_exhaustions_total: 6,
      database_up: 0,
      connections_opened_total: 21,
      'connections{kind="http1"}': 0,
    });
  });

  test('the disk, before and after it is measured', async () => {
    const disk = vi.fn<NonNullable<Options['disk']>>(() => undefined);
    const metrics = makeMetrics({ disk });

    await expect(scrapeSome(metrics, 'disk_')).resolves.toStrictEqual({
      disk_free_bytes: 0,
      disk_reserve_bytes: 0,
      disk_full: 0,
    });
    disk.mockReturnValue({ freeBytes: 99, reserveBytes: 100, isExhausted: true });
    await expect(scrapeSome(metrics, 'disk_')).resolves.toStrictEqual({
      disk_free_bytes: 99,
      disk_reserve_bytes: 100,
      disk_full: 1,
    });
    disk.mockReturnValue({ freeBytes: 101, reserveBytes: 100, isExhausted: false });
    await expect(scrapeSome(metrics, 'disk_full')).resolves.toStrictEqual({ disk_full: 0 });
  });

  test('the certificate, in seconds', async () => {
    const metrics = makeMetrics({ certificateExpiry: () => new Date('2100-01-01T00:00:00.500Z') });

    await expect(scrapeSome(metrics, 'certificate_')).resolves.toStrictEqual({
      certificate_expiry_timestamp_seconds: Date.UTC(2100) / 1_000 + 0.5,
    });
  });

  test('the statistics, before and after their first update', async () => {
    const status = vi.fn<() => StatisticsStatus>(() => ({
      lastAt: undefined,
      lastDurationMs: 0,
      reports: 0,
      failures: 0,
      dirtyDays: 0,
    }));
    const metrics = makeMetrics();
    metrics.observeStatistics(status);
    const series = {
      statistics_last_update_timestamp_seconds: 0,
      statistics_last_update_duration_seconds: 0,
      statistics_dirty_days: 0,
      statistics_reports_total: 0,
      statistics_failures_total: 0,
    };
    await expect(scrapeSome(metrics, 'statistics_')).resolves.toStrictEqual(series);

    status.mockReturnValue({ lastAt: new Date(60_500), lastDurationMs: 500, reports: 3, failures: 2, dirtyDays: 1 });

    await expect(scrapeSome(metrics, 'statistics_')).resolves.toStrictEqual({
      statistics_last_update_timestamp_seconds: 60.5,
      statistics_last_update_duration_seconds: 0.5,
      statistics_dirty_days: 1,
      statistics_reports_total: 3,
      statistics_failures_total: 2,
    });
  });

  test('what a collector does not have has no metric', async () => {
    const names = [...(await scrape(makeMetrics())).keys()];

    expect(names.filter((name) => /^(?:disk|certificate|statistics)_/.test(name))).toStrictEqual([]);
    expect(names).toContain('process_resident_memory_bytes');
  });
});

describe('what the ingest observes', () => {
  test('series of reports exist before the first one, so that rate() sees it', async () => {
    const metrics = makeMetrics();
    const reports = (protocol: string, dialect: string) =>
      ['stored', 'duplicate'].map((outcome) => [
        `reports_total{protocol="${protocol}",dialect="${dialect}",outcome="${outcome}"}`,
        0,
      ]);

    await expect(scrapeSome(metrics, 'reports_total')).resolves.toStrictEqual(
      Object.fromEntries([
        ...reports('connect', 'report'),
        ...reports('grpc', 'report'),
        ...reports('grpc-web', 'report'),
        ...reports('http', 'spartakus'),
        ...reports('http', 'coreos'),
        ...reports('http', 'kubermatic'),
      ]),
    );
    await expect(scrapeSome(metrics, 'quarantined_')).resolves.toStrictEqual({
      'quarantined_reports_total{dialect="report"}': 0,
      'quarantined_reports_total{dialect="spartakus"}': 0,
      'quarantined_reports_total{dialect="coreos"}': 0,
      'quarantined_reports_total{dialect="kubermatic"}': 0,
    });
    await expect(scrapeSome(metrics, 'cluster_lookups_')).resolves.toStrictEqual({
      'cluster_lookups_total{result="known"}': 0,
      'cluster_lookups_total{result="new"}': 0,
      'cluster_lookups_total{result="quarantined"}': 0,
    });
  });

  test('reports, lookups, quarantine, unknown fields and rejections are counted, and a scrape resets nothing', async () => {
    const metrics = makeMetrics();
    const { ingestObserver } = metrics;
    for (let round = 0; round < 2; round += 1) {
      ingestObserver.onAnswer('grpc', 'report', 'stored');
      ingestObserver.onAnswer('http', 'coreos', 'too-large');
      ingestObserver.onClusterLookup('new');
      ingestObserver.onQuarantined('kubermatic', { protocol: 'http' });
      ingestObserver.onUnknownFields(3);
      metrics.countRejection('http', 'rate-limited');
      await metrics.render();
    }

    expect(Object.fromEntries(await scrape(metrics))).toMatchObject({
      'reports_total{protocol="grpc",dialect="report",outcome="stored"}': 2,
      'reports_total{protocol="grpc",dialect="report",outcome="duplicate"}': 0,
      'reports_total{protocol="http",dialect="coreos",outcome="too-large"}': 2,
      'cluster_lookups_total{result="new"}': 2,
      'cluster_lookups_total{result="known"}': 0,
      'quarantined_reports_total{dialect="kubermatic"}': 2,
      unknown_fields_total: 6,
      'rejections_total{protocol="http",reason="rate-limited"}': 2,
    });
  });

  test('writes are observed with their size and, when they end, their duration', async () => {
    const metrics = makeMetrics();

    const end = metrics.ingestObserver.onWrite({ items: 7, bytes: 5_000 });
    await expect(scrapeSome(metrics, 'commit_seconds_count')).resolves.toStrictEqual({ commit_seconds_count: 0 });
    end();

    const observed = Object.fromEntries(await scrape(metrics));
    expect(observed).toMatchObject({
      batch_reports_sum: 7,
      batch_reports_count: 1,
      batch_bytes_sum: 5_000,
      batch_bytes_count: 1,
      commit_seconds_count: 1,
    });
    expect(observed['commit_seconds_sum']).toBeLessThan(5);
  });

  test('the buckets reach from one report to the largest batch, and from a millisecond to the longest write', async () => {
    const { body } = await makeMetrics().render();
    const bucketsOf = (name: string): readonly number[] =>
      [...body.matchAll(new RegExp(String.raw`^spartakus_collector_${name}_bucket\{le="([\d.]+)"\}`, 'gm'))].map(
        ([, limit]) => Number(limit),
      );
    const ends = (name: string) => [bucketsOf(name)[0], bucketsOf(name).at(-1)];

    expect(ends('batch_reports')).toStrictEqual([1, 1_000]);
    expect(ends('batch_bytes')).toStrictEqual([1_024, 16 * 1_024 * 1_024]);
    expect(ends('commit_seconds')).toStrictEqual([0.001, 10]);
    for (const name of ['batch_reports', 'batch_bytes', 'commit_seconds'])
      expect(bucketsOf(name)).toStrictEqual(bucketsOf(name).toSorted((a, b) => a - b));
  });
});
