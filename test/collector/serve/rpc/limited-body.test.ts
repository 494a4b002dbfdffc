import { describe, expect, test } from 'vitest';
import { createMemoryLimiter } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import { encodeGrpcFrame } from '../../../../src/collector/serve/rpc/grpc-frames.ts';
import { limitBody } from '../../../../src/collector/serve/rpc/limited-body.ts';

const MAX_BYTES = 10;

/** Reads a body of these chunks: its messages, what is reserved then and after their answers, and how often the deadline ended. */
async function read(chunks: readonly Uint8Array[], { isFramed }: { readonly isFramed: boolean }) {
  const memory = createMemoryLimiter(1_000);
  const buffered = memory.open();
  const answered: (() => void)[] = [];
  let deadlinesEnded = 0;
  async function* body() {
    for (const chunk of chunks) yield await Promise.resolve(chunk);
  }
  const messages = limitBody(body(), {
    maxBytes: MAX_BYTES,
    isFramed,
    isCompressed: false,
    isStream: false,
    isJson: false,
    read: ({ bytes }) => Promise.resolve({ bytes }),
    onMessage: ({ reservation }) => answered.push(() => reservation.end()),
    memory,
    buffered,
    deadline: { pause: () => undefined, restart: () => undefined, end: () => void (deadlinesEnded += 1) },
  });
  const received: Uint8Array[] = [];
  for await (const bytes of messages) received.push(bytes);
  const reservedBytes = memory.reservedBytes;
  for (const answer of answered) answer();
  return { received, reservedBytes, leftBytes: memory.reservedBytes, deadlinesEnded };
}

const message = (length: number): Uint8Array => new Uint8Array(length).fill(7);

describe.each([
  ['a body without frames', false, (bytes: Uint8Array) => [bytes.subarray(0, 4), bytes.subarray(4)]],
  ['a body of frames', true, (bytes: Uint8Array) => [Uint8Array.from(encodeGrpcFrame(bytes))]],
])('%s', (_what, isFramed, send) => {
  test('of the largest size is read; its memory is reserved until its answer, and nothing after it', async () => {
    const { received, reservedBytes, leftBytes, deadlinesEnded } = await read(send(message(MAX_BYTES)), { isFramed });

    expect(received.map((bytes) => bytes.length)).toStrictEqual([isFramed ? MAX_BYTES + 5 : MAX_BYTES]);
    expect(reservedBytes).toBeGreaterThanOrEqual(MAX_BYTES);
    expect([leftBytes, deadlinesEnded]).toStrictEqual([0, 1]);
  });

  test('of one byte more is rejected', async () => {
    await expect(read(send(message(MAX_BYTES + 1)), { isFramed })).rejects.toMatchObject({ kind: 'too-large' });
  });
});
