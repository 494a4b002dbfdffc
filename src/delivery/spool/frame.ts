import { crc32 } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { EncodedReport, ReportEntry } from '../../report/report-sink.ts';
import { SpartakusError } from '../../runtime/errors.ts';

/** The first bytes of a spooled report: what it is, and the version of this layout. */
const MAGIC = Buffer.from('spool/1\n', 'latin1');
/** Magic, length and checksum. */
const HEADER_BYTES = MAGIC.length + 8;
/** An encoder makes room as it goes, which for all nodes at once is several times what they take. */
const NODES_AT_ONCE = 500;

/** A report that comes out of the spool. */
export type SpooledReport = ReportEntry & { readonly encoded: EncodedReport };

/**
 * A report as it lies in the spool: 8 bytes of magic, the length of the report and its CRC-32, both 4 bytes and big endian, and the
 * report in protobuf. A file that ends too early, or in which up to 32 bits in a row are wrong, is told from a whole one.
 */
export function encodeFrame(report: Report): Buffer {
  const parts = [...encodeParts(report)];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32BE(length, MAGIC.length);
  header.writeUInt32BE(
    parts.reduce((sum, part) => crc32(part, sum), 0),
    MAGIC.length + 4,
  );
  return Buffer.concat([header, ...parts]);
}

/** Messages of one kind that stand one behind the other are one message (https://protobuf.dev/programming-guides/encoding/#last-one-wins). */
function* encodeParts(report: Report): Generator<Uint8Array> {
  yield toBinary(ReportSchema, { ...report, nodes: [] });
  for (let start = 0; start < report.nodes.length; start += NODES_AT_ONCE) {
    yield toBinary(ReportSchema, create(ReportSchema, { nodes: report.nodes.slice(start, start + NODES_AT_ONCE) }));
  }
}

/** The report of a frame. Anything but exactly what {@link encodeFrame} made is a SpartakusError `invalid` that says what is wrong. */
export function decodeFrame(frame: Uint8Array): SpooledReport {
  const buffer = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  if (buffer.length < HEADER_BYTES)
    throw damaged(`it is ${buffer.length} bytes long, and so ends before its report begins`);
  if (!buffer.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it does not begin as a spooled report does');
  const bytes = buffer.subarray(HEADER_BYTES);
  const length = buffer.readUInt32BE(MAGIC.length);
  if (bytes.length !== length) throw damaged(`its report is ${bytes.length} bytes long where ${length} were written`);
  if (crc32(bytes) !== buffer.readUInt32BE(MAGIC.length + 4)) throw damaged('its checksum does not hold');
  const encoded = { reportId: reportIdOf(bytes), bytes };
  return {
    encoded,
    get report() {
      return fromBinary(ReportSchema, bytes);
    },
  };
}

/** The id in an encoded report, without the rest of it. */
function reportIdOf(bytes: Uint8Array): string {
  try {
    const reader = new BinaryReader(bytes);
    let reportId = '';
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === ReportSchema.field.reportId.number) reportId = reader.string();
      else reader.skip(type, field);
    }
    return reportId;
  } catch {
    throw damaged('it holds no report');
  }
}

function damaged(what: string): SpartakusError {
  return new SpartakusError('invalid', what);
}
