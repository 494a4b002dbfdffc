import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { anyPack, AnySchema, durationFromMs } from '@bufbuild/protobuf/wkt';
import { Metadata, status as Code } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { RetryInfoSchema } from '../../../gen/google/rpc/error_details_pb.js';
import { Outcome, ReceiptSchema } from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { NO_CREDENTIALS } from '../../../src/delivery/client-credentials.ts';
import { errorOf, outcomeOf } from '../../../src/delivery/transport/grpc.ts';
import type { ReceiptInit } from '../../support/grpc-collector.ts';

const facts = {
  target: { kind: 'grpc', host: 'collector.example.com', port: 8080 },
  tls: false,
  flag: '--database',
  credentials: NO_CREDENTIALS,
  proxy: undefined,
} as const;
const collector = { target: 'TARGET', facts };
const outcome = (receipt: ReceiptInit) => outcomeOf(create(ReceiptSchema, receipt), 'TARGET');
const policy = { nextReportAfter: durationFromMs(60_000) };

test('the outcome of a receipt is that of its report, with the policy where there is one', () => {
  expect(outcome({ outcome: Outcome.STORED })).toStrictEqual({ status: 'stored' });
  expect(outcome({ outcome: Outcome.STORED, policy: {} })).toStrictEqual({ status: 'stored' });
  expect(outcome({ outcome: Outcome.DUPLICATE })).toStrictEqual({ status: 'duplicate' });
  expect(outcome({ outcome: Outcome.DUPLICATE, policy })).toStrictEqual({
    status: 'duplicate',
    nextReportAfterMs: 60_000,
  });
});

test.each([Outcome.UNSPECIFIED, Outcome.VALIDATED])(
  'a receipt with the outcome %i does not say that the report is stored, which is retried',
  (unknown) => {
    expect(outcome({ outcome: unknown, policy })).toMatchObject({
      status: 'failed',
      error: { kind: 'internal', retryable: true, message: 'The receipt of the collector at TARGET has no outcome.' },
    });
  },
);

test.each<[ReceiptInit['refusal'], object]>([
  [
    { code: Code.INVALID_ARGUMENT, reason: 'bad  id\n', field: 'nodes[3].id' },
    {
      kind: 'invalid',
      field: 'nodes[3].id',
      retryAfterMs: undefined,
      message: 'The collector at TARGET rejected the report for its nodes[3].id: bad id',
    },
  ],
  [
    { code: Code.UNAVAILABLE, retryAfter: durationFromMs(1_500) },
    {
      kind: 'unavailable',
      field: undefined,
      retryAfterMs: 1_500,
      message: 'The collector at TARGET rejected the report: it gives no reason',
    },
  ],
  [undefined, { kind: 'internal', message: 'The collector at TARGET rejected the report: it gives no reason' }],
])('a rejection with a field, or without one, is the error of its report', (refusal, error) => {
  expect(outcome({ outcome: Outcome.REFUSED, refusal })).toMatchObject({ status: 'failed', error });
});

test('a failed call is the error of its status, without escapes, and with advice', () => {
  const error = errorOf(
    { code: Code.UNAUTHENTICATED, details: 'no%3A\nreally', metadata: new Metadata() },
    collector,
    1,
  );

  expect(error).toMatchObject({ kind: 'unauthenticated', field: undefined, retryAfterMs: undefined });
  expect(error.message).toBe(
    'The collector at TARGET did not accept the report: no: really (gRPC code 16). ' +
      'It requires a token: give one with --token-file.',
  );
});

test.each([
  ['Deadline exceeded after 1.0s', Code.DEADLINE_EXCEEDED, 'unavailable', 'it did not answer in time'],
  ['Received message larger than max', Code.RESOURCE_EXHAUSTED, 'not-found', 'does not answer with gRPC'],
])('a call that fails because of its connection, "%s", says what to do', (details, code, kind, problem) => {
  const error = errorOf({ code, details, metadata: new Metadata() }, collector, 1);

  expect(error.kind).toBe(kind);
  expect(error.message).toContain('The collector at TARGET cannot be reached: ');
  expect(error.message).toContain(problem);
});

test.each([
  [1, 'too-large'],
  [2, 'overloaded'],
])('RESOURCE_EXHAUSTED of a call with %i reports is %s', (reports, kind) => {
  const status = { code: Code.RESOURCE_EXHAUSTED, details: 'too much', metadata: new Metadata() };

  expect(errorOf(status, collector, reports).kind).toBe(kind);
});

test.each(['busy', 'Received HTTP status code 503'])(
  'a failed call, "%s", has the delay of its RetryInfo',
  (details) => {
    const metadata = new Metadata();
    const retryInfo = create(RetryInfoSchema, { retryDelay: durationFromMs(1_500) });
    const detail = toBinary(AnySchema, anyPack(RetryInfoSchema, retryInfo));
    const status = new BinaryWriter().tag(3, WireType.LengthDelimited).bytes(detail).finish();
    metadata.set('grpc-status-details-bin', Buffer.from(status));

    expect(errorOf({ code: Code.UNAVAILABLE, details, metadata }, collector, 1).retryAfterMs).toBe(1_500);
  },
);

test('details of a status that are no bytes are ignored', () => {
  const metadata = { get: () => ['text'] } as unknown as Metadata;

  expect(errorOf({ code: Code.UNAVAILABLE, details: 'no', metadata }, collector, 1).retryAfterMs).toBeUndefined();
});
