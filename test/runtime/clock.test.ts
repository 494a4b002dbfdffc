import { expect, test } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';

test('a sleep ends as soon as it is aborted, and does not reject', async () => {
  const stop = new AbortController();
  const sleep = systemClock.sleep(60_000, stop.signal);

  stop.abort();

  await expect(sleep).resolves.toBeUndefined();
  await expect(systemClock.sleep(60_000, stop.signal)).resolves.toBeUndefined();
});

test('a sleep longer than a timer of Node.js can be does not end at once', async () => {
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
