import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { createConnectionCounts } from '../../../src/collector/serve/connection-counts.ts';

const makeSocket = (bytesRead: number): Socket => Object.assign(new EventEmitter(), { bytesRead }) as never as Socket;

test('connections are counted while they are open, by version, and their bytes for good', () => {
  const counts = createConnectionCounts();
  const [unknown, http1, http2] = [makeSocket(1), makeSocket(10), makeSocket(100)];
  for (const socket of [unknown, http1, http2]) counts.opened(socket);
  counts.routed(http1, 1);
  counts.routed(http2, 2);

  expect(counts.read()).toStrictEqual({
    opened: 3,
    rejected: 0,
    unread: 0,
    receivedBytes: 111,
    open: { http1: 1, http2: 1, new: 1 },
  });

  for (const socket of [unknown, http1, http2]) {
    Object.assign(socket, { bytesRead: 1_000 });
    socket.emit('close');
  }

  expect(counts.read()).toMatchObject({ opened: 3, receivedBytes: 3_000, open: { http1: 0, http2: 0, new: 0 } });
});

test('a connection of TLS is counted once, though the socket above it closes first', () => {
  const counts = createConnectionCounts();
  const [below, above] = [makeSocket(50), makeSocket(30)];
  counts.opened(below);
  counts.routed(above, 2);
  expect(counts.read().open).toStrictEqual({ http1: 0, http2: 1, new: 0 });

  above.emit('close');
  below.emit('close');

  expect(counts.read()).toMatchObject({ receivedBytes: 50, open: { http1: 0, http2: 0, new: 0 } });
});

test('rejected connections, and those whose clients do not read, are counted', () => {
  const counts = createConnectionCounts();

  counts.rejected();
  counts.rejected();
  counts.unread();

  expect(counts.read()).toMatchObject({ opened: 0, rejected: 2, unread: 1 });
});
