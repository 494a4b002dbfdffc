import { SpartakusError } from '../../../runtime/errors.ts';

/** A length-prefixed message (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), as in gRPC-Web and Connect's streams. */
export interface GrpcFrame {
  readonly isCompressed: boolean;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const PREFIX_BYTES = 5;
const COMPRESSED = 1;

/** The length of a message with its prefix. */
export function framedBytes({ bytes }: GrpcFrame): number {
  return PREFIX_BYTES + bytes.length;
}

export function createGrpcFrameReader(maxBytes: number) {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  /** The length of the next message with its prefix; of a prefix where that is incomplete. */
  let wantedBytes = PREFIX_BYTES;

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
    /**
     * @returns the messages that are complete with this chunk
     * @throws SpartakusError: `too-large` as soon as a prefix states more than `maxBytes`, `invalid` for unknown flags
     */
    push(chunk: Uint8Array): GrpcFrame[] {
      held.push(chunk);
      heldBytes += chunk.length;
      if (heldBytes < wantedBytes) return [];
      const bytes = takeHeld();
      const frames: GrpcFrame[] = [];
      let start = 0;
      wantedBytes = PREFIX_BYTES;
      while (bytes.length - start >= PREFIX_BYTES) {
        const flags = bytes.readUInt8(start);
        const length = bytes.readUInt32BE(start + 1);
        if (flags > COMPRESSED)
          throw new SpartakusError('invalid', `a message has the flags ${flags}: only 0 and 1 are defined`);
        if (length > maxBytes) throw messageTooLarge(maxBytes);
        if (bytes.length - start < PREFIX_BYTES + length) {
          wantedBytes = PREFIX_BYTES + length;
          break;
        }
        const from = start + PREFIX_BYTES;
        // No Buffer: the decoder makes many subarrays, which cost several times as much then.
        frames.push({
          isCompressed: flags === COMPRESSED,
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
    /** @throws SpartakusError `invalid` where the body ended within a message */
    end(): void {
      if (heldBytes > 0) throw new SpartakusError('invalid', 'the body ends in the middle of a message');
    },
  };
}

export function encodeGrpcFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

export function messageTooLarge(maxBytes: number): SpartakusError {
  return new SpartakusError('too-large', `the message is over the limit of ${maxBytes} bytes`);
}
