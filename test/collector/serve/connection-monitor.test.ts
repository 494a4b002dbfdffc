import { EventEmitter } from 'node:events';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { monitorConnections } from '../../../src/collector/serve/connection-monitor.ts';

const WRITE_TIMEOUT_MS = 20_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What the monitor uses of a socket: `writableLength` bytes wait, and the other `bytesWritten` are sent. */
function makeSocket() {
  const events = new EventEmitter();
  const socket = Object.assign(events, {
    bytesWritten: 0,
    writableLength: 0,
    destroyed: false,
    destroy: () => {
      socket.destroyed = true;
      events.emit('close');
    },
  });
  return socket;
}
type FakeSocket = ReturnType<typeof makeSocket>;
const real = (socket: FakeSocket): Socket => socket as never as Socket;

function makeMonitor() {
  const unread: FakeSocket[] = [];
  const monitor = monitorConnections({
    writeTimeoutMs: WRITE_TIMEOUT_MS,
    onUnread: (socket) => unread.push(socket as never as FakeSocket),
  });
  return { monitor, unread };
}

/** A connection on which so many bytes were written, and none was sent. */
function addWaiting(monitor: ReturnType<typeof monitorConnections>, bytes: number): FakeSocket {
  const socket = makeSocket();
  monitor.addHttp1(real(socket));
  socket.bytesWritten = bytes;
  socket.writableLength = bytes;
  return socket;
}

test('a client that does not read is cut after the time, not before', () => {
  const { monitor, unread } = makeMonitor();
  const socket = addWaiting(monitor, 1_000);

  vi.advanceTimersByTime(WRITE_TIMEOUT_MS);
  expect(socket.destroyed).toBe(false);
  vi.advanceTimersByTime(500);

  expect(unread).toStrictEqual([socket]);
  expect(socket.destroyed).toBe(true);
  monitor.end();
});

test('a client that reads a byte a second does not evade it', () => {
  const { monitor } = makeMonitor();
  const socket = addWaiting(monitor, 1_000);

  for (let second = 0; second <= 21; second += 1) {
    vi.advanceTimersByTime(1_000);
    socket.writableLength -= 1;
  }

  expect(socket.destroyed).toBe(true);
  monitor.end();
});

test('a client that reads everything in time stays, though always something waits', () => {
  const { monitor, unread } = makeMonitor();
  const socket = addWaiting(monitor, 1_000);

  for (let second = 0; second < 60; second += 1) {
    vi.advanceTimersByTime(1_000);
    socket.bytesWritten += 1_000;
  }

  expect(unread).toStrictEqual([]);
  monitor.end();
});

describe('more memory', () => {
  test('than 256 KiB on a connection has a second', () => {
    const { monitor } = makeMonitor();
    const [little, much] = [addWaiting(monitor, 256 * 1024), addWaiting(monitor, 256 * 1024 + 1)];

    vi.advanceTimersByTime(1_500);

    expect([little.destroyed, much.destroyed]).toStrictEqual([false, true]);
    monitor.end();
  });

  test('than 8 MiB in all cuts those with most of it first, and only as many as needed', () => {
    const { monitor } = makeMonitor();
    const sockets = Array.from({ length: 40 }, (_, index) => addWaiting(monitor, 210_000 + index));
    const total = sockets.reduce((sum, { writableLength }) => sum + writableLength, 0);
    expect(total).toBeGreaterThan(8 * 1024 * 1024);

    vi.advanceTimersByTime(1_500);

    expect(sockets.filter(({ destroyed }) => destroyed)).toStrictEqual(sockets.slice(-1));
    monitor.end();
  });
});

test('a connection of HTTP/1.1 has ten requests at a time, and each answer gives back one', () => {
  const { monitor } = makeMonitor();
  const socket = makeSocket();
  monitor.addHttp1(real(socket));
  const ends = Array.from({ length: 10 }, () => monitor.beginRequest(real(socket)));

  expect(ends.every((end) => end !== undefined)).toBe(true);
  expect(monitor.beginRequest(real(socket))).toBeUndefined();
  for (const end of ends) end?.();

  for (let sent = 0; sent < 100; sent += 1) {
    const end = monitor.beginRequest(real(socket));
    expect(end).toBeDefined();
    end?.();
  }
  monitor.end();
});

test('after the stop, connections end when they have no request', () => {
  const { monitor } = makeMonitor();
  const [idle, busy] = [makeSocket(), makeSocket()];
  for (const socket of [idle, busy]) monitor.addHttp1(real(socket));
  const end = monitor.beginRequest(real(busy));

  monitor.stop();
  vi.advanceTimersByTime(500);
  expect([idle.destroyed, busy.destroyed]).toStrictEqual([true, false]);
  end?.();
  vi.advanceTimersByTime(500);

  expect(busy.destroyed).toBe(true);
  monitor.end();
});

test('a session that is closed, and whose peer does not close the connection, is ended after a second', () => {
  const { monitor, unread } = makeMonitor();
  const socket = makeSocket();
  const session = { destroyed: false, closed: true, state: { outboundQueueSize: 0 } };
  const streams = new Set<ServerHttp2Stream>();
  monitor.addHttp2(real(socket), session as never as ServerHttp2Session, streams);

  vi.advanceTimersByTime(1_000);
  expect(socket.destroyed).toBe(false);
  vi.advanceTimersByTime(500);

  expect([socket.destroyed, unread]).toStrictEqual([true, []]);
  monitor.end();
});

test('a connection that has closed is not watched, and the end leaves no timer, also after a stop', () => {
  const { monitor, unread } = makeMonitor();
  const socket = addWaiting(monitor, 1_000);
  socket.emit('close');

  vi.advanceTimersByTime(10 * WRITE_TIMEOUT_MS);
  expect(unread).toStrictEqual([]);
  monitor.stop();
  monitor.end();

  expect(vi.getTimerCount()).toBe(0);
});
