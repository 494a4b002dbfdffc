import { expect, test } from 'vitest';
import { createPending } from '../../src/runtime/pending.ts';

test('operations are pending until they succeed or fail, also those that are added meanwhile', async () => {
  const pending = createPending();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const failed = pending.add(first.promise).catch(() => pending.add(second.promise));
  let isSettled = false;
  const settled = pending.settled().then(() => (isSettled = true));

  first.reject(new Error('failed'));
  await new Promise((resolve) => void setImmediate(resolve));
  expect(isSettled).toBe(false);
  second.resolve();
  await Promise.all([failed, settled]);

  await pending.settled();
});
