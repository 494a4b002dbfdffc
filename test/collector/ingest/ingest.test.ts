import { inspect } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { WireType } from '@bufbuild/protobuf/wire';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { createIngest, type IngestLimits, type SubmissionContext } from '../../../src/collector/ingest/ingest.ts';
import { documentOf } from '../../../src/collector/store/encoded-document.ts';
import type { Outcome, StoreEntry } from '../../../src/report/report-sink.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const NOW = new Date('2026-11-21T10:00:00Z');
const CONTEXT: SubmissionContext = { origin: { protocol: 'grpc' }, dialect: 'report' };
const LIMITS: IngestLimits = {
  maxPendingReports: 100,
  maxPendingBytes: 1_000_000,
  reportsPerHourPerCluster: 0,
  newClustersPerHourPerAddress: 0,
};

/** An ingest with a sink that answers as the test says, and keeps its entries. */
function makeIngest(
  answer: (entry: StoreEntry) => Outcome = () => ({ status: 'stored' }),
  limits: Partial<IngestLimits> = {},
  options: { readonly keepUnknownFields?: boolean } = {},
) {
  const entries: StoreEntry[] = [];
  const clock = createManualClock(NOW);
  const asked: string[] = [];
  const clusterKeys: string[] = [];
  let dropped = 0;
  const ingest = createIngest({
    ...options,
    clock,
    limits: { ...LIMITS, ...limits },
    observer: {
      onAnswer: () => undefined,
      onCluster: (clusterKey) => void clusterKeys.push(clusterKey),
      onWrite: () => () => undefined,
      onUnknownFields: (count) => (dropped += count),
    },
    randomBytes: (count) => new Uint8Array(count).fill(0xab),
    sink: {
      // As a database does, which knows what is stored outside of quarantine.
      hasReportsFrom: (owner) => {
        asked.push(owner);
        return Promise.resolve(
          entries.some(
            (entry) => 'report' in entry && entry.report.clusterId === owner && entry.quarantined === undefined,
          ),
        );
      },
      put: (batch) => {
        entries.push(...batch);
        return Promise.resolve(batch.map(answer));
      },
    },
  });
  return { ingest, entries, clock, asked, clusterKeys, dropped: () => dropped };
}

