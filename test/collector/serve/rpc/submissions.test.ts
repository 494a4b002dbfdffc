import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { Outcome } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { EnvelopeSchema } from '../../../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { RecordSchema } from '../../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { reportIdOf } from '../../../../src/collector/ingest/prepare.ts';
import type { DecodedEntry } from '../../../../src/collector/serve/decode/decode-message.ts';
import { createReportReceiver } from '../../../../src/collector/serve/rpc/report-receiver.ts';
import type { Submission } from '../../../../src/report/report-sink.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { makeReport } from '../../../support/reports.ts';

const ORIGIN = { protocol: 'grpc', addressKey: '192.0.2.1' } as const;
const WRONG = new SpartakusError('invalid', 'clusterID is wrong', { field: 'clusterID' });

/** A receiver, and what its ingest was given. */
function makeReceiver({
  accept = () => ({ status: 'stored' }),
  nextReportAfterMs,
}: {
  readonly accept?: (reportId: string) => { readonly status: 'stored' | 'duplicate' };
  readonly nextReportAfterMs?: number;
} = {}) {
  const calls: (readonly [string, unknown, unknown])[] = [];
  const rejections: unknown[] = [];
  const receiver = createReportReceiver({
    ingest: {
      accept: async (submission: Submission, context: object) => {
        calls.push(['accept', submission, context]);
        const reportId = reportIdOf(submission);
        return await Promise.resolve({ reportId, ...accept(reportId) });
      },
      validate: (submission: Submission, context: object) => {
        calls.push(['validate', submission, context]);
        return reportIdOf(submission);
      },
      waitForCapacity: () => Promise.resolve(),
      countInvalid: (error: Error, context: object) => calls.push(['invalid', error, context]),
    } as never,
    admission: { pace: () => Promise.resolve() } as never,
    keepCountry: true,
    ...(nextReportAfterMs !== undefined && { nextReportAfterMs }),
    onRejection: (protocol, error) => rejections.push([protocol, error]),
    stopping: new AbortController().signal,
  });
  return { receiver, calls, rejections };
}

const CONTEXT = { origin: ORIGIN, dialect: 'report' };
const document = (reportId: string, kind: 'report' | 'kubermaticRecord' = 'report') =>
  ({ kind, clusterId: 'c', reportId, fields: new Uint8Array(), droppedFields: 0 }) as const;
const decodedOf = (...entries: DecodedEntry[]) => ({ dialect: 'report', entries }) as const;

describe('a report', () => {
  test.each([
    ['stored', Outcome.STORED],
    ['duplicate', Outcome.DUPLICATE],
  ] as const)('that is %s has that receipt', async (status, outcome) => {
    const { receiver, calls } = makeReceiver({ accept: () => ({ status }), nextReportAfterMs: 90_500 });
    const report = makeReport();

    await expect(receiver.submit({ report }, ORIGIN)).resolves.toMatchObject({
      reportId: report.reportId,
      outcome,
      policy: { nextReportAfter: { seconds: 90n, nanos: 500_000_000 } },
    });

    expect(calls).toStrictEqual([['accept', { report }, CONTEXT]]);
  });

  test('has no time of the next report where clients choose it', async () => {
    const { receiver } = makeReceiver();

    const receipt = await receiver.submit({ report: makeReport() }, ORIGIN);

    expect(receipt?.policy).toBeDefined();
    expect(receipt?.policy).not.toHaveProperty('nextReportAfter');
  });

  test('that was decoded in a thread is stored as its document', async () => {
    const { receiver, calls } = makeReceiver();
    const entry = { document: document('r') };

    await expect(receiver.submit({ decoded: decodedOf(entry) }, ORIGIN)).resolves.toMatchObject({
      reportId: 'r',
      outcome: Outcome.STORED,
    });

    expect(calls).toStrictEqual([['accept', { encodedDocument: entry.document }, CONTEXT]]);
  });

  test('that is not valid in the thread is counted, and has the error with the path from the request', async () => {
    const { receiver, calls } = makeReceiver();
    const decoded = decodedOf({ reportId: 'r', error: WRONG });

    await expect(receiver.submit({ decoded }, ORIGIN)).rejects.toMatchObject({
      kind: 'invalid',
      field: 'report.cluster_id',
    });

    expect(calls).toStrictEqual([['invalid', WRONG, CONTEXT]]);
  });

  test('is required', async () => {
    const { receiver, calls } = makeReceiver();

    for (const request of [{}, { decoded: decodedOf() }])
      await expect(receiver.submit(request, ORIGIN)).rejects.toMatchObject({
        kind: 'invalid',
        field: 'report',
        message: 'report is required',
      });
    expect(calls).toStrictEqual([]);
  });

  test('that ingest rejects has the error with the path from the request', async () => {
    const { receiver } = makeReceiver({
      accept: () => {
        throw WRONG;
      },
    });

    await expect(receiver.submit({ report: makeReport() }, ORIGIN)).rejects.toMatchObject({
      field: 'report.cluster_id',
      message: 'report.cluster_id is wrong',
    });
  });
});

