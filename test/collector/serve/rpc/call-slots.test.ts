import type { Http2ServerRequest } from 'node:http2';
import { expect, test } from 'vitest';
import { createCallSlots, createConnectionSlots } from '../../../../src/collector/serve/rpc/call-slots.ts';

test('a slot is free again when its call has ended, once however often that is told', () => {
  const slots = createCallSlots(2, 'there are 2 calls');
  const end = slots.take();
  slots.take();
  expect(() => slots.take()).toThrow('there are 2 calls');

  end();
  end();
  slots.take();

  expect(() => slots.take()).toThrow('there are 2 calls: end one before opening another');
});

test('a call without a slot is told to come again', () => {
  expect(() => createCallSlots(0, 'none').take()).toThrow(
    expect.objectContaining({ kind: 'overloaded', retryAfterMs: 5_000 }) as Error,
  );
});

test.each([
  ['HTTP/1.1', (socket: object) => ({ socket })],
  ['HTTP/2', (session: object) => ({ stream: { session } })],
])('each connection of %s has slots of its own', (_name, request) => {
  const slots = createConnectionSlots(1, 'the connection has a call');
  const [first, second] = [{}, {}];
  const take = (connection: object) => slots.of(request(connection) as never).take();

  const end = take(first);
  expect(() => take(first)).toThrow('the connection has a call');
  take(second);
  end();

  take(first);
});

test('a request of HTTP/2 whose connection is gone has a slot', () => {
  const slots = createConnectionSlots(1, 'the connection has a call');
  const request = { stream: { session: undefined } } as never as Http2ServerRequest;

  expect(slots.of(request).take()).toBeTypeOf('function');
});