test('a report without an id is given a UUIDv7 of the time of receipt', async () => {
  const { ingest, entries } = makeIngest();

  const accepted = await ingest.accept({ report: create(ReportSchema, { clusterId: 'c' }) }, CONTEXT);

  expect(accepted.status).toBe('stored');
  expect(accepted.reportId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(Number.parseInt(accepted.reportId.replaceAll('-', '').slice(0, 12), 16)).toBe(NOW.getTime());
  expect(entries).toMatchObject([{ receivedAt: NOW, report: { reportId: accepted.reportId } }]);
});

test('a report with an id keeps it', async () => {
  const reportId = '01890a5d-ac96-774b-bcce-b302099a8057';
  const { ingest } = makeIngest(() => ({ status: 'duplicate' }));

  await expect(
    ingest.accept({ report: create(ReportSchema, { clusterId: 'c', reportId }) }, CONTEXT),
  ).resolves.toStrictEqual({ reportId, status: 'duplicate' });
});

test('a report that breaks a rule does not reach the sink', async () => {
  const { ingest, entries } = makeIngest();

  await expect(ingest.accept({ report: create(ReportSchema, {}) }, CONTEXT)).rejects.toMatchObject({
    kind: 'invalid',
    field: 'clusterID',
  });
  expect(entries).toStrictEqual([]);
});

test("a report that the sink could not store is rejected with the sink's own error, and the others are stored", async () => {
  const full = new SpartakusError('unavailable', 'the disk is full');
  const { ingest } = makeIngest((entry) =>
    'report' in entry && entry.report.clusterId === 'b' ? { status: 'failed', error: full } : { status: 'stored' },
  );

  const settled = await Promise.allSettled(
    ['a', 'b', 'c'].map((clusterId) => ingest.accept({ report: create(ReportSchema, { clusterId }) }, CONTEXT)),
  );

  expect(settled.map(({ status }) => status)).toStrictEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(settled[1]).toMatchObject({ reason: full });
});

test("a record of Kubermatic's gets an id, is validated and stored, with the country beside it", async () => {
  const { ingest, entries } = makeIngest();
  const kubermaticRecord = create(RecordSchema, { kind: 'kubermatic' });
  const origin = { protocol: 'http' } as const;

  const accepted = await ingest.accept({ kubermaticRecord }, { origin, dialect: 'kubermatic', country: 'DE' });
  const rejected = ingest.accept({ kubermaticRecord: create(RecordSchema, { reportId: 'x' }) }, CONTEXT);

  await expect(rejected).rejects.toMatchObject({ kind: 'invalid', field: 'reportID' });
  expect(accepted).toStrictEqual({ reportId: kubermaticRecord.reportId, status: 'stored' });
  expect(entries).toStrictEqual([{ kubermaticRecord, receivedAt: NOW, country: 'DE', origin, quarantined: undefined }]);
  expect(entries[0]).toHaveProperty('origin', origin);
});

const HOUR_MS = 3_600_000;

test('a cluster that sends more reports an hour than it may is rejected with a time to retry, and others are not', async () => {
  const { ingest, clock } = makeIngest(undefined, { reportsPerHourPerCluster: 3 });
  const send = (clusterId: string) => ingest.accept({ report: create(ReportSchema, { clusterId }) }, CONTEXT);
  for (let time = 0; time < 3; time += 1) await send('eager');

  await expect(send('eager')).rejects.toMatchObject({
    kind: 'rate-limited',
    message: expect.stringContaining('3 reports an hour') as string,
    retryAfterMs: HOUR_MS / 3,
  });
  await expect(send('other')).resolves.toMatchObject({ status: 'stored' });
  clock.advance(HOUR_MS / 3);
  await expect(send('eager')).resolves.toMatchObject({ status: 'stored' });
  await expect(send('eager')).rejects.toMatchObject({ kind: 'rate-limited' });
});

test('reports without a cluster id do not share a limit', async () => {
  const { ingest, entries, asked } = makeIngest(undefined, {
    reportsPerHourPerCluster: 1,
    newClustersPerHourPerAddress: 1,
  });
  const send = () =>
    ingest.accept(
      { report: create(ReportSchema, {}) },
      { origin: { protocol: 'http', addressKey: '192.0.2.1' }, dialect: 'spartakus' },
    );

  await expect(Promise.all([send(), send(), send()])).resolves.toHaveLength(3);
  expect(entries.map(({ quarantined }) => quarantined)).toStrictEqual([undefined, undefined, undefined]);
  expect(asked).toStrictEqual([]);
});

test('long cluster ids are limited separately, by short keys', async () => {
  const { ingest, clusterKeys } = makeIngest(undefined, { reportsPerHourPerCluster: 1 });
  const send = (clusterId: string) => ingest.accept({ report: create(ReportSchema, { clusterId }) }, CONTEXT);
  await send(`${'x'.repeat(200)}a`);

  await expect(send(`${'x'.repeat(200)}a`)).rejects.toMatchObject({ kind: 'rate-limited' });
  await expect(send(`${'x'.repeat(200)}b`)).resolves.toMatchObject({ status: 'stored' });
  expect(clusterKeys.map(({ length }) => length)).toStrictEqual([43, 43]);
});

test('a crowd of new clusters from one address is stored in quarantine from the one on that is too many', async () => {
  const { ingest, entries, clock, asked } = makeIngest(undefined, { newClustersPerHourPerAddress: 2 });
  const send = async (clusterId: string, addressKey?: string) => {
    const origin = { protocol: 'grpc', addressKey } as const;
    await ingest.accept({ report: create(ReportSchema, { clusterId }) }, { ...CONTEXT, origin });
    return entries.at(-1)?.quarantined ?? false;
  };

  await expect(send('a', '192.0.2.1')).resolves.toBe(false);
  await expect(send('b', '192.0.2.1')).resolves.toBe(false);
  await expect(send('c', '192.0.2.1')).resolves.toBe(true);
  // A cluster that has begun is not new; other addresses, and unknown ones, are not affected.
  await expect(send('a', '192.0.2.1')).resolves.toBe(false);
  await expect(send('d', '192.0.2.2')).resolves.toBe(false);
  await expect(send('e')).resolves.toBe(false);
  // Known to the database alone, as after a restart.
  await expect(send('e', '192.0.2.1')).resolves.toBe(false);
  expect(asked).toStrictEqual(['a', 'b', 'c', 'd', 'e']);
  clock.advance(HOUR_MS);
  await expect(send('c', '192.0.2.1')).resolves.toBe(false);
});

test('the origin reaches the store as it is, and only the recorded address is in the document', async () => {
  const { ingest, entries } = makeIngest();
  const origin = { protocol: 'grpc', addressKey: '192.0.2.1', recordedAddress: 'recorded' } as const;

  await ingest.accept({ report: create(ReportSchema, { clusterId: 'c' }) }, { ...CONTEXT, origin });

  const [entry] = entries;
  expect(entry?.origin).toBe(origin);
  const { document } = documentOf(entry!);
  expect(document.receivedFrom).toBe('recorded');
  expect(JSON.stringify(document)).not.toContain('192.0.2.1');
});

test('unknown protobuf fields are dropped wherever they are, and counted, unless they are kept', async () => {
  const unknown = [{ no: 99, wireType: WireType.Varint, data: Uint8Array.of(1) }];
  const makeRecord = () => {
    const record = create(RecordSchema, {
      kind: 'kubermatic',
      version: 'v2',
      clientUuid: 'u',
      time: timestampFromMs(1000),
      seeds: [{ datacenters: [{ uuid: 'd' }] }],
    });
    for (const message of [record, record.time, record.seeds[0]?.datacenters[0]])
      if (message !== undefined) message.$unknown = unknown;
    return record;
  };
  const [strict, keeping] = [makeIngest(), makeIngest(undefined, {}, { keepUnknownFields: true })];

  await strict.ingest.accept({ kubermaticRecord: makeRecord() }, CONTEXT);
  await keeping.ingest.accept({ kubermaticRecord: makeRecord() }, CONTEXT);

  const unknownIn = ({ entries }: ReturnType<typeof makeIngest>) =>
    inspect(entries, { depth: null }).match(/\$unknown/g)?.length ?? 0;
  expect([unknownIn(strict), unknownIn(keeping)]).toStrictEqual([0, 3]);
  expect([strict.dropped(), keeping.dropped()]).toStrictEqual([3, 0]);
});
