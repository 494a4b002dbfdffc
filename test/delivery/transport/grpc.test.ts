import { create, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Metadata, ServerCredentials, status as Code } from '@grpc/grpc-js';
import { afterEach, expect, test, vi } from 'vitest';
import {
  Outcome as ReceiptOutcome,
  StreamReportsResponseSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { NO_CREDENTIALS } from '../../../src/delivery/client-credentials.ts';
import { openGrpcSink } from '../../../src/delivery/transport/grpc.ts';
import { retryInfoMs } from '../../../src/delivery/transport/retry-info.ts';
import type { TransportOptions } from '../../../src/delivery/transport/sink.ts';
import type { ReportSink } from '../../../src/report/ports.ts';
import { makeReport, type Refusal, reportSinkContract } from '../../contract/report-sink.ts';
import { type GrpcCollector, startGrpcCollector } from '../../support/grpc-collector.ts';
import { readFixture } from '../../support/kube-api.ts';
import { failOne, putOne } from '../../support/put-one.ts';

const REFUSAL = {
  permanent: { code: Code.INVALID_ARGUMENT, reason: 'no' },
  retryable: { code: Code.UNAVAILABLE, reason: 'later' },
} as const;

reportSinkContract(
  'a collector over gRPC',
  async () => {
    const collector = await startGrpcCollector();
    const sink = openGrpcSink(`grpc://127.0.0.1:${collector.port}`);
    const refused = new Map<string, Refusal>();
    const store = collector.receiptOf;
    collector.receiptOf = (report) => {
      const how = refused.get(report.reportId);
      if (how === undefined) return store(report);
      return { reportId: report.reportId, outcome: ReceiptOutcome.REFUSED, refusal: REFUSAL[how] };
    };
    return {
      sink,
      refuse: (report, how) => refused.set(report.reportId, how),
      storedClusterIds: () => Promise.resolve([...collector.stored.values()].map(({ clusterId }) => clusterId)),
      close: async () => {
        await sink.close();
        collector.close();
      },
    };
  },
  { duplicates: true, refusals: ['permanent', 'retryable'] },
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

test('a report whose encoding is at hand is sent as that, and not decoded', async () => {
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

test('what the collector asks of its clients comes with the outcome', async () => {
  const { collector, sink } = await start();
  collector.receiptOf = ({ reportId }) => ({
    reportId,
    outcome: ReceiptOutcome.STORED,
    policy: { nextReportAfter: durationFromMs(7_200_500) },
  });

  await expect(putOne(sink)).resolves.toStrictEqual({ status: 'stored', nextReportAfterMs: 7_200_500 });
});

test('a refusal says why, which field, and when to come again', async () => {
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

test('a report that is too large is not to be sent again', async () => {
  const { collector, sink } = await start();
  collector.receiptOf = ({ reportId }) => ({
    reportId,
    outcome: ReceiptOutcome.REFUSED,
    refusal: { code: Code.RESOURCE_EXHAUSTED, reason: 'over 4 MiB' },
  });

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'too-large', retryable: false });
});

test('a collector that does not answer in time is a failure that may be tried again', async () => {
  const { collector, sink } = await start({ timeoutMs: 50 });
  collector.serve = (stream) => stream.resume();

  const error = await failOne(sink);

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain('gRPC code 4');
});

test('receipts that came before the stream broke count', async () => {
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
  const { collector, sink } = await start();
  collector.serve = (stream) => {
    stream.resume();
    stream.end();
  };

  const error = await failOne(sink);

  expect(error).toMatchObject({ kind: 'internal', retryable: true });
  expect(error.message).toContain('without a receipt');
});

test('receipts for reports that nobody sent are passed over', async () => {
  const { collector, sink } = await start();
  const own = collector.receiptOf;
  collector.receiptOf = (report) => ({ ...own(report), reportId: 'somebody else' });

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'internal' });
});

test('a receipt that does not say what became of the report is a failure', async () => {
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

/** google.rpc.Status with a RetryInfo of 90.5 s behind a message and a detail of another kind, byte for byte. */
const STATUS_DETAILS = Buffer.concat([
  Buffer.from([0x08, 14, 0x12, 4, ...Buffer.from('busy')]),
  Buffer.from([0x1a, 2 + 3, 0x0a, 3, ...Buffer.from('x/y')]),
  Buffer.from([0x1a, 2 + 40 + 2 + 10, 0x0a, 40, ...Buffer.from('type.googleapis.com/google.rpc.RetryInfo'), 0x12, 10]),
  Buffer.from([0x0a, 8, 0x08, 90, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]),
]);

test.each([
  [Code.UNAVAILABLE, 'unavailable'],
  [Code.RESOURCE_EXHAUSTED, 'overloaded'],
])('a call that fails with code %i and a RetryInfo is to be tried again when that says', async (code, kind) => {
  const { collector, sink } = await start();
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', STATUS_DETAILS);
  collector.serve = (stream) => stream.emit('error', { code, details: 'busy', metadata });

  await expect(failOne(sink)).resolves.toMatchObject({ kind, retryAfterMs: 90_500 });
});

test('details that cannot be read are passed over', () => {
  const cut = Array.from(STATUS_DETAILS, (_, length) => retryInfoMs(STATUS_DETAILS.subarray(0, length)));

  expect(new Set(cut)).toStrictEqual(new Set([undefined]));
  expect(retryInfoMs(Buffer.alloc(100, 0xff))).toBeUndefined();
});

test('a call of many reports that was too much for the collector is to be tried again: it is not said which was', async () => {
  const { collector, sink } = await start();
  collector.serve = (stream) => stream.emit('error', { code: Code.RESOURCE_EXHAUSTED, details: 'too large' });

  await expect(sink.put([{ report: makeReport() }, { report: makeReport() }])).resolves.toMatchObject([
    { error: { kind: 'overloaded' } },
    { error: { kind: 'overloaded' } },
  ]);
});

test('a collector that comes back is reached at the next attempt but one, not only after two minutes', async () => {
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

test('a collector that is not there is named, with what to do', async () => {
  const { collector, sink, url } = await start();
  collector.close();

  const error = await failOne(sink);

  expect(error.kind).toBe('unavailable');
  expect(error.message).toContain(`The collector at ${url} did not accept the report`);
  expect(error.message).toContain('ECONNREFUSED');
});

test('giving up ends what is under way', async () => {
  const stop = new AbortController();
  const { collector, sink } = await start({ signal: stop.signal });
  collector.serve = (stream) => {
    stream.resume();
    stop.abort();
  };

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'unavailable' });
});

test('after it was given up nothing is sent any more', async () => {
  const { collector, sink } = await start({ signal: AbortSignal.abort() });

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'unavailable' });
  expect(collector.stored.size).toBe(0);
});

test('after it was closed nothing is sent any more', async () => {
  const { sink } = await start();
  await sink.close();

  await expect(failOne(sink)).resolves.toMatchObject({ kind: 'unavailable' });
});

test('a collector on this machine is reached without the proxy of the environment', async () => {
  const { sink } = await start({ env: { grpc_proxy: 'http://127.0.0.1:9' } });

  await expect(putOne(sink)).resolves.toStrictEqual({ status: 'stored' });
});

async function startTls(certificate: string): Promise<GrpcCollector> {
  const pair = {
    cert_chain: await readFixture(`tls/${certificate}.crt`),
    private_key: await readFixture(`tls/${certificate}.key`),
  };
  const collector = await startGrpcCollector(ServerCredentials.createSsl(null, [pair]));
  closers.push(() => collector.close());
  return collector;
}

async function trust(collector: GrpcCollector, host: string, ca: string): Promise<ReportSink> {
  const sink = openGrpcSink(`grpcs://${host}:${collector.port}`, {
    credentials: { ...NO_CREDENTIALS, ca: await readFixture(`tls/${ca}.crt`) },
  });
  closers.push(() => sink.close());
  return sink;
}

test.each(['localhost', '127.0.0.1'])(
  'grpcs://%s takes a certificate of a CA that is trusted, and no other',
  async (host) => {
    const collector = await startTls('server');

    await expect(putOne(await trust(collector, host, 'ca'))).resolves.toMatchObject({ status: 'stored' });
    await expect(failOne(await trust(collector, host, 'other-ca'))).resolves.toMatchObject({ kind: 'unavailable' });
    expect(collector.stored.size).toBe(1);
  },
);

test.each(['localhost', '127.0.0.1'])('grpcs://%s refuses a certificate that is for somebody else', async (host) => {
  const collector = await startTls('elsewhere');

  const error = await failOne(await trust(collector, host, 'ca'));

  expect(error.message).toContain(host);
  expect(error.message).toMatch(/altnames|cert's list/);
  expect(collector.stored.size).toBe(0);
});
