import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { serveConnection } from '../../../../src/collector/store/engine/engine-listener.ts';
import { collectGarbage } from '../../../support/collect-garbage.ts';

const MORE_TO_COME = 'more to come';
const LEGACY = 'legacy';

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
};

/** A message with a header of its length and id: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ */
function messageOf(requestId: number, text: string): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([int32(16 + body.length), int32(requestId), int32(0), int32(2013), body]);
}

/** Answers with the text of each message, some turns later. */
function createEcho() {
  const echo = {
    running: 0,
    answered: 0,
    mostRunning: 0,
    roundTrip: async (message: Buffer) => {
      echo.running += 1;
      echo.mostRunning = Math.max(echo.mostRunning, echo.running);
      await new Promise((resolve) => setImmediate(resolve));
      echo.running -= 1;
      echo.answered += 1;
      const text = message.toString('utf8', 16);
      return {
        requestId: message.readInt32LE(4),
        moreToCome: text === MORE_TO_COME,
        legacy: text === LEGACY,
        response: Buffer.from(text),
      };
    },
  };
  return echo;
}

/** Resolves with the first `bytes` bytes that are sent in reply to chunks. */
async function replyTo(
  engine: Parameters<typeof serveConnection>[0],
  chunks: readonly Buffer[],
  bytes: number,
): Promise<Buffer> {
  const [client, server] = duplexPair();
  serveConnection(engine, server);
  for (const chunk of chunks) client.write(chunk);
  let received = Buffer.alloc(0);
  for await (const chunk of client) {
    received = Buffer.concat([received, chunk as Buffer]);
    if (received.length >= bytes) break;
  }
  return received;
}

const opMsg = (replyId: number, requestId: number, text: string): Buffer =>
  Buffer.concat([
    int32(21 + text.length),
    int32(replyId),
    int32(requestId),
    int32(2013),
    Buffer.alloc(5),
    Buffer.from(text),
  ]);

test.each([1, 2, 3, 5, 16, 17, 40, 1000])(
  'messages in chunks of %i bytes are answered in their order',
  async (size) => {
    const engine = createEcho();
    const sent = Buffer.concat([messageOf(7, 'one'), messageOf(8, ''), messageOf(9, 'x'.repeat(300))]);
    const chunks = Array.from({ length: Math.ceil(sent.length / size) }, (_, index) =>
      sent.subarray(index * size, (index + 1) * size),
    );

    const expected = Buffer.concat([opMsg(1, 7, 'one'), opMsg(2, 8, ''), opMsg(3, 9, 'x'.repeat(300))]);

    await expect(replyTo(engine, chunks, expected.length)).resolves.toStrictEqual(expected);

    expect(engine.mostRunning).toBe(1);
  },
);

test('a message that wants no reply gets none', async () => {
  const expected = opMsg(1, 2, 'b');

  const replies = await replyTo(createEcho(), [messageOf(1, MORE_TO_COME), messageOf(2, 'b')], expected.length);

  expect(replies).toStrictEqual(expected);
});

test('the first message of a driver, in the old form, is answered in the old form, with one document', async () => {
  const header = [int32(36 + LEGACY.length), int32(1), int32(5), int32(1)];
  const expected = Buffer.concat([...header, Buffer.alloc(16), int32(1), Buffer.from(LEGACY)]);

  const replies = await replyTo(createEcho(), [messageOf(5, LEGACY)], expected.length);

  expect(replies).toStrictEqual(expected);
});

test.each([
  ['a message that the engine cannot read', messageOf(1, 'unreadable'), () => Promise.reject(new Error('unreadable'))],
  ['a length below that of a header', int32(15), createEcho().roundTrip],
  ['a negative length', int32(-1), createEcho().roundTrip],
])('%s ends its connection', async (_, sent, roundTrip) => {
  const [client, server] = duplexPair();
  serveConnection({ roundTrip }, server);

  client.write(sent);

  await expect(once(server, 'close')).resolves.toStrictEqual([]);
});

test('a connection that breaks during a command gets no reply and throws nothing', async () => {
  const [client, server] = duplexPair();
  const engine = createEcho();
  const roundTrip = (message: Buffer) => {
    server.destroy(new Error('broken'));
    return engine.roundTrip(message);
  };
  serveConnection({ roundTrip }, server);
  client.write(messageOf(1, 'a'));

  await expect.poll(() => engine.answered).toBe(1);
  expect(client.read()).toBeNull();
});

test('the memory of a message is free once it is answered, while its connection stays open', async () => {
  const [client, server] = duplexPair();
  let received: WeakRef<ArrayBufferLike> | undefined;
  const engine = createEcho();
  const roundTrip = (message: Buffer) => {
    received = new WeakRef(message.buffer);
    return engine.roundTrip(message);
  };
  serveConnection({ roundTrip }, server);
  const sent = messageOf(1, 'x'.repeat(100_000));

  client.write(sent.subarray(0, 50_000));
  client.write(sent.subarray(50_000));
  await once(client, 'data');

  await vi.waitFor(() => {
    collectGarbage();
    expect(received?.deref() === undefined).toBe(true);
  });
});
