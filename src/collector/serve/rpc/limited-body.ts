import type { BodyDeadline } from '../admission/body-deadline.ts';
import type { MemoryLimiter, MemoryReservation } from '../admission/memory-limiter.ts';
import type { Decoded } from '../decode/decode-message.ts';
import { createGrpcFrameReader, encodeGrpcFrame, framedBytes, type GrpcFrame, messageTooLarge } from './grpc-frames.ts';
import type { ReadMessage } from './message-reader.ts';

interface LimitedBodyOptions {
  /** Of one message, before and after decompression. */
  readonly maxBytes: number;
  /** Whether messages are length-prefixed; otherwise the body is one message. */
  readonly isFramed: boolean;
  /** Whether the body of a message that is not framed is compressed. */
  readonly isCompressed: boolean;
  readonly isStream: boolean;
  readonly isJson: boolean;
  readonly read: (frame: GrpcFrame, reservation: MemoryReservation) => Promise<ReadMessage>;
  /** Called before a message is yielded; the reservation is to be ended with the message's answer. */
  readonly onMessage: (message: CallMessage) => void;
  readonly memory: MemoryLimiter;
  /** Of what was received and is no whole message yet. */
  readonly buffered: MemoryReservation;
  readonly deadline: BodyDeadline;
}

/** A message, beside what Connect decodes. */
export interface CallMessage {
  readonly reservation: MemoryReservation;
  /** Of a large message, in whose place Connect decodes an empty one. */
  readonly decoded?: Decoded;
}

/** Applies all limits to a request body, and yields it decompressed, in whole messages. */
export async function* limitBody(
  body: AsyncIterable<Uint8Array>,
  options: LimitedBodyOptions,
): AsyncGenerator<Uint8Array> {
  const { maxBytes, isFramed, isCompressed, isStream, buffered, deadline } = options;
  const chunks = meter(body, options);
  if (!isFramed) {
    const bytes = await readWhole(chunks, maxBytes);
    deadline.end();
    const receivedBytes = buffered.bytes;
    yield await readMessage({ isCompressed, bytes }, receivedBytes, options);
    return;
  }
  const reader = createGrpcFrameReader(maxBytes);
  // A message is decoded once its body has ended, except in a stream: a client could hold it otherwise.
  const frames: GrpcFrame[] = [];
  for await (const chunk of chunks) {
    frames.push(...reader.push(chunk));
    if (!isStream) continue;
    deadline.pause();
    for (const frame of frames.splice(0)) yield encodeGrpcFrame(await readMessage(frame, framedBytes(frame), options));
    deadline.restart();
  }
  deadline.end();
  reader.end();
  for (const frame of frames) yield encodeGrpcFrame(await readMessage(frame, framedBytes(frame), options));
}

/** @param receivedBytes of the message, counted in `buffered` until now */
async function readMessage(
  frame: GrpcFrame,
  receivedBytes: number,
  { read, onMessage, memory, buffered, isJson }: LimitedBodyOptions,
): Promise<Uint8Array> {
  const reservation = memory.open();
  buffered.resize(buffered.bytes - receivedBytes);
  try {
    reservation.resize(receivedBytes);
    const message = await read(frame, reservation);
    if ('bytes' in message) {
      onMessage({ reservation });
      return message.bytes;
    }
    onMessage({ reservation, decoded: message.decoded });
    return isJson ? EMPTY_JSON : EMPTY_PROTOBUF;
  } catch (error) {
    reservation.end();
    throw error;
  }
}

const EMPTY_JSON = Buffer.from('{}');
const EMPTY_PROTOBUF = new Uint8Array();

/** Reserves memory for what is read. */
async function* meter(body: AsyncIterable<Uint8Array>, { buffered }: LimitedBodyOptions): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    buffered.resize(buffered.bytes + chunk.length);
    yield chunk;
  }
}

async function readWhole(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const read: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw messageTooLarge(maxBytes);
    read.push(chunk);
  }
  return Buffer.concat(read, bytes);
}
