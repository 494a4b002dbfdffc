import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { createMemoryLimiter } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import { encodeGrpcFrame, type GrpcFrame } from '../../../../src/collector/serve/rpc/grpc-frames.ts';
import { type CallMessage, limitBody } from '../../../../src/collector/serve/rpc/limited-body.ts';

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

/** Reads the frames of a stream, which come when the test says so: what was yielded, what the deadline was told, and what was passed on. */
function openStream({ isStream = true, isJson = false, decodes = false, maxMemory = 1_000 } = {}) {
  const memory = createMemoryLimiter(maxMemory);
  const buffered = memory.open();
  const body = new PassThrough();
  const deadline: string[] = [];
  const passed: CallMessage[] = [];
  const yielded: string[] = [];
  const frames: GrpcFrame[] = [];
  const tell = (what: string) => () => void deadline.push(what);
  const messages = limitBody(body, {
    maxBytes: MAX_BYTES,
    isFramed: true,
    isCompressed: false,
    isStream,
    isJson,
    read: (frame) => {
      frames.push(frame);
      if (frame.bytes[0] === BROKEN) return Promise.reject(new Error('broken'));
      return Promise.resolve(decodes ? { decoded: DECODED } : { bytes: frame.bytes });
    },
    onMessage: (passedMessage) => passed.push(passedMessage),
    memory,
    buffered,
    deadline: { pause: tell('pause'), restart: tell('restart'), end: tell('end') },
  });
  const done = (async () => {
    for await (const bytes of messages) yielded.push(Buffer.from(bytes).toString('hex'));
  })();
  return { memory, buffered, body, deadline, passed, yielded, frames, done };
}

const BROKEN = 9;
const DECODED = { dialect: 'report', entries: [] } as const;
const frameOf = (...bytes: number[]): Buffer => encodeGrpcFrame(new Uint8Array(bytes));
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('the body of a stream', () => {
  test('yields each message when it has come, with its prefix, and is not late while it is read', async () => {
    const { memory, buffered, body, deadline, passed, yielded, done } = openStream();
    body.write(Buffer.concat([frameOf(1, 2), frameOf(3), frameOf(4, 4).subarray(0, 6)]));
    await settle();
    expect(yielded).toStrictEqual(['00000000020102', '000000000103']);
    expect(deadline).toStrictEqual(['pause', 'restart']);
    expect([buffered.bytes, memory.reservedBytes]).toStrictEqual([6, 6 + 7 + 6]);

    body.end(frameOf(4, 4).subarray(6));
    await done;

    expect(yielded).toStrictEqual(['00000000020102', '000000000103', '00000000020404']);
    expect(deadline).toStrictEqual(['pause', 'restart', 'pause', 'restart', 'end']);
    expect([buffered.bytes, passed.length]).toStrictEqual([0, 3]);
    for (const { reservation } of passed) reservation.end();
    expect(memory.reservedBytes).toBe(0);
  });

  test('of one message yields it once it has ended', async () => {
    const { body, deadline, yielded, done } = openStream({ isStream: false });
    body.write(frameOf(1));
    await settle();
    expect([yielded, deadline]).toStrictEqual([[], []]);

    body.end();
    await done;

    expect([yielded, deadline]).toStrictEqual([['000000000101'], ['end']]);
  });

  test('that ends within a message is invalid', async () => {
    const { body, done } = openStream();
    body.end(frameOf(1).subarray(0, 3));

    await expect(done).rejects.toMatchObject({ kind: 'invalid' });
  });

  test.each([
    ['JSON', true, `0000000002${Buffer.from('{}').toString('hex')}`],
    ['protobuf', false, '0000000000'],
  ])('has an empty message of %s in the place of one that is decoded already', async (_name, isJson, empty) => {
    const { body, passed, yielded, done } = openStream({ isJson, decodes: true });
    body.end(frameOf(1, 2, 3));
    await done;

    expect(yielded).toStrictEqual([empty]);
    expect(passed).toMatchObject([{ decoded: DECODED }]);
  });

  test('passes no message on that cannot be read, and releases its memory', async () => {
    const { memory, body, passed, done } = openStream();
    body.end(frameOf(BROKEN));

    await expect(done).rejects.toThrow('broken');
    expect([passed, memory.reservedBytes]).toStrictEqual([[], 0]);
  });

  test('is rejected where it takes more memory than there is', async () => {
    const { memory, buffered, body, done } = openStream({ maxMemory: 5 });
    body.end(frameOf(1));

    await expect(done).rejects.toMatchObject({ kind: 'overloaded' });
    buffered.end();
    expect(memory.reservedBytes).toBe(0);
  });
});
