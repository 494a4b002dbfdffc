import { getEventListeners } from 'node:events';
import process from 'node:process';
import { afterEach, describe, expect, test } from 'vitest';
import { createMemoryLimiter, estimateMemory } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import {
  createLargeDecoder,
  type LargeDecoder,
  type LargeMessage,
} from '../../../../src/collector/serve/decode/large-decoder.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';

/** Answers each job with its own first byte, as a report id. */
const ECHO = `import { parentPort } from 'node:worker_threads';
const echo = ({ bytes }) => parentPort.postMessage({
  decoded: { dialect: 'report', entries: [{ reportId: String(bytes[0]), error: { kind: 'invalid', message: 'echo' } }] },
});
parentPort.on('message', echo);`;

const program = (text: string): URL => new URL(`data:text/javascript,${encodeURIComponent(text)}`);

const decoders: LargeDecoder[] = [];

function makeDecoder(text = ECHO, options: Partial<Parameters<typeof createLargeDecoder>[0]> = {}) {
  const decoder = createLargeDecoder({
    keepUnknownFields: false,
    normaliseLegacy: false,
    keepCountry: false,
    admission: { chargeBytes: () => undefined, rejectIfInDebt: () => undefined },
    program: program(text),
    ...options,
  });
  decoders.push(decoder);
  return decoder;
}

afterEach(async () => {
  await Promise.all(decoders.splice(0).map((decoder) => decoder.close()));
});

const memory = createMemoryLimiter(1e9);

function message(id: number, addressKey?: string, options: Partial<LargeMessage> = {}): LargeMessage {
  return {
    job: { format: 'protobuf', type: 'x', bytes: new Uint8Array([id]) },
    origin: { protocol: 'grpc', addressKey },
    reservation: memory.open(),
    ...options,
  };
}

/** Decodes, and ends the message. */
async function decode(decoder: LargeDecoder, sent: LargeMessage): Promise<string> {
  try {
    const { entries } = await decoder.decode(sent);
    const [entry] = entries;
    return entry !== undefined && 'error' in entry ? entry.reportId : '';
  } finally {
    sent.reservation.end();
  }
}

describe('messages wait for their turn', () => {
  test('until the message before is answered', async () => {
    const decoder = makeDecoder();
    const [first, second] = [message(1), message(2)];
    await decoder.decode(first);
    let isDecoded = false;
    const decoded = decode(decoder, second).then(() => (isDecoded = true));

    await new Promise((resolve) => setImmediate(resolve));
    expect(isDecoded).toBe(false);
    first.reservation.end();

    await expect(decoded).resolves.toBe(true);
  });

  test('64 of them, and no more', async () => {
    const decoder = makeDecoder();
    const first = message(0);
    await decoder.decode(first);
    const waiting = Array.from({ length: 64 }, (_, index) => decode(decoder, message(index + 1, `a${index}`)));

    await expect(decode(decoder, message(99, 'b'))).rejects.toMatchObject({
      kind: 'overloaded',
      retryAfterMs: expect.any(Number) as number,
    });
    first.reservation.end();
    await expect(Promise.all(waiting)).resolves.toHaveLength(64);
  });

  test('16 of one address, and those of others are next', async () => {
    const decoder = makeDecoder();
    const first = message(0, 'a');
    await decoder.decode(first);
    const order: string[] = [];
    const send = async (id: number, address: string) => order.push(await decode(decoder, message(id, address)));
    const waiting = Array.from({ length: 16 }, (_, index) => send(index, 'a'));

    await expect(send(99, 'a')).rejects.toMatchObject({ kind: 'overloaded' });
    waiting.push(send(100, 'b'), send(101, 'b'));
    first.reservation.end();
    await Promise.all(waiting);

    expect(order.slice(0, 5)).toStrictEqual(['0', '100', '1', '101', '2']);
  });

  test('and one whose client disconnects leaves the line', async () => {
    const decoder = makeDecoder();
    const first = message(0);
    await decoder.decode(first);
    const disconnect = new AbortController();
    const gone = decode(decoder, message(1, 'a', { signal: disconnect.signal }));
    const next = decode(decoder, message(2, 'a'));

    disconnect.abort();
    first.reservation.end();

    await expect(gone).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(next).resolves.toBe('2');
  });

  test('and are rejected when the collector stops', async () => {
    const decoder = makeDecoder();
    await decoder.decode(message(0));
    const waiting = decode(decoder, message(1));

    const [outcome] = await Promise.allSettled([waiting, decoder.close()]);

    expect(outcome).toMatchObject({ reason: { kind: 'unavailable' } });
    await expect(decode(decoder, message(2))).rejects.toMatchObject({ kind: 'unavailable' });
  });

  test('and are rejected where the address is in debt meanwhile', async () => {
    const debt = new SpartakusError('rate-limited', 'debt', { retryAfterMs: 1 });
    const decoder = makeDecoder(ECHO, {
      admission: {
        chargeBytes: () => undefined,
        rejectIfInDebt: () => {
          throw debt;
        },
      },
    });
    const bytes = new Uint8Array([1]);
    const compressed = { encoding: 'gzip', length: 1, maxBytes: 1 } as const;

    await expect(
      decode(decoder, message(1, 'a', { job: { format: 'json', type: 'x', bytes, compressed } })),
    ).rejects.toBe(debt);
  });
});

