import { create, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Metadata, ServerCredentials, status as Code } from '@grpc/grpc-js';
import { afterEach, expect, test, vi } from 'vitest';
import {
  Outcome as ReceiptOutcome,
  StreamReportsResponseSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { openGrpcSink } from '../../../src/delivery/transport/grpc.ts';
import { retryInfoMs } from '../../../src/delivery/transport/retry-info.ts';
import type { TransportOptions } from '../../../src/delivery/transport/sink.ts';
import type { ReportSink } from '../../../src/report/report-sink.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { type Rejection, reportSinkContract } from '../../contract/report-sink.ts';
import { type GrpcCollector, startGrpcCollector } from '../../support/grpc-collector.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { failOne, putOne } from '../../support/put-one.ts';
import { makeReport } from '../../support/reports.ts';

expectNothingLeftOpen();

const REJECTION = {
  permanent: { code: Code.INVALID_ARGUMENT, reason: 'no' },
  retryable: { code: Code.UNAVAILABLE, reason: 'later' },
} as const;

reportSinkContract(
  'a collector over gRPC',
  async () => {
    const collector = await startGrpcCollector();
    const sink = openGrpcSink(`grpc://127.0.0.1:${collector.port}`);
    const rejected = new Map<string, Rejection>();
    const store = collector.receiptOf;
    collector.receiptOf = (report) => {
      const how = rejected.get(report.reportId);
      if (how === undefined) return store(report);
      return { reportId: report.reportId, outcome: ReceiptOutcome.REFUSED, refusal: REJECTION[how] };
    };
    return {
      sink,
      reject: (report, how) => rejected.set(report.reportId, how),
      storedClusterIds: () => Promise.resolve([...collector.stored.values()].map(({ clusterId }) => clusterId)),
      close: async () => {
        await sink.close();
        collector.close();
      },
    };
  },
  { duplicates: true, rejections: ['permanent', 'retryable'] },
);

const closers: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(
  options: TransportOptions = {},
): Promise<{ collector: GrpcCollector; sink: ReportSink; url: string }> {
  const collector = await startGrpcCollector();
  const url = `grpc://127.0.0.1:${collector.port}`;
  const sink = openGrpcSink(url, options);
  closers.push(
    () => collector.close(),
    () => sink.close(),
  );
  return { collector, sink, url };
}

test('an encoded report is sent as it is, and not decoded', async () => {
  const { collector, sink } = await start();
  const report = makeReport();
  const encoded = { reportId: report.reportId, bytes: toBinary(ReportSchema, report) };

  const outcomes = await sink.put([
    {
      encoded,
      get report(): Report {
        throw new Error('decoded');
      },
    },
  ]);

  expect(outcomes).toMatchObject([{ status: 'stored' }]);
  expect(collector.stored.get(report.reportId)).toStrictEqual(report);
});

test('the collector gets the report with every field', async () => {
  const { collector, sink } = await start();
  const report = makeReport();

  await putOne(sink, report);

  expect(collector.stored.get(report.reportId)).toStrictEqual(report);
});

test('the policy of the receipt is in the outcome', async () => {
  const { collector, sink } = await start();
  collector.receiptOf = ({ reportId }) => ({
    reportId,
    outcome: ReceiptOutcome.STORED,
    policy: { nextReportAfter: durationFromMs(7_200_500) },
  });

  await expect(putOne(sink)).resolves.toStrictEqual({ status: 'stored', nextReportAfterMs: 7_200_500 });
});

test('a rejection has the reason, the field and the retry delay', async () => {
  const { collector, sink, url } = await start();
  collector.receiptOf = ({ reportId }) => ({
    reportId,
    outcome: ReceiptOutcome.REFUSED,
    refusal: {
      code: Code.RESOURCE_EXHAUSTED,
      reason: 'too many at once',
      field: 'nodes[3].id',
      retryAfter: durationFromMs(1500),
    },
  });

  const error = await failOne(sink);

  expect(error).toMatchObject({ kind: 'overloaded', field: 'nodes[3].id', retryAfterMs: 1500, retryable: true });
  expect(error.message).toBe(`The collector at ${url} rejected the report for its nodes[3].id: too many at once`);
});

test('a report that is too large is not retried', async () => {
  const { collector, sink } = await start();
  collector.receiptOf = ({ reportId }) => ({
    reportId,
    outcome: ReceiptOutcome.REFUSED,
    refusal: { code: Code.RESOURCE_EXHAUSTED, reason: 'over 4 MiB' },
  });

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'too-large', retryable: false });
});

