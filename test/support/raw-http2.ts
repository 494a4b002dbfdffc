import net from 'node:net';

/** Frames of HTTP/2 by hand (RFC 9113 section 4), for what no client library would send. */
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

/** Headers as HPACK has them without compression: literals that are not indexed (RFC 7541 section 6.2.2), each shorter than 127 bytes. */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
  return Buffer.concat(
    Object.entries(headers).map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])),
  );
}

/** A connection that sends whatever it is told to. */
export interface RawConnection {
  /** Resolves once the system has taken the bytes, or the connection is closed; false where it is. */
  send(...bytes: readonly Uint8Array[]): Promise<boolean>;
  readonly isClosed: boolean;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
  /** Everything that came, as Latin-1. */
  heard(): string;
  destroy(): void;
}

export function connectRaw(port: number): Promise<RawConnection> {
  const socket = net.connect(port, '127.0.0.1');
  let heard = '';
  socket.on('data', (chunk: Buffer) => {
    if (heard.length < 100_000) heard += chunk.toString('latin1');
  });
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
    heard: () => heard,
    destroy: () => socket.destroy(),
  };
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(connection));
    void closed.then(() => resolve(connection));
  });
}

/** A connection that has said that it speaks HTTP/2, with these settings. */
export async function connectHttp2(port: number, settings: readonly Buffer[] = []): Promise<RawConnection> {
  const connection = await connectRaw(port);
  await connection.send(
    PREFACE,
    frame(FRAME.settings, 0, 0, Buffer.concat(settings)),
    frame(FRAME.settings, FLAG.ack, 0),
  );
  return connection;
}
