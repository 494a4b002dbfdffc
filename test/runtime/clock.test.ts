import { expect, test } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';

test('an aborted sleep resolves at once', async () => {
  const stop = new AbortController();
  const sleep = systemClock.sleep(60_000, stop.signal);

  stop.abort();

  await expect(sleep).resolves.toBeUndefined();
  await expect(systemClock.sleep(60_000, stop.signal)).resolves.toBeUndefined();
});

test('a sleep that is longer than any timer of Node.js does not end at once', async () => {
  const stop = new AbortController();
  let awake = false;
  const sleep = systemClock.sleep(2 ** 31, stop.signal).then(() => {
    awake = true;
    return awake;
  });
  await systemClock.sleep(20);
  const early = awake;

  stop.abort();
  await sleep;

  expect(early).toBe(false);
});
