import { expect, test, vi } from 'vitest';
import { createMemoryLimiter } from '../../../../src/collector/serve/admission/memory-limiter.ts';

test('so much may be reserved, and no more, by all together', () => {
  const limiter = createMemoryLimiter(100);
  const [first, second] = [limiter.open(), limiter.open()];
  first.resize(60);
  second.resize(40);

  expect(() => second.resize(41)).toThrow(
    expect.objectContaining({ kind: 'overloaded', retryAfterMs: expect.any(Number) as number }) as Error,
  );
  expect([second.bytes, limiter.reservedBytes]).toStrictEqual([40, 100]);
});

test('less may always be reserved, also where all is in use', () => {
  const limiter = createMemoryLimiter(100);
  const reservation = limiter.open();
  reservation.resize(100);

  reservation.resize(99);

  expect(limiter.reservedBytes).toBe(99);
});

test('a reservation ends once, and reserves nothing later', () => {
  const limiter = createMemoryLimiter(100);
  const [ended, other] = [limiter.open(), limiter.open()];
  const onEnd = vi.fn<() => void>();
  ended.onEnd(onEnd);
  ended.resize(30);
  other.resize(20);

  ended.end();
  ended.end();
  ended.resize(50);
  ended.onEnd(onEnd);

  expect(limiter.reservedBytes).toBe(20);
  expect(onEnd).toHaveBeenCalledTimes(2);
});