describe('a report that is only to be validated', () => {
  test('is not stored', async () => {
    const { receiver, calls } = makeReceiver();
    const report = makeReport();

    for (const request of [
      { report, validateOnly: true },
      { decoded: { ...decodedOf({ document: document(report.reportId) }), validateOnly: true } },
    ])
      await expect(receiver.submit(request, ORIGIN)).resolves.toMatchObject({
        reportId: report.reportId,
        outcome: Outcome.VALIDATED,
      });

    expect(calls.map(([name]) => name)).toStrictEqual(['validate', 'validate']);
  });

  test('is what the thread says of it where it was decoded there', async () => {
    const { receiver, calls } = makeReceiver();

    const decoded = { ...decodedOf({ document: document('r') }), validateOnly: false };
    await receiver.submit({ decoded, validateOnly: true }, ORIGIN);
    await receiver.submit({ report: makeReport(), validateOnly: false }, ORIGIN);

    expect(calls.map(([name]) => name)).toStrictEqual(['accept', 'accept']);
  });

  test('may be absent', async () => {
    const { receiver, calls } = makeReceiver();

    await expect(receiver.submit({ validateOnly: true }, ORIGIN)).resolves.toBeUndefined();
    // A message that was decoded in a thread has a report, or an error.
    const decoded = { ...decodedOf(), validateOnly: true };
    await expect(receiver.submit({ decoded }, ORIGIN)).rejects.toMatchObject({ field: 'report' });
    expect(calls).toStrictEqual([]);
  });
});

describe('an envelope', () => {
  const TIME = { seconds: 1_700_000_000n };
  const envelope = (records: MessageInitShape<typeof RecordSchema>[]) =>
    create(EnvelopeSchema, { version: 'v2', clientUuid: 'u', clientLocation: { countryCode: 'DE' }, records });

  test('has a receipt for each record, in their order', async () => {
    const idOf = (letter: string): string => `0190163d-8694-739b-aea5-966c26f8ad9${letter}`;
    const ids = [idOf('a'), idOf('b'), idOf('c')] as const;
    const { receiver, calls, rejections } = makeReceiver({
      accept: (reportId) => {
        if (reportId === ids[1]) throw WRONG;
        return { status: reportId === ids[0] ? 'duplicate' : 'stored' };
      },
    });
    const records = ids.map((reportId) => ({ kind: 'kubermatic', time: TIME, reportId }));

    const receipts = await receiver.submitEnvelope({ envelope: envelope(records) }, ORIGIN);

    expect(receipts).toMatchObject([
      { reportId: ids[0], outcome: Outcome.DUPLICATE },
      { reportId: ids[1], outcome: Outcome.REFUSED, refusal: { field: 'envelope.records[1].client_uuid' } },
      { reportId: ids[2], outcome: Outcome.STORED },
    ]);
    expect(rejections).toStrictEqual([['grpc', expect.objectContaining({ kind: 'invalid' })]]);
    expect(calls).toHaveLength(3);
    for (const [, , context] of calls)
      expect(context).toStrictEqual({ origin: ORIGIN, dialect: 'kubermatic', country: 'DE' });
  });

  test('that was decoded in a thread has the outcome of each entry', async () => {
    const { receiver, calls, rejections } = makeReceiver({
      accept: (reportId) => {
        if (reportId === 'full') throw new SpartakusError('overloaded', 'full', { retryAfterMs: 7_000 });
        return { status: 'stored' };
      },
    });
    const entries = [
      { document: document('r', 'kubermaticRecord') },
      { reportId: 'x', error: WRONG },
      { document: document('full') },
    ];

    const receipts = await receiver.submitEnvelope(
      { decoded: { dialect: 'kubermatic', country: 'FR', entries } },
      ORIGIN,
    );

    expect(receipts).toMatchObject([
      { reportId: 'r', outcome: Outcome.STORED },
      { reportId: 'x', outcome: Outcome.REFUSED, refusal: { field: 'envelope.records[1].client_uuid' } },
      { reportId: 'full', outcome: Outcome.REFUSED, refusal: { retryAfter: { seconds: 7n } } },
    ]);
    const context = { origin: ORIGIN, dialect: 'kubermatic', country: 'FR' };
    expect(calls).toStrictEqual([
      ['accept', { encodedDocument: document('r', 'kubermaticRecord') }, context],
      ['invalid', WRONG, context],
      ['accept', { encodedDocument: document('full') }, context],
    ]);
    expect(rejections).toHaveLength(2);
  });

  test('is required', async () => {
    const { receiver } = makeReceiver();

    await expect(receiver.submitEnvelope({}, ORIGIN)).rejects.toMatchObject({ field: 'envelope' });
  });
});

test('the receipt of a stream names the report that is rejected, however it was decoded', async () => {
  const { receiver } = makeReceiver({
    accept: () => {
      throw new SpartakusError('overloaded', 'full');
    },
  });
  const report = makeReport();
  const requests = [
    { report },
    { decoded: decodedOf({ document: document('of a document') }) },
    { decoded: decodedOf({ reportId: 'of an error', error: WRONG }) },
    {},
  ];
  async function* all() {
    for (const request of requests) yield await Promise.resolve([request]);
  }
  const ids: string[] = [];
  for await (const receipts of receiver.stream(all(), ORIGIN, new AbortController().signal))
    ids.push(...receipts.map(({ reportId }) => reportId));

  expect(ids).toStrictEqual([report.reportId, 'of a document', 'of an error', '']);
});
