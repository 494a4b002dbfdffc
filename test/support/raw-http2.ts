import net from 'node:net';

/** Frames of HTTP/2 (RFC 9113 section 4) that no client library would send. */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const FLAG = { endStream: 0x1, ack: 0x1, endHeaders: 0x4 } as const;

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** One setting: its number and its value. */
export function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/**
 * Headers as HPACK has them without compression: literals that are not indexed (RFC 7541 section 6.2.2), each shorter than 127 bytes.
 * Pseudo-headers are first: a request is malformed otherwise (RFC 9113 section 8.3).
 */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
  const isRegular = ([name]: readonly [string, string]): number => (name.startsWith(':') ? 0 : 1);
  const ordered = Object.entries(headers).toSorted((left, right) => isRegular(left) - isRegular(right));
  return Buffer.concat(ordered.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])));
}

/** A TCP connection that sends any bytes. */
export interface RawConnection {
  /** Resolves once the bytes are written to the socket, or with false once the connection is closed. */
  send(...bytes: readonly Uint8Array[]): Promise<boolean>;
  readonly isClosed: boolean;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
  /** Resolves once the first bytes are received, or the connection is closed. */
  readonly responded: Promise<unknown>;
  /** The first 100,000 bytes that were received, as Latin-1. */
  received(): string;
  destroy(): void;
}

interface RawOptions {
  /** The client's address, one of the machine itself; 127.0.0.1 by default. */
  readonly from?: string | undefined;
  /** Whether what the server sends is read; true by default. */
  readonly reads?: boolean;
}

export function connectRaw(port: number, { from, reads = true }: RawOptions = {}): Promise<RawConnection> {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress: from });
  let received = '';
  if (reads) {
    socket.on('data', (chunk: Buffer) => {
      if (received.length < 100_000) received += chunk.toString('latin1');
    });
  }
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const connection: RawConnection = {
    send: async (...bytes) => {
      if (socket.destroyed) return false;
      await Promise.race([new Promise<void>((resolve) => socket.write(Buffer.concat(bytes), () => resolve())), closed]);
      return !socket.destroyed;
    },
    get isClosed() {
      return socket.destroyed;
    },
    closed,
    responded: reads ? Promise.race([closed, new Promise((resolve) => socket.once('data', resolve))]) : closed,
    received: () => received,
    destroy: () => socket.destroy(),
  };
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(connection));
    void closed.then(() => resolve(connection));
  });
}

/** Opens an HTTP/2 connection with these settings. */
export async function connectHttp2(
  port: number,
  settings: readonly Buffer[] = [],
  options: RawOptions = {},
): Promise<RawConnection> {
  const connection = await connectRaw(port, options);
  await connection.send(
    PREFACE,
    frame(FRAME.settings, 0, 0, Buffer.concat(settings)),
    frame(FRAME.settings, FLAG.ack, 0),
  );
  return connection;
}
