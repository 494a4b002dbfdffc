import { EventEmitter } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { createPingPolicy } from '../../../src/collector/serve/ping-policy.ts';

const MIN_MS = 10_000;

function makePolicy() {
  const streams = new Set<ServerHttp2Stream>();
  const socket = { bytesWritten: 0 };
  const policy = createPingPolicy(streams, socket as never as Socket, MIN_MS);
  const open = () => {
    const stream = Object.assign(new EventEmitter(), {
      rstCode: 0,
      headersSent: false,
      writableLength: 0,
      write: () => true,
    });
    streams.add(stream as never as ServerHttp2Stream);
    return stream;
  };
  /** The answers to pings at these times. */
  const ping = (...timesMs: readonly number[]): readonly boolean[] => timesMs.map((ms) => policy.allows(ms));
  return { policy, streams, socket, open, ping };
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
