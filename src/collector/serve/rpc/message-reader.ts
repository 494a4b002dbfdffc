import type { DescMessage } from '@bufbuild/protobuf';
import type { Compression } from '@connectrpc/connect/protocol';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Admission } from '../admission/admission.ts';
import { checkJsonBounds } from '../admission/json-bounds.ts';
import { estimateMemory, type MemoryReservation } from '../admission/memory-limiter.ts';
import { checkProtobufBounds } from '../admission/protobuf-bounds.ts';
import { type Decoded, type DecodeJob, isDecodable } from '../decode/decode-message.ts';
import { statedLength } from '../decode/inflate.ts';
import { LARGE_MESSAGE_BYTES, type LargeDecoder } from '../decode/large-decoder.ts';
import { decompress, GZIP } from './compression.ts';
import { type GrpcFrame, messageTooLarge } from './grpc-frames.ts';

export interface MessageOptions {
  readonly schema: DescMessage;
  readonly isJson: boolean;
  readonly compression: Compression | undefined;
  /** After decompression. */
  readonly maxBytes: number;
  readonly origin: RequestOrigin;
  /** Called for a large message, which is dropped when the signal is aborted while it waits. */
  readonly signal?: (() => AbortSignal) | undefined;
}

/** A message that is within bounds: its bytes, or, of a large one, what was decoded in a thread. */
export type ReadMessage = { readonly bytes: Uint8Array } | { readonly decoded: Decoded };

export type MessageReader = (
  frame: GrpcFrame,
  reservation: MemoryReservation,
  options: MessageOptions,
) => ReadMessage | Promise<ReadMessage>;

/** Of deflate: https://zlib.net/zlib_tech.html. Of brotli it may be more, but not of the first part. */
const MAX_EXPANSION = 1_032;

/**
 * Reads messages: decompresses, checks bounds, and has large ones decoded in a thread. Decompression stops where a message proves to be
 * large; the thread repeats it when it is the message's turn, so that no more than one is held decompressed. Most messages need neither, and
 * are returned at once: a promise for each has a cost.
 */
export function createMessageReader(decoder: LargeDecoder, admission: Pick<Admission, 'chargeBytes'>): MessageReader {
  return (frame, reservation, options) => {
    const { schema, isJson, compression, maxBytes, origin, signal } = options;
    // Only reports are decoded in a thread, and nothing else is as large.
    const smallBytes = Math.min(maxBytes, LARGE_MESSAGE_BYTES);
    const decodeLarge = async (bytes: Uint8Array, compressed?: DecodeJob['compressed']): Promise<ReadMessage> => {
      if (!isDecodable(schema.typeName)) throw messageTooLarge(smallBytes);
      const job = { format: isJson ? 'json' : 'protobuf', type: schema.typeName, bytes, compressed } as const;
      return { decoded: await decoder.decode({ job, origin, reservation, signal: signal?.() }) };
    };

    const check = (message: Uint8Array): ReadMessage | Promise<ReadMessage> => {
      admission.chargeBytes(origin, message.length);
      if (message.length > smallBytes) return decodeLarge(message);
      reservation.resize(estimateMemory(message.length));
      if (isJson) checkJsonBounds(message);
      else checkProtobufBounds(schema, message);
      return { bytes: message };
    };

    const decompressAndCheck = async (): Promise<ReadMessage> => {
      if (compression === undefined)
        throw new SpartakusError('invalid', 'a message is compressed, but the headers name no encoding');
      const receivedBytes = frame.bytes.length;
      const message = await decompress(compression, frame.bytes, smallBytes, () =>
        reservation.resize(receivedBytes + Math.min(smallBytes, MAX_EXPANSION * receivedBytes)),
      );
      if (message !== undefined) return await check(message);
      reservation.resize(receivedBytes);
      admission.chargeBytes(origin, smallBytes);
      if (smallBytes === maxBytes) throw messageTooLarge(maxBytes);
      const encoding = compression === GZIP ? 'gzip' : 'br';
      const length = statedLength(encoding, frame.bytes, maxBytes);
      return await decodeLarge(frame.bytes, { encoding, length, maxBytes });
    };
    return frame.isCompressed ? decompressAndCheck() : check(frame.bytes);
  };
}
