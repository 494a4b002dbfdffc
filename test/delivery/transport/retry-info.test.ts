import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { anyPack, AnySchema, durationFromMs } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { RetryInfoSchema } from '../../../gen/google/rpc/error_details_pb.js';
import { retryInfoMs } from '../../../src/delivery/transport/retry-info.ts';

const retryInfo = (ms?: number): Uint8Array => {
  const info = create(RetryInfoSchema, ms === undefined ? {} : { retryDelay: durationFromMs(ms) });
  return toBinary(AnySchema, anyPack(RetryInfoSchema, info));
};

/** A google.rpc.Status: code 14, the message, and these details. */
function statusWith(details: readonly Uint8Array[], message = 'busy'): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.Varint).int32(14).tag(2, WireType.LengthDelimited).string(message);
  for (const detail of details) writer.tag(3, WireType.LengthDelimited).bytes(detail);
  return writer.finish();
}

test.each([
  ['no details', [], undefined],
  ['a RetryInfo', [retryInfo(90_500)], 90_500],
  ['a RetryInfo without a delay', [retryInfo()], undefined],
  ['a negative delay, which is none', [retryInfo(-1_000)], 0],
  ['two of them, of which the first one counts', [retryInfo(1_000), retryInfo(2_000)], 1_000],
  ['one without and one with a delay', [retryInfo(), retryInfo(2_000)], 2_000],
])('the delay of %s is found', (_name, details, expected) => {
  expect(retryInfoMs(statusWith(details))).toBe(expected);
});

test('a field with the number of the details and another type is skipped', () => {
  const varint = new BinaryWriter().tag(3, WireType.Varint).int32(7).finish();

  expect(retryInfoMs(Buffer.concat([varint, statusWith([retryInfo(1_000)])]))).toBe(1_000);
});

test('a message that looks like a RetryInfo is skipped', () => {
  const status = new BinaryWriter().tag(2, WireType.LengthDelimited).bytes(retryInfo(5_000)).finish();

  expect(retryInfoMs(status)).toBeUndefined();
});
