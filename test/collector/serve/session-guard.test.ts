import { EventEmitter } from 'node:events';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { guardSession } from '../../../src/collector/serve/session-guard.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What the guard uses of a connection, with the acknowledgement of its last ping. */
function makeConnection(options: Partial<Parameters<typeof guardSession>[2]> = {}) {
  const calls: string[] = [];
  const acknowledge: (() => void)[] = [];
  const session = Object.assign(new EventEmitter(), {
    destroyed: false,
    closed: false,
    close: () => void calls.push('close'),
    destroy: () => void calls.push('destroy'),
    ping: (onAck: () => void) => acknowledge.push(onAck),
    goaway: (code: number, last: number, reason: Buffer) =>
      void calls.push(`goaway ${code} ${last} ${reason.toString()}`),
  });
  const socket = Object.assign(new EventEmitter(), {
    bytesRead: 0,
    bytesWritten: 0,
    destroy: () => void calls.push('destroy socket'),
  });
  const open = () => {
    const stream = Object.assign(new EventEmitter(), { rstCode: 0, headersSent: true, writableLength: 0 });
    session.emit('stream', stream);
    return stream as EventEmitter as ServerHttp2Stream;
  };
  const streams = guardSession(session as never as ServerHttp2Session, socket as never as Socket, {
    idleTimeoutMs: 60_000,
    keepaliveMinMs: 10_000,
    maxConnectionAgeMs: 1_000_000,
    bodyTimeoutMs: 5_000,
    random: () => 0.5,
    ...options,
  });
  return { session, socket, calls, acknowledge, open, streams };
}

test('the open streams of a connection are those that are not closed', () => {
  const { open, streams } = makeConnection();
  const first = open();
  const second = open();

  first.emit('close');

  expect([...streams]).toStrictEqual([second]);
});

test('a connection that is closed leaves no timer, also while a ping is not acknowledged', () => {
  const { open, socket, acknowledge } = makeConnection();
  open();
  vi.advanceTimersByTime(121_000);
  expect(acknowledge).toHaveLength(2);

  socket.emit('close');

  expect(vi.getTimerCount()).toBe(0);
});

test('an acknowledged ping leaves no timer of its own', () => {
  const { open, acknowledge, calls } = makeConnection();
  open();
  const before = vi.getTimerCount();
  // A stream was opened in the first interval; nothing is received in the second one.
  vi.advanceTimersByTime(60_000);
  acknowledge.at(-1)?.();

  expect(vi.getTimerCount()).toBe(before);
  vi.advanceTimersByTime(20_000);
  expect(calls).toStrictEqual([]);
});

test('a connection keeps nothing of pings that were acknowledged', () => {
  const { open, socket, acknowledge } = makeConnection();
  open();
  for (let interval = 0; interval < 10; interval += 1) {
    vi.advanceTimersByTime(60_000);
    acknowledge.pop()?.();
  }
  const cleared = vi.spyOn(globalThis, 'clearTimeout');

  socket.emit('close');

  // Those of its age and of its idle time.
  expect(cleared).toHaveBeenCalledTimes(2);
  cleared.mockRestore();
});

test('a client with open streams that acknowledges no ping within 20 seconds is disconnected', () => {
  const { open, calls } = makeConnection();
  open();

  vi.advanceTimersByTime(79_999);
  expect(calls).toStrictEqual([]);
  vi.advanceTimersByTime(1);
  expect(calls).toStrictEqual(['destroy socket']);
});

test('a connection without streams is closed after its idle time, and at its age, after which it is destroyed', () => {
  const idle = makeConnection();
  vi.advanceTimersByTime(60_000);
  expect(idle.calls).toStrictEqual(['close']);

  vi.advanceTimersByTime(940_000);
  expect(idle.calls).toStrictEqual(['close', 'close']);
  vi.advanceTimersByTime(5_000);
  expect(idle.calls).toStrictEqual(['close', 'close', 'destroy']);
});

test.each([
  [0, 900_000],
  [0.5, 1_000_000],
  [1, 1_100_000],
])('the maximum age varies, so that connections do not end together: with %d it is %d ms', (random, ageMs) => {
  const { open, calls } = makeConnection({ random: () => random, idleTimeoutMs: 10_000_000 });
  open();

  vi.advanceTimersByTime(ageMs - 1);
  expect(calls).toStrictEqual([]);
  vi.advanceTimersByTime(1);

  expect(calls).toStrictEqual(['close']);
});

test('without a maximum age, a connection has none', () => {
  const { open, calls } = makeConnection({ maxConnectionAgeMs: 0, idleTimeoutMs: 10_000_000 });
  open();

  vi.advanceTimersByTime(9_000_000);

  expect(calls).toStrictEqual([]);
});

test('a connection whose stream ended is closed after the next idle time, not in the one in which it had a stream', () => {
  const { open, calls, socket } = makeConnection();
  socket.bytesRead = 100;
  open().emit('close');

  vi.advanceTimersByTime(60_000);
  expect(calls).toStrictEqual([]);
  vi.advanceTimersByTime(60_000);

  expect(calls).toStrictEqual(['close']);
});

test('a client that sends something in each interval is not pinged', () => {
  const { open, acknowledge, socket } = makeConnection();
  open();

  for (let interval = 0; interval < 5; interval += 1) {
    socket.bytesRead += 1;
    vi.advanceTimersByTime(60_000);
  }

  expect(acknowledge).toHaveLength(0);
});

test('a session that is destroyed is not pinged, though its stream is open', () => {
  const { open, session, acknowledge } = makeConnection();
  open();
  session.destroyed = true;

  vi.advanceTimersByTime(300_000);

  expect(acknowledge).toHaveLength(0);
});

describe('a client that pings too often', () => {
  const TOO_MANY = 'goaway 11 0 too_many_pings';

  test('has a moment to read why its connection ends', () => {
    const { session, calls } = makeConnection();
    for (let pings = 0; pings < 3; pings += 1) session.emit('ping');
    expect(calls).toStrictEqual([]);

    session.emit('ping');
    expect(calls).toStrictEqual([TOO_MANY, 'close']);
    vi.advanceTimersByTime(99);
    expect(calls).toStrictEqual([TOO_MANY, 'close', 'destroy']);
    vi.advanceTimersByTime(1);

    expect(calls).toStrictEqual([TOO_MANY, 'close', 'destroy', 'destroy socket']);
  });

  test('is told so once, however often it pings then', () => {
    const { session, calls } = makeConnection();

    for (let pings = 0; pings < 20; pings += 1) session.emit('ping');

    expect(calls).toStrictEqual([TOO_MANY, 'close']);
  });

  test('is cut without another GOAWAY where it had one', () => {
    const { session, calls } = makeConnection();
    session.closed = true;

    for (let pings = 0; pings < 4; pings += 1) session.emit('ping');
    vi.advanceTimersByTime(100);

    expect(calls).toStrictEqual(['destroy', 'destroy socket']);
  });

  test('after streams that sent headers stays', () => {
    const { session, calls, open } = makeConnection();

    for (let pings = 0; pings < 20; pings += 1) {
      open().emit('close');
      session.emit('ping');
    }

    expect(calls).toStrictEqual([]);
  });
});
