import type { ServerHttp2Stream } from 'node:http2';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { createChunkReader } from '../../../../src/collector/serve/rpc/chunk-reader.ts';

const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A reader of a stream, and the lengths that it was told of. */
function openReader(onReceived?: (bytes: number) => void) {
  const stream = new PassThrough({ highWaterMark: 1_000_000 });
  const received: number[] = [];
  const reader = createChunkReader(stream as never as ServerHttp2Stream, (bytes) => {
    received.push(bytes);
    onReceived?.(bytes);
  });
  return { stream, reader, received };
}

/** Whether the promise is settled once all that is ready has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settles = (): void => void (settled = true);
  promise.then(settles, settles);
  await settle();
  return settled;
}

test('chunks are read in their order, and undefined at the end, as often as it is asked', async () => {
  const { stream, reader, received } = openReader();
  stream.write('a');
  stream.write('bcd');
  await settle();
  expect((await reader.next())?.map(String)).toStrictEqual(['a', 'bcd']);
  stream.write('e');
  stream.end();
  await settle();

  expect((await reader.next())?.map(String)).toStrictEqual(['e']);
  await expect(reader.next()).resolves.toBeUndefined();
  await expect(reader.next()).resolves.toBeUndefined();
  expect(received).toStrictEqual([1, 3, 1]);
});

test('chunks that arrive in one turn of the event loop are read together', async () => {
  const { stream, reader } = openReader();
  const next = reader.next();
  await settle();

  stream.write('a');
  await Promise.resolve();
  stream.write('b');

  expect((await next)?.map(String)).toStrictEqual(['a', 'b']);
});

test('the next chunk is waited for', async () => {
  const { stream, reader } = openReader();
  const next = reader.next();
  expect(await isSettled(next)).toBe(false);

  stream.write('a');

  expect(String(await next)).toBe('a');
});

test('the end is waited for, and the close that follows it is no error', async () => {
  const { stream, reader } = openReader();
  const next = reader.next();
  await settle();

  stream.end();

  await expect(next).resolves.toBeUndefined();
  stream.destroy();
  await settle();
  await expect(reader.next()).resolves.toBeUndefined();
});

describe('a stream that is closed before its end', () => {
  test('fails the pending read and those after it', async () => {
    const { stream, reader } = openReader();
    const next = reader.next();
    stream.destroy();

    await expect(next).rejects.toThrow('the stream was closed before the body ended');
    await expect(reader.next()).rejects.toThrow('the stream was closed before the body ended');
  });

  test('fails with the error that interrupted it first', async () => {
    const { stream, reader } = openReader();
    reader.interrupt(new Error('first'));
    reader.interrupt(new Error('second'));
    stream.destroy();
    await settle();

    await expect(reader.next()).rejects.toThrow('first');
  });
});

test('an interruption fails a read that waits, and chunks that come later are not received', async () => {
  const { stream, reader, received } = openReader();
  const failed = reader.next().catch((error: unknown) => error);
  reader.interrupt(new Error('late'));
  stream.write('a');
  await settle();

  await expect(failed).resolves.toMatchObject({ message: 'late' });
  await expect(reader.next()).rejects.toThrow('late');
  expect(received).toStrictEqual([]);
});

test('a chunk that cannot be received fails the read', async () => {
  const { stream, reader } = openReader((bytes) => {
    if (bytes > 1) throw new Error('too many');
  });
  const next = reader.next();
  stream.write('abc');

  await expect(next).rejects.toThrow('too many');
});

describe('flow control', () => {
  const KIB = 1_024;

  test('stops the client at 64 KiB that were not read, and not before', async () => {
    const { stream, reader } = openReader();
    stream.write(Buffer.alloc(64 * KIB - 1));
    await settle();
    expect(stream.isPaused()).toBe(false);

    stream.write('x');
    await settle();
    expect(stream.isPaused()).toBe(true);
    await reader.next();
    expect(stream.isPaused()).toBe(false);
  });

  test('lets the client send again once what has arrived is read', async () => {
    const { stream, reader } = openReader();
    stream.write('x');
    stream.write(Buffer.alloc(64 * KIB));
    await settle();
    expect(stream.isPaused()).toBe(true);

    await reader.next();
    expect(stream.isPaused()).toBe(false);
  });

  test('counts what was read no longer', async () => {
    const { stream, reader } = openReader();
    for (let sent = 0; sent < 10; sent += 1) {
      stream.write(Buffer.alloc(32 * KIB));
      await reader.next();
    }
    await settle();
    expect(stream.isPaused()).toBe(false);
  });
});
