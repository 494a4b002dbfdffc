import { Code, ConnectError } from '@connectrpc/connect';

/** A message as gRPC frames it (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
export interface GrpcFrame {
  readonly compressed: boolean;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const HEADER_BYTES = 5;
const COMPRESSED = 1;

/** Cuts a body into messages, chunk by chunk. */
export interface GrpcFrameReader {
  /**
   * The messages that are whole with this chunk.
   *
   * @throws ConnectError RESOURCE_EXHAUSTED as soon as a message says that it is longer than `maxBytes`, INVALID_ARGUMENT for flags
   * that gRPC does not have
   */
  push(chunk: Uint8Array): GrpcFrame[];
  /** Whether the bytes so far end in the middle of a message. */
  readonly isTorn: boolean;
}

export function createGrpcFrameReader(maxBytes: number): GrpcFrameReader {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  /** How many bytes the next message takes with its header; a header's where that has not come yet. */
  let wantedBytes = HEADER_BYTES;

  const takeHeld = (): Buffer<ArrayBuffer> => {
    const [only] = held;
    const all =
      held.length === 1 && only !== undefined
        ? Buffer.from(only.buffer as ArrayBuffer, only.byteOffset, only.length)
        : Buffer.concat(held, heldBytes);
    held = [];
    heldBytes = 0;
    return all;
  };

  return {
    push(chunk) {
      held.push(chunk);
      heldBytes += chunk.length;
      if (heldBytes < wantedBytes) return [];
      const bytes = takeHeld();
      const frames: GrpcFrame[] = [];
      let start = 0;
      wantedBytes = HEADER_BYTES;
      while (bytes.length - start >= HEADER_BYTES) {
        const flags = bytes.readUInt8(start);
        const length = bytes.readUInt32BE(start + 1);
        if (flags > COMPRESSED)
          throw new ConnectError(`a message has the flags ${flags}: gRPC knows 0 and 1`, Code.InvalidArgument);
        if (length > maxBytes) throw tooLarge(maxBytes);
        if (bytes.length - start < HEADER_BYTES + length) {
          wantedBytes = HEADER_BYTES + length;
          break;
        }
        const from = start + HEADER_BYTES;
        // A plain Uint8Array: the decoder cuts it up very often, which costs a Buffer several times as much.
        frames.push({
          compressed: flags === COMPRESSED,
          bytes: new Uint8Array(bytes.buffer, bytes.byteOffset + from, length),
        });
        start = from + length;
      }
      if (start < bytes.length) {
        held = [bytes.subarray(start)];
        heldBytes = bytes.length - start;
      }
      return frames;
    },
    get isTorn() {
      return heldBytes > 0;
    },
  };
}

/** A message that is sent as it is. */
export function encodeGrpcFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEADER_BYTES);
  return frame;
}

export function tooLarge(maxBytes: number): ConnectError {
  return new ConnectError(`the message is over the limit of ${maxBytes} bytes`, Code.ResourceExhausted);
}
