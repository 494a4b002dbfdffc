import { create } from '@bufbuild/protobuf';
import { serialize } from 'bson';
import { expect, test } from 'vitest';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { createIngest, type SubmissionContext } from '../../../src/collector/ingest/ingest.ts';
import type { IngestObserver } from '../../../src/collector/ingest/observer.ts';
import type { Outcome, StoreEntry } from '../../../src/report/report-sink.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const NOW = new Date('2026-11-21T10:00:00Z');
const REPORT_ID = '01890a5d-ac96-774b-bcce-b302099a8057';
const CONTEXT: SubmissionContext = { origin: { protocol: 'grpc' }, dialect: 'report' };
const FROM_ADDRESS: SubmissionContext = { ...CONTEXT, origin: { protocol: 'grpc', addressKey: '192.0.2.1' } };
const reportOf = (clusterId: string, reportId = '') => ({ report: create(ReportSchema, { clusterId, reportId }) });

type Options = Partial<Parameters<typeof createIngest>[0]>;

/** An ingest whose sink answers as the test says and knows the cluster "stored". What it tells its observer is in `told`. */
function makeIngest(options: Options = {}, answer: (entry: StoreEntry) => Outcome = () => ({ status: 'stored' })) {
  const told: unknown[][] = [];
  const entries: StoreEntry[] = [];
  const note =
    (what: keyof IngestObserver) =>
    (...values: unknown[]) =>
      void told.push([what, ...values]);
  const ingest = createIngest({
    clock: createManualClock(NOW),
    randomBytes: (count) => new Uint8Array(count),
    limits: {
      maxPendingReports: 100,
      maxPendingBytes: 1_000_000,
      reportsPerHourPerCluster: 0,
      newClustersPerHourPerAddress: 1,
    },
    observer: {
      onAnswer: note('onAnswer'),
      onWrite: ({ items }) => {
        told.push(['onWrite', items]);
        return () => void told.push(['written']);
      },
      onUnknownFields: note('onUnknownFields'),
      onCluster: note('onCluster'),
      onClusterLookup: note('onClusterLookup'),
      onQuarantined: note('onQuarantined'),
    },
    sink: {
      hasReportsFrom: (clusterId) => Promise.resolve(clusterId === 'stored'),
      put: (batch) => {
        entries.push(...batch);
        return Promise.resolve(batch.map(answer));
      },
    },
    ...options,
  });
  const toldOf = (what: keyof IngestObserver) => told.filter(([name]) => name === what).map(([, ...values]) => values);
  return { ingest, entries, told, toldOf };
}

test.each<[outcome: Outcome, counted: string]>([
  [{ status: 'stored' }, 'stored'],
  [{ status: 'duplicate' }, 'duplicate'],
  [{ status: 'failed', error: new SpartakusError('unavailable', 'the disk is full') }, 'unavailable'],
])('the answer to a report is counted by protocol, dialect and outcome: %j', async (outcome, counted) => {
  const { ingest, toldOf } = makeIngest({}, () => outcome);

  await Promise.allSettled([ingest.accept(reportOf('c'), { origin: { protocol: 'http' }, dialect: 'coreos' })]);

  expect(toldOf('onAnswer')).toStrictEqual([['http', 'coreos', counted]]);
});

test('a report that is invalid is counted once, whether it is to be stored, validated, or was rejected before', async () => {
  const { ingest, entries, told } = makeIngest();

  await expect(ingest.accept(reportOf(''), CONTEXT)).rejects.toMatchObject({ kind: 'invalid' });
  expect(() => ingest.validate(reportOf(''), CONTEXT)).toThrow(expect.objectContaining({ field: 'clusterID' }));
  ingest.countInvalid(new SpartakusError('too-large', 'the report is too large'), CONTEXT);

  expect(told).toStrictEqual([
    ['onAnswer', 'grpc', 'report', 'invalid'],
    ['onAnswer', 'grpc', 'report', 'invalid'],
    ['onAnswer', 'grpc', 'report', 'too-large'],
  ]);
  expect(entries).toStrictEqual([]);
});

test('a report that is only validated is counted and answered with its id, and neither stored nor looked up', () => {
  const { ingest, entries, told } = makeIngest();

  expect(ingest.validate(reportOf('c', REPORT_ID), FROM_ADDRESS)).toBe(REPORT_ID);
  expect(ingest.validate(reportOf('c'), FROM_ADDRESS)).toBe('');

  expect(told).toStrictEqual([
    ['onAnswer', 'grpc', 'report', 'validated'],
    ['onAnswer', 'grpc', 'report', 'validated'],
  ]);
  expect(entries).toStrictEqual([]);
});