describe('the end of the thread rejects one message, and the next one has a new thread', () => {
  const onFirst = (act: string): string =>
    `${ECHO} parentPort.off('message', echo); parentPort.on('message', (job) => { if (job.bytes[0] === 1) { ${act} } echo(job); });`;

  test.each([
    [
      'an error',
      onFirst("throw new Error('broken');"),
      { kind: 'internal', message: expect.stringContaining('broken') as string },
    ],
    ['an exit', onFirst('process.exit(3);'), { kind: 'internal' }],
    [
      'too little memory',
      onFirst('const all = []; for (;;) all.push(Array.from({ length: 1000 }, () => ({ a: Math.random() })));'),
      { kind: 'too-large', message: expect.stringContaining('32 MiB') as string },
    ],
    [
      'a deadline',
      onFirst('for (;;);'),
      { kind: 'internal', message: expect.stringContaining('no result within') as string },
    ],
  ])('%s', async (what, text, error) => {
    const decoder = makeDecoder(text, { maxHeapMiB: 32, maxJobMs: what === 'a deadline' ? 2_000 : 60_000 });

    await Promise.all([
      expect(decode(decoder, message(1))).rejects.toMatchObject(error),
      expect(decode(decoder, message(2))).resolves.toBe('2'),
    ]);
  });

  test('which is idle', async () => {
    const text = `${ECHO} parentPort.on('message', () => setTimeout(() => process.exit(), 1));`;
    const decoder = makeDecoder(text);

    await expect(decode(decoder, message(1))).resolves.toBe('1');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await expect(decode(decoder, message(2))).resolves.toBe('2');
  });
});

test('a thread that is idle ends, and the next message starts another', async () => {
  const decoder = makeDecoder(ECHO, { idleMs: 1 });

  await expect(decode(decoder, message(1))).resolves.toBe('1');
  await new Promise((resolve) => setTimeout(resolve, 50));
  await expect(decode(decoder, message(2))).resolves.toBe('2');
});

