import process from 'node:process';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { EncodedReport, ReportEntry } from '../../report/report-sink.ts';
import { SpartakusError } from '../../runtime/errors.ts';

/** The file type, and the version of this layout. */
const MAGIC = Buffer.from('spool/1\n', 'latin1');
const HEADER_BYTES = MAGIC.length + 8;
/** Nodes are encoded in parts, because the encoder's buffer takes several times their size. */
const NODES_PER_PART = 500;

export type SpooledReport = ReportEntry & { readonly encoded: EncodedReport };

/** A spool file: 8 bytes of magic, the report's length and CRC-32 (4 bytes each, big endian), and the report in protobuf. */
export function encodeFrame(report: Report): Buffer {
  const frame = Buffer.concat([Buffer.alloc(HEADER_BYTES), ...encodeParts(report)]);
  MAGIC.copy(frame);
  frame.writeUInt32BE(frame.length - HEADER_BYTES, MAGIC.length);
  return frame;
}

/** Writes the CRC-32 into a frame of {@link encodeFrame}, and returns it. */
export function sealFrame(frame: Buffer): Buffer {
  frame.writeUInt32BE(checksumOf(frame.subarray(HEADER_BYTES)), MAGIC.length + 4);
  return frame;
}

/** Loaded when used: node:zlib takes 1 MiB of memory, and reports in memory have no checksum. */
function checksumOf(bytes: Uint8Array): number {
  return process.getBuiltinModule('node:zlib').crc32(bytes);
}

/** Concatenated messages of one type are one merged message (https://protobuf.dev/programming-guides/encoding/#last-one-wins). */
function* encodeParts(report: Report): Generator<Uint8Array> {
  yield toBinary(ReportSchema, { ...report, nodes: [] });
  for (let start = 0; start < report.nodes.length; start += NODES_PER_PART) {
    yield toBinary(ReportSchema, create(ReportSchema, { nodes: report.nodes.slice(start, start + NODES_PER_PART) }));
  }
}

/** Throws a SpartakusError `invalid`, whose message is the problem, for anything else than the output of {@link sealFrame}. */
export function decodeFrame(frame: Uint8Array): SpooledReport {
  const buffer = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  if (buffer.length < HEADER_BYTES) throw corrupt(`it has ${buffer.length} bytes, fewer than its header`);
  if (!buffer.subarray(0, MAGIC.length).equals(MAGIC)) throw corrupt('it does not begin with the header of a report');
  const bytes = buffer.subarray(HEADER_BYTES);
  const length = buffer.readUInt32BE(MAGIC.length);
  if (bytes.length !== length) throw corrupt(`its report is ${bytes.length} bytes long where ${length} were written`);
  if (checksumOf(bytes) !== buffer.readUInt32BE(MAGIC.length + 4)) throw corrupt('its checksum is wrong');
  return readFrame(buffer);
}

/** Reads a frame of {@link encodeFrame}. */
export function readFrame(frame: Buffer): SpooledReport {
  const bytes = frame.subarray(HEADER_BYTES);
  const encoded = { reportId: reportIdOf(bytes), bytes };
  return {
    encoded,
    get report() {
      return fromBinary(ReportSchema, bytes);
    },
  };
}

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
    throw corrupt('it holds no report');
  }
}

function corrupt(problem: string): SpartakusError {
  return new SpartakusError('invalid', problem);
}
