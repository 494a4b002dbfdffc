import type { Socket } from 'node:net';

export interface ConnectionStats {
  readonly opened: number;
  /** Not among the opened. */
  readonly rejected: number;
  /** Closed because their clients did not read the responses. */
  readonly unread: number;
  /** TLS and framing included. */
  readonly receivedBytes: number;
  /** By version of HTTP; `new` where it is not yet known. */
  readonly open: Readonly<Record<'http1' | 'http2' | 'new', number>>;
}

export interface ConnectionCounts {
  /** @param socket the TCP socket, below TLS */
  opened(socket: Socket): void;
  rejected(): void;
  unread(): void;
  /** @param socket the socket above TLS */
  routed(socket: Socket, version: 1 | 2): void;
  read(): ConnectionStats;
}

export function createConnectionCounts(): ConnectionCounts {
  const sockets = new Set<Socket>();
  let opened = 0;
  let rejected = 0;
  let unread = 0;
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
    rejected: () => (rejected += 1),
    unread: () => (unread += 1),
    routed(socket, version) {
      const kind = version === 2 ? 'http2' : 'http1';
      routed[kind] += 1;
      socket.once('close', () => (routed[kind] -= 1));
    },
    read() {
      let receivedBytes = closedBytes;
      for (const { bytesRead } of sockets) receivedBytes += bytesRead;
      const undecided = Math.max(0, sockets.size - routed.http1 - routed.http2);
      return { opened, rejected, unread, receivedBytes, open: { ...routed, new: undecided } };
    },
  };
}
