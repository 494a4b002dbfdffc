import { expect, test, vi } from 'vitest';
import { createMemoryLimiter, estimateMemory } from '../../../../src/collector/serve/admission/memory-limiter.ts';

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

test('the memory of a message grows with it, and is more than its encoding', () => {
  expect(estimateMemory(0)).toBe(0);
  expect(estimateMemory(1_000)).toBeGreaterThan(1_000);
  expect(estimateMemory(2_000)).toBe(2 * estimateMemory(1_000));
});

test('every listener is called once when the reservation ends', () => {
  const limiter = createMemoryLimiter(100);
  const reservation = limiter.open();
  const calls: string[] = [];
  reservation.onEnd(() => calls.push('first'));
  reservation.onEnd(() => calls.push('second'));
  reservation.resize(10);
  expect(calls).toStrictEqual([]);

  reservation.end();
  reservation.end();

  expect(calls).toStrictEqual(['first', 'second']);
  expect([reservation.bytes, limiter.reservedBytes, limiter.maxBytes]).toStrictEqual([0, 0, 100]);
});

test('what is reserved changes by the difference, and stays where more is rejected', () => {
  const limiter = createMemoryLimiter(100);
  const reservation = limiter.open();
  for (const bytes of [50, 100, 20, 100]) {
    reservation.resize(bytes);
    expect([reservation.bytes, limiter.reservedBytes]).toStrictEqual([bytes, bytes]);
  }

  expect(() => reservation.resize(101)).toThrow('the memory for requests is in use');
  expect([reservation.bytes, limiter.reservedBytes]).toStrictEqual([100, 100]);
});
