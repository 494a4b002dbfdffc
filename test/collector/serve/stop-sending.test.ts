import { EventEmitter } from 'node:events';
import http2, { type ServerHttp2Stream } from 'node:http2';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { stopSending } from '../../../src/collector/serve/stop-sending.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function makeStream(readableEnded: boolean) {
  const codes: (number | undefined)[] = [];
  const stream = Object.assign(new EventEmitter(), { readableEnded, close: (code?: number) => void codes.push(code) });
  return { stream, codes };
}

test('a client that still sends after the response is told to stop, a moment later', () => {
  const { stream, codes } = makeStream(false);

  stopSending(stream as never as ServerHttp2Stream);
  vi.advanceTimersByTime(99);
  expect(codes).toStrictEqual([]);
  vi.advanceTimersByTime(1);

  expect(codes).toStrictEqual([http2.constants.NGHTTP2_NO_ERROR]);
});

test('a client that has sent everything is left alone', () => {
  const { stream, codes } = makeStream(true);

  stopSending(stream as never as ServerHttp2Stream);
  vi.advanceTimersByTime(1_000);

  expect([codes, vi.getTimerCount()]).toStrictEqual([[], 0]);
});

test('a stream that is closed meanwhile leaves no timer', () => {
  const { stream, codes } = makeStream(false);
  stopSending(stream as never as ServerHttp2Stream);

  stream.emit('close');

  expect([codes, vi.getTimerCount()]).toStrictEqual([[], 0]);
});
