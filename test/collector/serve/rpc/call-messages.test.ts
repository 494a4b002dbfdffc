import { expect, test } from 'vitest';
import { createMemoryLimiter } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import { createCallMessages } from '../../../../src/collector/serve/rpc/call-messages.ts';

const memory = createMemoryLimiter(1_000);

/** A message that holds memory. */
function makeMessage() {
  const reservation = memory.open();
  reservation.resize(10);
  return { reservation };
}

test('messages are taken in the order in which they came', () => {
  const messages = createCallMessages();
  const [first, second] = [makeMessage(), makeMessage()];
  messages.push(first);
  messages.push(second);

  expect([messages.take(), messages.take(), messages.take()]).toStrictEqual([first, second, undefined]);
  for (const { reservation } of [first, second]) reservation.end();
});

test('the end releases the memory of messages that were not taken, and of those that come after it', () => {
  const messages = createCallMessages();
  const taken = makeMessage();
  messages.push(taken);
  messages.push(makeMessage());
  messages.push(makeMessage());
  messages.take();

  messages.end();
  expect(memory.reservedBytes).toBe(10);
  expect(messages.take()).toBeUndefined();
  messages.push(makeMessage());

  expect(memory.reservedBytes).toBe(10);
  expect(messages.take()).toBeUndefined();
  taken.reservation.end();
});
