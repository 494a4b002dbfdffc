import { crc32 } from 'node:zlib';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { SpartakusError } from '../report/errors.ts';

/** The first bytes of a spooled report: what it is, and the version of this layout. */
const MAGIC = Buffer.from('spool/1\n', 'latin1');
/** Magic, length and checksum. */
const HEADER_BYTES = MAGIC.length + 8;

/**
 * A report as it lies in the spool: 8 bytes of magic, the length of the report and its CRC-32, both 4 bytes and big endian, and the
 * report in protobuf. A file that ends too early, or in which up to 32 bits in a row are wrong, is told from a whole one.
 */
export function encodeFrame(report: Report): Buffer {
  const bytes = toBinary(ReportSchema, report);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes.length);
  MAGIC.copy(frame);
  frame.writeUInt32BE(bytes.length, MAGIC.length);
  frame.writeUInt32BE(crc32(bytes), MAGIC.length + 4);
  frame.set(bytes, HEADER_BYTES);
  return frame;
}

/** The report of a frame. Anything but exactly what {@link encodeFrame} made is a SpartakusError `invalid` that says what is wrong. */
export function decodeFrame(frame: Uint8Array): Report {
  const buffer = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  if (buffer.length < HEADER_BYTES) throw damaged(`it is ${buffer.length} bytes long, and so ends before its report begins`);
  if (!buffer.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it does not begin as a spooled report does');
  const bytes = buffer.subarray(HEADER_BYTES);
  const length = buffer.readUInt32BE(MAGIC.length);
  if (bytes.length !== length) throw damaged(`its report is ${bytes.length} bytes long where ${length} were written`);
  if (crc32(bytes) !== buffer.readUInt32BE(MAGIC.length + 4)) throw damaged('its checksum does not hold');
  try {
    return fromBinary(ReportSchema, bytes);
  } catch {
    throw damaged('it holds no report');
  }
}

function damaged(what: string): SpartakusError {
  return new SpartakusError('invalid', what);
}
