import { EventEmitter } from 'node:events';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { guardSession } from '../../../src/collector/serve/session-guard.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What the guard uses of a connection, with the acknowledgement of its last ping. */
function makeConnection() {
  const calls: string[] = [];
  const acknowledge: (() => void)[] = [];
  const session = Object.assign(new EventEmitter(), {
    destroyed: false,
    closed: false,
    close: () => void calls.push('close'),
    destroy: () => void calls.push('destroy'),
    ping: (onAck: () => void) => acknowledge.push(onAck),
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
