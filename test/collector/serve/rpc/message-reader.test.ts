import { brotliCompressSync, gzipSync } from 'node:zlib';
import { compressionBrotli } from '@connectrpc/connect-node';
import { describe, expect, test } from 'vitest';
import { HealthCheckRequestSchema } from '../../../../gen/grpc/health/v1/health_pb.js';
import { SubmitReportRequestSchema } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { createMemoryLimiter, estimateMemory } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import { LARGE_MESSAGE_BYTES, type LargeMessage } from '../../../../src/collector/serve/decode/large-decoder.ts';
import { GZIP } from '../../../../src/collector/serve/rpc/compression.ts';
import {
  createMessageReader,
  type MessageOptions,
  type ReadMessage,
} from '../../../../src/collector/serve/rpc/message-reader.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';

const DECODED = { dialect: 'report', entries: [] } as const;
const ORIGIN = { protocol: 'grpc', addressKey: '192.0.2.1' } as const;

/** Reads a message: the result, what was decoded in a thread, what its address was charged for, and what was reserved in turn. */
async function read(
  bytes: Uint8Array,
  { isCompressed = false, ...given }: Partial<MessageOptions> & { readonly isCompressed?: boolean } = {},
) {
  const large: LargeMessage[] = [];
  const charged: unknown[] = [];
  const reserved: number[] = [];
  const reader = createMessageReader(
    {
      decode: (message) => {
        large.push(message);
        return Promise.resolve(DECODED);
      },
      close: () => Promise.resolve(),
    },
    { chargeBytes: (origin, length) => charged.push(origin === ORIGIN ? length : origin) },
  );
  const limiter = createMemoryLimiter(1e9).open();
  const reservation = { ...limiter, resize: (length: number) => void reserved.push(length) };
  const options = { schema: SubmitReportRequestSchema, isJson: false, compression: undefined, maxBytes: 1e6 };
  const frame = { isCompressed, bytes: new Uint8Array(bytes) };
  const readAll = async (): Promise<ReadMessage> =>
    await reader(frame, reservation, { ...options, origin: ORIGIN, ...given });
  const message = await readAll().catch((error: unknown) => SpartakusError.from(error));
  return { message, large, charged, reserved };
}

/** JSON of a length. */
const json = (length: number): Uint8Array => Buffer.from(`{"a":"${'x'.repeat(length - 8)}"}`);

describe('a small message', () => {
  test('is read; its address is charged for its length, and memory is reserved for its decoding', async () => {
    const { message, charged, reserved, large } = await read(json(100), { isJson: true });

    expect(message).toStrictEqual({ bytes: new Uint8Array(json(100)) });
    expect([charged, reserved, large]).toStrictEqual([[100], [estimateMemory(100)], []]);
  });

  test('that is compressed is charged for what it is decompressed', async () => {
    const bytes = gzipSync(json(10_000));

    const { message, charged, reserved } = await read(bytes, { isJson: true, isCompressed: true, compression: GZIP });

    expect(message).toHaveProperty('bytes.length', 10_000);
    expect(charged).toStrictEqual([10_000]);
    // Before it is decompressed, what it may become.
    expect(reserved).toStrictEqual([bytes.length + 1_032 * bytes.length, estimateMemory(10_000)]);
  });

  test('reserves no more than the limit for what it may become', async () => {
    const bytes = gzipSync(json(100));

    const { reserved } = await read(bytes, { isJson: true, isCompressed: true, compression: GZIP, maxBytes: 2_000 });

    expect(reserved[0]).toBe(bytes.length + 2_000);
  });

  test('is rejected where its JSON, or its protobuf, is out of bounds', async () => {
    const deep = Buffer.from(`${'['.repeat(1_000)}${']'.repeat(1_000)}`);

    expect((await read(deep, { isJson: true })).message).toMatchObject({ kind: 'invalid' });
    // Empty reports, each of two bytes.
    const many = Buffer.alloc(20_000, Buffer.from([0x0a, 0]));
    expect((await read(many)).message).toMatchObject({ kind: 'invalid' });
    // Each is read as what it is.
    expect((await read(deep)).message).toHaveProperty('bytes');
  });

  test('that is compressed without an encoding is invalid', async () => {
    const { message, charged } = await read(gzipSync('{}'), { isJson: true, isCompressed: true });

    expect(message).toMatchObject({ kind: 'invalid', message: expect.stringContaining('no encoding') as string });
    expect(charged).toStrictEqual([]);
  });
});

describe('a message of a size', () => {
  test.each([
    [LARGE_MESSAGE_BYTES, 0],
    [LARGE_MESSAGE_BYTES + 1, 1],
  ])('of %d bytes is decoded in a thread %d times', async (length, times) => {
    const { signal } = new AbortController();
    const { message, large, charged } = await read(json(length), { isJson: true, signal: () => signal });

    expect(message).toStrictEqual(times === 1 ? { decoded: DECODED } : { bytes: new Uint8Array(json(length)) });
    expect(large).toHaveLength(times);
    expect(charged).toStrictEqual([length]);
    for (const { job, origin, signal: given } of large) {
      expect([job.format, origin, given]).toStrictEqual(['json', ORIGIN, signal]);
      expect(job).toMatchObject({ type: SubmitReportRequestSchema.typeName, compressed: undefined });
      expect(job.bytes).toHaveLength(length);
    }
  });

  test('is sent to the thread as protobuf where it is that', async () => {
    const { large } = await read(new Uint8Array(LARGE_MESSAGE_BYTES + 1));

    expect(large).toMatchObject([{ job: { format: 'protobuf' } }]);
  });

  test('that only reports have is too large for others', async () => {
    const { message, large } = await read(new Uint8Array(LARGE_MESSAGE_BYTES + 1), {
      schema: HealthCheckRequestSchema,
    });

    expect(message).toMatchObject({
      kind: 'too-large',
      message: expect.stringContaining(String(LARGE_MESSAGE_BYTES)) as string,
    });
    expect(large).toStrictEqual([]);
  });
});

describe('a message that proves to be large while it is decompressed', () => {
  const LENGTH = LARGE_MESSAGE_BYTES + 1;

  test.each([
    ['gzip', GZIP, gzipSync, LENGTH],
    ['br', compressionBrotli, brotliCompressSync, 1e6],
  ] as const)('of %s is decompressed in the thread, and charged for the part that was', async (...of) => {
    const [encoding, compression, compress, length] = of;
    const bytes = compress(json(LENGTH));

    const { message, large, charged, reserved } = await read(bytes, { isJson: true, isCompressed: true, compression });

    expect(message).toStrictEqual({ decoded: DECODED });
    expect(large).toMatchObject([{ job: { compressed: { encoding, length, maxBytes: 1e6 } } }]);
    expect(large[0]?.job.bytes).toStrictEqual(new Uint8Array(bytes));
    expect(charged).toStrictEqual([LARGE_MESSAGE_BYTES]);
    expect(reserved.at(-1)).toBe(bytes.length);
  });

  test('is too large where the limit is reached', async () => {
    const { message, large, charged } = await read(gzipSync(json(1_001)), {
      isJson: true,
      isCompressed: true,
      compression: GZIP,
      maxBytes: 1_000,
    });

    expect(message).toMatchObject({ kind: 'too-large', message: expect.stringContaining('1000') as string });
    expect([large, charged]).toStrictEqual([[], [1_000]]);
  });
});
