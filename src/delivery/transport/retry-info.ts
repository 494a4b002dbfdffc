import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { anyUnpack, AnySchema, durationMs } from '@bufbuild/protobuf/wkt';
import { RetryInfoSchema } from '../../../gen/google/rpc/error_details_pb.js';

/** The field `details` of google.rpc.Status (https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto). */
const DETAILS = 3;

/** The delay of the RetryInfo in grpc-status-details-bin, in milliseconds. Undefined where there is no readable one. */
export function retryInfoMs(statusDetails: Uint8Array): number | undefined {
  try {
    const reader = new BinaryReader(statusDetails);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field !== DETAILS || type !== WireType.LengthDelimited) {
        reader.skip(type, field);
        continue;
      }
      const delay = anyUnpack(fromBinary(AnySchema, reader.bytes()), RetryInfoSchema)?.retryDelay;
      if (delay !== undefined) return Math.max(0, durationMs(delay));
    }
  } catch {
    // The details are optional.
  }
  return undefined;
}
