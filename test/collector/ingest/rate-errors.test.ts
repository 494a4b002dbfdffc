import { expect, test } from 'vitest';
import { createRateErrors } from '../../../src/collector/ingest/rate-errors.ts';

const HOUR_MS = 3_600_000;

test('a delay is rounded up: to tenths of a second up to ten seconds, then to seconds', () => {
  const errorOf = createRateErrors('a cluster may send 2 reports an hour');

  expect(errorOf(0.5)).toMatchObject({
    kind: 'rate-limited',
    message: 'a cluster may send 2 reports an hour: send it again later',
    retryAfterMs: 100,
  });
  const delaysMs = [1, 100, 101, 9_999, 10_000, 10_001, 11_000, HOUR_MS, HOUR_MS + 1];
  expect(delaysMs.map((waitMs) => errorOf(waitMs).retryAfterMs)).toStrictEqual([
    100,
    100,
    200,
    10_000,
    10_000,
    11_000,
    11_000,
    HOUR_MS,
    HOUR_MS + 1_000,
  ]);
});

test('an error is created once for each delay, and for those above an hour each time', () => {
  const errorOf = createRateErrors('an address may send 3 requests a second');

  expect(errorOf(150)).toBe(errorOf(199));
  expect(errorOf(HOUR_MS)).toBe(errorOf(HOUR_MS - 999));
  expect(errorOf(150)).not.toBe(errorOf(250));
  expect(errorOf(HOUR_MS + 1)).not.toBe(errorOf(HOUR_MS + 1));
});