describe('afterwards nothing is held', () => {
  const countTimers = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;

  test('by a client that leaves the line: 64 others wait, and its address is no more in it', async () => {
    const decoder = makeDecoder();
    const first = message(0);
    await decoder.decode(first);
    for (let left = 0; left < 70; left += 1) {
      const disconnect = new AbortController();
      const gone = decode(decoder, message(1, `gone ${left}`, { signal: disconnect.signal }));
      disconnect.abort();
      await expect(gone).rejects.toMatchObject({ message: 'the client has disconnected' });
    }
    const waiting = Array.from({ length: 64 }, (_, index) => decode(decoder, message(index + 1, `a${index}`)));

    first.reservation.end();

    await expect(Promise.all(waiting)).resolves.toHaveLength(64);
  });

  test('on the signal of a stream', async () => {
    const decoder = makeDecoder();
    const { signal } = new AbortController();
    const first = message(0);
    await decoder.decode(first);
    const waiting = [1, 2, 3].map((id) => decode(decoder, message(id, 'a', { signal })));

    expect(getEventListeners(signal, 'abort')).toHaveLength(3);
    first.reservation.end();
    await Promise.all(waiting);

    expect(getEventListeners(signal, 'abort')).toStrictEqual([]);
  });

  test('of timers and listeners', async () => {
    const warnings: string[] = [];
    const onWarning = ({ message: text }: Error): unknown => warnings.push(text);
    process.on('warning', onWarning);
    const decoder = makeDecoder();
    const before = countTimers();

    for (let sent = 0; sent < 30; sent += 1) await decode(decoder, message(sent));

    expect(countTimers()).toBeLessThanOrEqual(before);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', onWarning);
    expect(warnings).toStrictEqual([]);
  });
});

test('a thread is not idle while it decodes', async () => {
  const text = `${ECHO} parentPort.off('message', echo);
    parentPort.on('message', (job) => setTimeout(() => echo(job), job.bytes[0] === 2 ? 500 : 0));`;
  const decoder = makeDecoder(text, { idleMs: 200 });
  await decode(decoder, message(1));

  await expect(decode(decoder, message(2))).resolves.toBe('2');
});

test('a message of a client that has left when its turn comes is not decoded', async () => {
  const decoder = makeDecoder();

  await expect(decode(decoder, message(1, 'a', { signal: AbortSignal.abort() }))).rejects.toMatchObject({
    kind: 'unavailable',
  });
  await expect(decode(decoder, message(2, 'a'))).resolves.toBe('2');
});

test('the memory of a message is that of its decoding, then that of its documents, which its address is charged for', async () => {
  const charged: (readonly [string | undefined, number])[] = [];
  const reserved: number[] = [];
  const text = `import { parentPort } from 'node:worker_threads';
    const fields = new Uint8Array(1_000);
    const document = { kind: 'report', clusterId: 'c', reportId: '1', fields, droppedFields: 0 };
    parentPort.on('message', () => parentPort.postMessage({ decoded: { dialect: 'report', entries: [{ document }, { document }] } }));`;
  const decoder = makeDecoder(text, {
    admission: {
      chargeBytes: ({ addressKey }, bytes) => charged.push([addressKey, bytes]),
      rejectIfInDebt: () => undefined,
    },
  });
  const reservation = memory.open();
  const sent = message(1, 'a', {
    job: {
      format: 'json',
      type: 'x',
      bytes: new Uint8Array([1]),
      compressed: { encoding: 'gzip', length: 1_000_000, maxBytes: 2_000_000 },
    },
    reservation: {
      onEnd: (listener) => reservation.onEnd(listener),
      end: () => reservation.end(),
      get bytes() {
        return reservation.bytes;
      },
      resize: (bytes) => {
        reserved.push(bytes);
        reservation.resize(bytes);
      },
    },
  });

  await decoder.decode(sent);

  expect(reserved).toStrictEqual([estimateMemory(1_000_000), 4_000]);
  expect(charged).toStrictEqual([['a', 1_000_000]]);
  reservation.end();
});

test('bytes of a buffer that others use stay theirs', async () => {
  const decoder = makeDecoder();
  const shared = new Uint8Array([0, 7, 0]);

  await expect(
    decode(decoder, message(0, 'a', { job: { format: 'json', type: 'x', bytes: shared.subarray(1, 2) } })),
  ).resolves.toBe('7');

  expect(shared).toStrictEqual(new Uint8Array([0, 7, 0]));
});