test('a deadline that is exceeded is a retryable failure', async () => {
  const { collector, sink } = await start({ timeoutMs: 50 });
  collector.serve = (stream) => stream.resume();

  const error = await failOne(sink);

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain('it did not answer in time');
});

test('receipts before a failure of the stream count', async () => {
  const { collector, sink } = await start();
  collector.serve = (stream) => {
    stream.once('data', ({ report }: { report: { reportId: string } }) => {
      const receipt = { reportId: report.reportId, outcome: ReceiptOutcome.STORED };
      stream.write(create(StreamReportsResponseSchema, { receipt }));
      stream.emit('error', { code: Code.UNAVAILABLE, details: 'going down' });
    });
  };

  const outcomes = await sink.put([{ report: makeReport() }, { report: makeReport() }]);

  expect(outcomes[0]).toStrictEqual({ status: 'stored' });
  expect(outcomes[1]).toMatchObject({ status: 'failed', error: { kind: 'unavailable' } });
});

test('a stream that ends without a receipt is a failure', async () => {
  const { collector, sink, url } = await start();
  collector.serve = (stream) => {
    stream.resume();
    stream.end();
  };

  const error = await failOne(sink);

  expect(error).toMatchObject({ kind: 'internal', retryable: true });
  expect(error.message).toBe(`The collector at ${url} ended the stream without a receipt for the report.`);
});

test('receipts for unknown reports are ignored', async () => {
  const { collector, sink } = await start();
  const own = collector.receiptOf;
  collector.receiptOf = (report) => ({ ...own(report), reportId: 'another' });

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'internal' });
});

test('other receipts before that of the report, and a response without one, are ignored', async () => {
  const { collector, sink } = await start();
  collector.serve = (stream) => {
    stream.once('data', ({ report }: { report: Report }) => {
      for (const receipt of [{ reportId: 'another' }, undefined, collector.receiptOf(report)])
        stream.write(create(StreamReportsResponseSchema, { receipt }));
      stream.end();
    });
  };

  await expect(putOne(sink)).resolves.toStrictEqual({ status: 'stored' });
});

test('with its last receipt a put ends, and does not wait for the end of the stream', async () => {
  const { collector, sink } = await start();
  collector.serve = (stream) => {
    stream.on('data', ({ report }: { report: Report }) => {
      stream.write(create(StreamReportsResponseSchema, { receipt: collector.receiptOf(report) }));
    });
  };

  await expect(sink.put([{ report: makeReport() }, { report: makeReport() }])).resolves.toStrictEqual([
    { status: 'stored' },
    { status: 'stored' },
  ]);
});

test('without its token no report of a put is sent, and each of them fails', async () => {
  const error = new SpartakusError('unavailable', 'The token cannot be read.');
  const { collector, sink } = await start({ credentials: { authorization: () => Promise.reject(error) } });

  await expect(sink.put([{ report: makeReport() }, { report: makeReport() }])).resolves.toStrictEqual([
    { status: 'failed', error },
    { status: 'failed', error },
  ]);
  expect(collector.authorizations).toStrictEqual([]);
});

test('a receipt without an outcome is a failure', async () => {
  const { collector, sink } = await start();
  collector.receiptOf = ({ reportId }) => ({ reportId });

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'internal' });
});

test.each([
  [Code.UNAUTHENTICATED, 'unauthenticated'],
  [Code.PERMISSION_DENIED, 'forbidden'],
  [Code.UNIMPLEMENTED, 'not-found'],
  [Code.RESOURCE_EXHAUSTED, 'too-large'],
  [Code.INTERNAL, 'internal'],
])('a call that fails with code %i is of kind %s', async (code, kind) => {
  const { collector, sink } = await start();
  collector.serve = (stream) => stream.emit('error', { code, details: 'said the\nserver' });

  const error = await failOne(sink);

  expect(error.kind).toBe(kind);
  expect(error.message).toContain(`said the server (gRPC code ${code})`);
});

