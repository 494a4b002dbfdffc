import { EventEmitter } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { createPingPolicy } from '../../../src/collector/serve/ping-policy.ts';

const MIN_MS = 10_000;

function makePolicy() {
  const streams = new Set<ServerHttp2Stream>();
  const socket = { bytesWritten: 0 };
  const policy = createPingPolicy(streams, socket as never as Socket, MIN_MS);
  /** Of each stream: what was sent, with the arguments. */
  const sent: unknown[] = [];
  const send = (name: string) =>
    function (this: unknown, ...args: readonly unknown[]): string {
      sent.push([name, this, ...args]);
      return `result of ${name}`;
    };
  const methods = {
    respond: send('respond'),
    write: send('write'),
    end: send('end'),
    sendTrailers: send('sendTrailers'),
  };
  const open = () => {
    const stream = Object.assign(new EventEmitter(), { rstCode: 0, headersSent: false, writableLength: 0, ...methods });
    streams.add(stream as never as ServerHttp2Stream);
    return stream;
  };
  /** The answers to pings at these times. */
  const ping = (...timesMs: readonly number[]): readonly boolean[] => timesMs.map((ms) => policy.allows(ms));
  return { policy, streams, socket, open, ping, sent };
}

test('the first ping is allowed, two more that come too early are, and a third one is not', () => {
  expect(makePolicy().ping(0, 1, 2, 3)).toStrictEqual([true, true, true, false]);
});

test('a ping after the minimum time is never too early, and takes the strikes back', () => {
  expect(makePolicy().ping(0, 1, 2, 2 + MIN_MS, 3 + MIN_MS, 4 + MIN_MS, 5 + MIN_MS)).toStrictEqual([
    true,
    true,
    true,
    true,
    true,
    true,
    false,
  ]);
});

test('data that the server sends takes the strikes back, on streams before and after the ping', () => {
  const { ping, open } = makePolicy();
  const stream = open();
  expect(ping(0, 1, 2)).toStrictEqual([true, true, true]);
  stream.write();
  expect(ping(3, 4, 5)).toStrictEqual([true, true, true]);
  open().headersSent = true;
  expect(ping(6, 7, 8, 9)).toStrictEqual([true, true, true, false]);
});

test.each([
  [0, true],
  [8, false],
])('headers of a stream that closes with the code %d were sent: %s', (rstCode, expected) => {
  const { policy, streams, ping, open } = makePolicy();
  ping(0, 1, 2);
  const stream = Object.assign(open(), { headersSent: true, rstCode }) as never as ServerHttp2Stream;
  streams.delete(stream);
  policy.streamClosed(stream);

  expect(ping(3)).toStrictEqual([expected]);
});

test('a ping exactly after the minimum time is not too early', () => {
  expect(makePolicy().ping(0, 1, 2, 2 + MIN_MS, 2 + 2 * MIN_MS, 2 + 3 * MIN_MS)).not.toContain(false);
  expect(makePolicy().ping(0, MIN_MS - 1, 2 * MIN_MS - 2, 3 * MIN_MS - 3)).toStrictEqual([true, true, true, false]);
});

test('strikes that are not taken back are not allowed either', () => {
  expect(makePolicy().ping(0, 1, 2, 3, 4, 5)).toStrictEqual([true, true, true, false, false, false]);
});

describe('a stream that is watched', () => {
  test.each(['respond', 'write', 'end', 'sendTrailers'] as const)('sends by %s as before, once', (name) => {
    const { ping, open, sent } = makePolicy();
    const stream = open();
    expect(ping(0, 1, 2)).toStrictEqual([true, true, true]);

    const result = (stream[name] as (...args: readonly unknown[]) => unknown)('a', 'b');

    expect(result).toBe(`result of ${name}`);
    expect(sent).toStrictEqual([[name, stream, 'a', 'b']]);
    expect(ping(3, 4, 5, 6)).toStrictEqual([true, true, true, false]);
  });

  test('is watched once, however many pings follow', () => {
    const { ping, open } = makePolicy();
    const stream = open();
    ping(0);
    const watched = stream.write;
    ping(1, 2);

    expect(stream.write).toBe(watched);
  });

  test('has not sent its headers again', () => {
    const { ping, open } = makePolicy();
    open().headersSent = true;

    expect(ping(0, 1, 2, 3)).toStrictEqual([true, true, true, false]);
  });
});

describe('data that waited for flow control at a ping', () => {
  test('was sent where the connection has sent more than an acknowledgement', () => {
    const { ping, open, socket } = makePolicy();
    open().writableLength = 1;
    ping(0, 1, 2);
    socket.bytesWritten = 65;

    expect(ping(3, 4, 5, 6)).toStrictEqual([true, true, true, false]);
  });

  test('was not sent where it has sent no more than that', () => {
    const { ping, open, socket } = makePolicy();
    open().writableLength = 1;
    ping(0, 1, 2);
    socket.bytesWritten = 64;

    expect(ping(3)).toStrictEqual([false]);
  });

  test('counts once: only what is sent after the ping before', () => {
    const { ping, open, socket } = makePolicy();
    open().writableLength = 1;
    socket.bytesWritten = 1_000;
    expect(ping(0, 1, 2, 3)).toStrictEqual([true, true, true, false]);
  });

  test('on one stream is enough, and no more once it does not wait', () => {
    const { ping, open, socket } = makePolicy();
    const waiting = open();
    waiting.writableLength = 1;
    open();
    ping(0, 1, 2);
    socket.bytesWritten = 100;
    waiting.writableLength = 0;
    expect(ping(3, 4)).toStrictEqual([true, true]);
    socket.bytesWritten = 200;

    expect(ping(5, 6)).toStrictEqual([true, false]);
  });
});

test('what the connection sends without waiting data is no reason to ping', () => {
  const { ping, open, socket } = makePolicy();
  open();
  ping(0, 1, 2);
  socket.bytesWritten = 1_000;

  expect(ping(3)).toStrictEqual([false]);
});

test('a stream that closes after its headers were counted does not count again', () => {
  const { policy, streams, ping, open } = makePolicy();
  const stream = Object.assign(open(), { headersSent: true });
  ping(0, 1, 2);
  streams.delete(stream as never as ServerHttp2Stream);
  policy.streamClosed(stream as never as ServerHttp2Stream);

  expect(ping(3)).toStrictEqual([false]);
});

test('a stream that closes takes nothing back of what was sent', () => {
  const { policy, streams, ping, open } = makePolicy();
  const stream = open();
  ping(0, 1, 2);
  stream.write();
  streams.delete(stream as never as ServerHttp2Stream);
  policy.streamClosed(stream as never as ServerHttp2Stream);

  expect(ping(3)).toStrictEqual([true]);
});