test('the begin and the end of each write are told', async () => {
  const { ingest, told } = makeIngest();

  await ingest.accept(reportOf('c'), CONTEXT);

  expect(told.filter(([what]) => what === 'onWrite' || what === 'written')).toStrictEqual([
    ['onWrite', 1],
    ['written'],
  ]);
});

test('a cluster is told with each of its reports, and only one that a report names', async () => {
  const { ingest, toldOf } = makeIngest();
  const context: SubmissionContext = { origin: { protocol: 'http' }, dialect: 'spartakus' };

  for (const clusterId of ['a', '', 'a']) await ingest.accept(reportOf(clusterId), context);

  const [first, second, ...others] = toldOf('onCluster');
  expect(first).toStrictEqual([expect.not.stringMatching(/^a?$/) as string, context.origin]);
  expect(second).toStrictEqual(first);
  expect(others).toStrictEqual([]);
});

test('each lookup of a cluster is told, and reports in quarantine when they are stored', async () => {
  const { ingest, toldOf } = makeIngest({}, (entry) => ({
    status: 'report' in entry && entry.report.reportId === REPORT_ID ? 'duplicate' : 'stored',
  }));

  for (const clusterId of ['stored', 'new', 'crowd']) await ingest.accept(reportOf(clusterId), FROM_ADDRESS);
  for (const clusterId of ['crowd', 'crowd']) await ingest.accept(reportOf(clusterId, REPORT_ID), FROM_ADDRESS);

  expect(toldOf('onClusterLookup')).toStrictEqual([
    ['known'],
    ['new'],
    ['quarantined'],
    ['quarantined'],
    ['quarantined'],
  ]);
  expect(toldOf('onQuarantined')).toStrictEqual([['report', FROM_ADDRESS.origin]]);
});

test.each([
  ['without an observer', undefined],
  [
    'with an observer of answers alone',
    { onAnswer: () => undefined, onWrite: () => () => undefined, onUnknownFields: () => undefined },
  ],
])('%s, reports are stored, also in quarantine', async (_what, observer) => {
  const { ingest, entries } = makeIngest({ observer });

  for (const clusterId of ['stored', 'new', 'crowd']) await ingest.accept(reportOf(clusterId), FROM_ADDRESS);
  ingest.countInvalid(new SpartakusError('invalid', 'the report is invalid'), CONTEXT);

  expect(entries.map(({ quarantined }) => quarantined)).toStrictEqual([undefined, undefined, true]);
});

const encoded = () => ({
  encodedDocument: {
    kind: 'report' as const,
    clusterId: 'c',
    reportId: '',
    fields: serialize({ clusterID: 'c', masterVersion: 'v1.31.4-acme' }),
    droppedFields: 3,
  },
});

test('a report that another thread has encoded is stored as it is, with an id and without facts', async () => {
  const { ingest, entries, toldOf } = makeIngest({ normaliseLegacy: true, makeFacts: () => ({ some: 'facts' }) });
  const submission = encoded();

  const { reportId } = await ingest.accept(submission, { ...CONTEXT, dialect: 'spartakus', unknownFields: 2 });

  expect(submission.encodedDocument).toStrictEqual({ ...encoded().encodedDocument, reportId });
  expect(reportId).toMatch(/^[0-9a-f-]{36}$/);
  expect(entries).toHaveLength(1);
  expect(entries[0]).not.toHaveProperty('facts');
  expect(toldOf('onUnknownFields')).toStrictEqual([[5]]);
});

test('the facts of a report or record are made of its content, dialect and time of receipt, and stored with it', async () => {
  const asked: unknown[] = [];
  const { ingest, entries } = makeIngest({
    makeFacts: (content, context) => {
      asked.push([content, context]);
      return { number: asked.length };
    },
  });
  const { report } = reportOf('c');
  const kubermaticRecord = create(RecordSchema, { kind: 'kubermatic' });

  await ingest.accept({ report }, CONTEXT);
  await ingest.accept({ kubermaticRecord }, { ...CONTEXT, dialect: 'kubermatic' });

  expect(asked).toStrictEqual([
    [report, { receivedAt: NOW, dialect: 'report' }],
    [kubermaticRecord, { receivedAt: NOW, dialect: 'kubermatic' }],
  ]);
  expect(entries.map(({ facts }) => facts)).toStrictEqual([{ number: 1 }, { number: 2 }]);
});