/** google.rpc.Status with a message, a detail of another type and a RetryInfo of 90.5 s, byte for byte. */
const STATUS_DETAILS = Buffer.concat([
  Buffer.from([0x08, 14, 0x12, 4, ...Buffer.from('busy')]),
  Buffer.from([0x1a, 2 + 3, 0x0a, 3, ...Buffer.from('x/y')]),
  Buffer.from([0x1a, 2 + 40 + 2 + 10, 0x0a, 40, ...Buffer.from('type.googleapis.com/google.rpc.RetryInfo'), 0x12, 10]),
  Buffer.from([0x0a, 8, 0x08, 90, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]),
]);

test.each([
  [Code.UNAVAILABLE, 'unavailable'],
  [Code.RESOURCE_EXHAUSTED, 'overloaded'],
])('a call that fails with code %i and a RetryInfo is retried after its delay', async (code, kind) => {
  const { collector, sink } = await start();
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', STATUS_DETAILS);
  collector.serve = (stream) => stream.emit('error', { code, details: 'busy', metadata });

  await expect(failOne(sink)).resolves.toMatchObject({ kind, retryAfterMs: 90_500 });
});

test('malformed details are ignored', () => {
  const cut = Array.from(STATUS_DETAILS, (_, length) => retryInfoMs(STATUS_DETAILS.subarray(0, length)));

  expect(new Set(cut)).toStrictEqual(new Set([undefined]));
  expect(retryInfoMs(Buffer.alloc(100, 0xff))).toBeUndefined();
});

test('RESOURCE_EXHAUSTED of a call with many reports is retried: it does not say which is too large', async () => {
  const { collector, sink } = await start();
  collector.serve = (stream) => stream.emit('error', { code: Code.RESOURCE_EXHAUSTED, details: 'too large' });

  await expect(sink.put([{ report: makeReport() }, { report: makeReport() }])).resolves.toMatchObject([
    { error: { kind: 'overloaded' } },
    { error: { kind: 'overloaded' } },
  ]);
});

test('a collector that is available again is reached within seconds, not only after two minutes', async () => {
  const first = await startGrpcCollector();
  const sink = openGrpcSink(`grpc://127.0.0.1:${first.port}`);
  closers.push(() => sink.close());
  first.close();
  for (let attempt = 0; attempt < 5; attempt++) await failOne(sink);
  const second = await startGrpcCollector(ServerCredentials.createInsecure(), first.port);
  closers.push(() => second.close());

  await vi.waitFor(async () => expect(await putOne(sink)).toStrictEqual({ status: 'stored' }), {
    timeout: 5000,
    interval: 50,
  });
  expect(second.stored.size).toBe(1);
});

test('the error of an unreachable collector names it, and what to do', async () => {
  const { collector, sink, url } = await start();
  collector.close();

  const error = await failOne(sink);

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain(
    `The collector at ${url} cannot be reached: nothing listens on its port (ECONNREFUSED): `,
  );
});

test('aborting the signal cancels calls in progress', async () => {
  const stop = new AbortController();
  const { collector, sink } = await start({ signal: stop.signal });
  collector.serve = (stream) => {
    stream.resume();
    stop.abort();
  };

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'unavailable' });
});

test('after the signal was aborted nothing is sent', async () => {
  const { collector, sink } = await start({ signal: AbortSignal.abort() });

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'unavailable' });
  expect(collector.stored.size).toBe(0);
});

test('no report needs no stream', async () => {
  const { collector, sink } = await start();

  await expect(sink.put([])).resolves.toStrictEqual([]);

  expect(collector.authorizations).toStrictEqual([]);
});

test('a report that cannot be encoded is invalid, and ends its stream', async () => {
  const { sink } = await start();
  const broken = {
    encoded: {
      reportId: 'broken',
      get bytes(): never {
        throw new Error('no bytes');
      },
    },
    report: makeReport(),
  };

  await expect(sink.put([broken])).resolves.toMatchObject([
    { status: 'failed', error: { kind: 'invalid', message: 'The report cannot be encoded: no bytes.' } },
  ]);
});

test('after close nothing is sent', async () => {
  const { sink } = await start();
  await sink.close();

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'unavailable' });
});

test('a loopback address is reached without the proxy of the environment', async () => {
  const { sink } = await start({ env: { grpc_proxy: 'http://127.0.0.1:9' } });

  await expect(putOne(sink)).resolves.toStrictEqual({ status: 'stored' });
});
