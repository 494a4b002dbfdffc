import type { Socket } from 'node:net';

/** Counts of a port's connections. */
export interface ConnectionStats {
  /** Connections so far. */
  readonly opened: number;
  /** Connections that were refused, so far; they are not among the opened. */
  readonly refused: number;
  /** Bytes that came over them so far, TLS and framing included. */
  readonly receivedBytes: number;
  /** Connections that are open now: by version of HTTP, and those that have not said yet which it is. */
  readonly open: Readonly<Record<'http1' | 'http2' | 'new', number>>;
}

/** Counts connections for a listener, which tells of each twice. */
export interface ConnectionCounts {
  /** One was opened: the TCP socket, below TLS. */
  opened(socket: Socket): void;
  /** One was refused. */
  refused(): void;
  /** One has said which version of HTTP it speaks: the socket above TLS. */
  routed(socket: Socket, version: 1 | 2): void;
  read(): ConnectionStats;
}

export function createConnectionCounts(): ConnectionCounts {
  const sockets = new Set<Socket>();
  let opened = 0;
  let refused = 0;
  let closedBytes = 0;
  const routed = { http1: 0, http2: 0 };
  return {
    opened(socket) {
      opened += 1;
      sockets.add(socket);
      socket.once('close', () => {
        sockets.delete(socket);
        closedBytes += socket.bytesRead;
      });
    },
    refused: () => (refused += 1),
    routed(socket, version) {
      const kind = version === 2 ? 'http2' : 'http1';
      routed[kind] += 1;
      socket.once('close', () => (routed[kind] -= 1));
    },
    read() {
      let receivedBytes = closedBytes;
      for (const { bytesRead } of sockets) receivedBytes += bytesRead;
      const undecided = Math.max(0, sockets.size - routed.http1 - routed.http2);
      return { opened, refused, receivedBytes, open: { ...routed, new: undecided } };
    },
  };
}
