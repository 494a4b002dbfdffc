import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { addWaiting, makeMonitor, makeSocket, real, WRITE_TIMEOUT_MS } from '../../support/monitored-connections.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

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

test('a client that reads nothing is cut, however much is written to it', () => {
  const { monitor } = makeMonitor();
  const socket = addWaiting(monitor, 1_000);

  for (let second = 0; second <= 21; second += 1) {
    vi.advanceTimersByTime(1_000);
    socket.bytesWritten += 1_000;
    socket.writableLength += 1_000;
  }

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

    // The first check is after 250 ms.
    vi.advanceTimersByTime(1_249);
    expect(much.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect([little.destroyed, much.destroyed]).toStrictEqual([false, true]);
    vi.advanceTimersByTime(5_000);

    expect(little.destroyed).toBe(false);
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
  ends.pop()?.();
  ends.push(monitor.beginRequest(real(socket)));
  expect(ends.at(-1)).toBeDefined();
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

test('a short time is checked as often as it passes', () => {
  const { monitor } = makeMonitor(40);
  const socket = addWaiting(monitor, 1_000);

  vi.advanceTimersByTime(79);
  expect(socket.destroyed).toBe(false);
  vi.advanceTimersByTime(1);

  expect(socket.destroyed).toBe(true);
  monitor.end();
});

test('a connection on which nothing waits is not cut, and one on which something waits again has the whole time', () => {
  const { monitor, unread } = makeMonitor();
  const socket = addWaiting(monitor, 1_000);
  vi.advanceTimersByTime(15_000);
  socket.writableLength = 0;
  vi.advanceTimersByTime(15_000);
  expect(unread).toStrictEqual([]);

  socket.writableLength = 1_000;
  socket.bytesWritten += 1_000;
  vi.advanceTimersByTime(WRITE_TIMEOUT_MS);
  expect(socket.destroyed).toBe(false);
  vi.advanceTimersByTime(250);

  expect(unread).toStrictEqual([socket]);
  monitor.end();
});

test('what is sent to the last byte is sent, and to the last but one it is not', () => {
  const { monitor } = makeMonitor();
  const [all, almost] = [addWaiting(monitor, 1_000), addWaiting(monitor, 1_000)];
  vi.advanceTimersByTime(10_000);
  // As much is written as is sent, so that as much waits as before.
  all.bytesWritten += 1_000;
  almost.bytesWritten += 999;
  vi.advanceTimersByTime(10_500);

  expect([all.destroyed, almost.destroyed]).toStrictEqual([false, true]);
  monitor.end();
});

describe('under the pressure of 8 MiB in all', () => {
  const EACH = 256 * 1024;

  test('connections that wait for less than a second stay', () => {
    const { monitor } = makeMonitor();
    const old = addWaiting(monitor, 1_000);
    vi.advanceTimersByTime(5_000);
    const young = Array.from({ length: 40 }, () => addWaiting(monitor, EACH));
    vi.advanceTimersByTime(1_000);
    expect([old, ...young].filter(({ destroyed }) => destroyed)).toStrictEqual([old]);

    vi.advanceTimersByTime(250);

    // Those that are left hold 8 MiB.
    expect(young.filter(({ destroyed }) => !destroyed)).toHaveLength(32);
    monitor.end();
  });

  test('exactly as much is no pressure', () => {
    const { monitor, unread } = makeMonitor();
    for (let index = 0; index < 32; index += 1) addWaiting(monitor, EACH);

    vi.advanceTimersByTime(5_000);

    expect(unread).toStrictEqual([]);
    monitor.end();
  });

  test('what counts is what waits now, not what waited first', () => {
    const { monitor, unread } = makeMonitor();
    const sockets = Array.from({ length: 40 }, () => addWaiting(monitor, EACH - 1));
    vi.advanceTimersByTime(500);
    for (const socket of sockets) socket.writableLength = 1_000;
    vi.advanceTimersByTime(5_000);
    expect(unread).toStrictEqual([]);

    for (const socket of sockets) {
      socket.bytesWritten += EACH - 1_000;
      socket.writableLength = EACH;
    }
    vi.advanceTimersByTime(250);

    expect(unread).toHaveLength(8);
    monitor.end();
  });
});

test('after the stop, a connection with another request has the time again', () => {
  const { monitor } = makeMonitor();
  const socket = makeSocket();
  monitor.addHttp1(real(socket));
  monitor.stop();
  vi.advanceTimersByTime(250);
  const end = monitor.beginRequest(real(socket));
  vi.advanceTimersByTime(1_000);
  end?.();

  vi.advanceTimersByTime(300);
  expect(socket.destroyed).toBe(false);
  vi.advanceTimersByTime(50);

  expect(socket.destroyed).toBe(true);
  monitor.end();
});

test('a connection that is destroyed takes no request', () => {
  const { monitor } = makeMonitor();
  const socket = makeSocket();
  monitor.addHttp1(real(socket));
  socket.destroy();

  expect(monitor.beginRequest(real(socket))).toBeUndefined();
  monitor.end();
});
