import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { monitorConnections } from '../../../src/collector/serve/connection-monitor.ts';
import { makeMonitor, makeSocket, real, WRITE_TIMEOUT_MS } from '../../support/monitored-connections.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a connection of HTTP/2', () => {
  function addSession(monitor: ReturnType<typeof monitorConnections>) {
    const socket = makeSocket();
    const session = { destroyed: false, closed: false, state: { outboundQueueSize: 0 as number | undefined } };
    const streams = new Set<ServerHttp2Stream>();
    monitor.addHttp2(real(socket), session as never as ServerHttp2Session, streams);
    const open = (writableLength: number) => {
      const stream = { writableLength };
      streams.add(stream as ServerHttp2Stream);
      return stream;
    };
    return { socket, session, streams, open };
  }

  test('is cut where its streams wait, although the socket has sent everything', () => {
    const { monitor, unread } = makeMonitor();
    const { socket, open } = addSession(monitor);
    open(0);
    vi.advanceTimersByTime(2 * WRITE_TIMEOUT_MS);
    expect(unread).toStrictEqual([]);

    open(1);
    vi.advanceTimersByTime(WRITE_TIMEOUT_MS + 250);

    expect(unread).toStrictEqual([socket]);
    monitor.end();
  });

  test('is not cut for what waited on a stream that its client has reset', () => {
    const { monitor, unread } = makeMonitor();
    const { streams, open } = addSession(monitor);
    open(100);
    vi.advanceTimersByTime(15_000);
    streams.clear();
    open(0);
    vi.advanceTimersByTime(15_000);

    expect(unread).toStrictEqual([]);
    monitor.end();
  });

  test('has everything sent once its socket has sent the data and the frame of each stream', () => {
    for (const [sentBytes, expected] of [
      [2 * (100 + 9) - 1, true],
      [2 * (100 + 9), false],
    ] as const) {
      const { monitor } = makeMonitor();
      const { socket, open } = addSession(monitor);
      open(100);
      open(100);
      open(0);
      vi.advanceTimersByTime(10_000);
      socket.bytesWritten = sentBytes;
      vi.advanceTimersByTime(10_500);

      expect(socket.destroyed).toBe(expected);
      monitor.end();
    }
  });

  test('is cut where frames wait with a stream, nine bytes each', () => {
    for (const [sentBytes, expected] of [
      [8, true],
      [9, false],
    ] as const) {
      const { monitor } = makeMonitor();
      const { socket, session, open } = addSession(monitor);
      open(0);
      session.state.outboundQueueSize = 1;
      vi.advanceTimersByTime(10_000);
      socket.bytesWritten = sentBytes;
      vi.advanceTimersByTime(10_500);

      expect(socket.destroyed).toBe(expected);
      monitor.end();
    }
  });

  test('has a second with so many waiting streams that they take more than 256 KiB', () => {
    const { monitor } = makeMonitor();
    const [few, many] = [addSession(monitor), addSession(monitor)];
    for (let index = 0; index < 15; index += 1) few.open(1);
    for (let index = 0; index < 16; index += 1) many.open(1);
    // Streams on which nothing waits take nothing.
    for (let index = 0; index < 16; index += 1) few.open(0);

    vi.advanceTimersByTime(1_500);

    expect([few.socket.destroyed, many.socket.destroyed]).toStrictEqual([false, true]);
    monitor.end();
  });

  test('has a second with so many waiting frames that they take more than 256 KiB', () => {
    const { monitor } = makeMonitor();
    const [few, many] = [addSession(monitor), addSession(monitor)];
    for (const { open } of [few, many]) open(0);
    few.session.state.outboundQueueSize = Math.floor((256 * 1024) / 9);
    many.session.state.outboundQueueSize = Math.ceil((256 * 1024 + 1) / 9);

    vi.advanceTimersByTime(1_500);

    expect([few.socket.destroyed, many.socket.destroyed]).toStrictEqual([false, true]);
    monitor.end();
  });

  test('is not cut for frames where it has no stream, or where Node.js does not tell how many wait', () => {
    const { monitor, unread } = makeMonitor();
    const [idle, unknown] = [addSession(monitor), addSession(monitor)];
    idle.session.state.outboundQueueSize = 100;
    unknown.open(0);
    unknown.session.state.outboundQueueSize = undefined;

    vi.advanceTimersByTime(2 * WRITE_TIMEOUT_MS);

    expect(unread).toStrictEqual([]);
    monitor.end();
  });

  test('whose session is destroyed is ended after a second, though a stream of it waits, and is not counted as unread', () => {
    const { monitor, unread } = makeMonitor();
    const { socket, session, open } = addSession(monitor);
    open(1_000_000);
    session.destroyed = true;

    vi.advanceTimersByTime(1_000);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(250);

    expect([socket.destroyed, unread]).toStrictEqual([true, []]);
    monitor.end();
  });

  test('that is told to go is not ended while it has a stream', () => {
    const { monitor } = makeMonitor();
    const { socket, session, streams, open } = addSession(monitor);
    open(0);
    session.closed = true;
    vi.advanceTimersByTime(10_000);
    expect(socket.destroyed).toBe(false);

    streams.clear();
    vi.advanceTimersByTime(1_000);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(250);

    expect(socket.destroyed).toBe(true);
    monitor.end();
  });

  test('that is idle stays, and after the stop it is ended once it has no stream', () => {
    const { monitor } = makeMonitor();
    const [idle, busy] = [addSession(monitor), addSession(monitor)];
    busy.open(0);
    vi.advanceTimersByTime(100_000);
    expect(idle.socket.destroyed).toBe(false);

    monitor.stop();
    vi.advanceTimersByTime(300);
    expect(idle.socket.destroyed).toBe(false);
    vi.advanceTimersByTime(50);
    expect([idle.socket.destroyed, busy.socket.destroyed]).toStrictEqual([true, false]);
    busy.streams.clear();
    vi.advanceTimersByTime(350);

    expect(busy.socket.destroyed).toBe(true);
    monitor.end();
  });
});
