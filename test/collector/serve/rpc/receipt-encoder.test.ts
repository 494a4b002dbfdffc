import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import {
  Outcome,
  PolicySchema,
  ReceiptSchema,
  StreamReportsResponseSchema,
  SubmitReportResponseSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { createReceiptEncoder } from '../../../../src/collector/serve/rpc/receipt-encoder.ts';

const PREFIX_BYTES = 5;
const FIRST_ID = '0192f0c1-2b3c-7d4e-8f50-617283940a1b';
const SECOND_ID = '0192f0c1-ffff-7000-9fff-000000000000';

describe.each([SubmitReportResponseSchema, StreamReportsResponseSchema])('an encoder of $name', (schema) => {
  const policies = [3_600n, 60n].map((seconds) => create(PolicySchema, { nextReportAfter: { seconds } }));
  const receipts: MessageInitShape<typeof ReceiptSchema>[] = [
    { reportId: FIRST_ID, outcome: Outcome.STORED, policy: policies[0]! },
    { reportId: SECOND_ID, outcome: Outcome.STORED, policy: policies[0]! },
    { reportId: SECOND_ID, outcome: Outcome.DUPLICATE, policy: policies[0]! },
    { reportId: FIRST_ID, outcome: Outcome.DUPLICATE, policy: policies[0]! },
    { reportId: FIRST_ID, outcome: Outcome.STORED, policy: policies[1]! },
    { reportId: SECOND_ID, outcome: Outcome.STORED },
    { reportId: 'no id of a report', outcome: Outcome.STORED },
    { reportId: FIRST_ID, outcome: Outcome.VALIDATED, policy: policies[1]! },
    { reportId: SECOND_ID, outcome: Outcome.REFUSED, refusal: { code: 8, reason: FIRST_ID }, policy: policies[1]! },
  ];

  test('writes what a client decodes to the same receipt, whichever it has encoded before', () => {
    const encode = createReceiptEncoder(schema);

    for (const init of [...receipts, ...receipts.toReversed()]) {
      const receipt = create(ReceiptSchema, init);
      const frame = encode([receipt]);
      expect([frame[0], frame.readUInt32BE(1)]).toStrictEqual([0, frame.length - PREFIX_BYTES]);
      expect(fromBinary(schema, frame.subarray(PREFIX_BYTES)).receipt).toStrictEqual(receipt);
    }
  });

  test('leaves a frame that it has returned as it is', () => {
    const encode = createReceiptEncoder(schema);
    const frames = receipts.slice(0, 2).map((init) => encode([create(ReceiptSchema, init)]));
    const before = frames.map((frame) => frame.toString('hex'));

    encode([create(ReceiptSchema, { reportId: FIRST_ID, outcome: Outcome.STORED, policy: policies[0]! })]);

    expect(frames.map((frame) => frame.toString('hex'))).toStrictEqual(before);
  });

  test('encodes receipts that are ready together as one frame after the other', () => {
    const encode = createReceiptEncoder(schema);
    const all = receipts.map((init) => create(ReceiptSchema, init));

    expect(encode(all)).toStrictEqual(Buffer.concat(all.map((receipt) => encode([receipt]))));
  });

  test('encodes a response without a receipt, as for a probe', () => {
    const frame = createReceiptEncoder(schema)([undefined]);
    expect(fromBinary(schema, frame.subarray(PREFIX_BYTES)).receipt).toBeUndefined();
  });
});
