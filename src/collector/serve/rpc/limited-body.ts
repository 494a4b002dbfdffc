import type { Compression } from '@connectrpc/connect/protocol';
import type { BodyDeadline } from '../admission/body-deadline.ts';
import type { MemoryReservation } from '../admission/memory-limiter.ts';
import { decompress, readFrame } from './compression.ts';
import { createGrpcFrameReader, encodeGrpcFrame, messageTooLarge } from './grpc-frames.ts';

interface LimitedBodyOptions {
  /** Of one message, before and after decompression. */
  readonly maxBytes: number;
  /** Whether messages are length-prefixed; otherwise the body is one message. */
  readonly isFramed: boolean;
  readonly isStream: boolean;
  readonly compression: Compression | undefined;
  /** Called with each message; throws to reject it. */
  readonly check: (message: Uint8Array) => void;
  readonly reservation: MemoryReservation;
  readonly deadline: BodyDeadline;
}

/** Applies all limits to a request body, and yields it decompressed, in whole messages. */
export async function* limitBody(
  body: AsyncIterable<Uint8Array>,
  options: LimitedBodyOptions,
): AsyncGenerator<Uint8Array> {
  const { maxBytes, isFramed, compression, check } = options;
  const chunks = meter(body, options);
  if (!isFramed) {
    const whole = await readWhole(chunks, maxBytes);
    const message = compression === undefined ? whole : await decompress(compression, whole, maxBytes);
    check(message);
    yield message;
    return;
  }
  const reader = createGrpcFrameReader(maxBytes);
  for await (const chunk of chunks) {
    for (const frame of reader.push(chunk)) {
      const message = await readFrame(frame, compression, maxBytes);
      check(message);
      yield encodeGrpcFrame(message);
    }
  }
  reader.end();
}

/** Reserves memory while a body is read; for a stream that of one message, since no more is held at a time. */
async function* meter(
  body: AsyncIterable<Uint8Array>,
  { reservation, isStream, maxBytes, deadline }: LimitedBodyOptions,
): AsyncGenerator<Uint8Array> {
  let reservedBytes = 0;
  for await (const chunk of body) {
    const bytes = isStream ? Math.min(chunk.length, maxBytes - reservedBytes) : chunk.length;
    reservedBytes += bytes;
    reservation.reserve(bytes);
    if (isStream) deadline.pause();
    yield chunk;
    if (isStream) deadline.restart();
  }
  deadline.end();
}

async function readWhole(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const read: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw messageTooLarge(maxBytes);
    read.push(chunk);
  }
  return Buffer.concat(read, bytes);
}
