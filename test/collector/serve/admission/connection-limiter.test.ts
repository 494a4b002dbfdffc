import { expect, test } from 'vitest';
import {
  createConnectionLimiter,
  createStreamLimiter,
} from '../../../../src/collector/serve/admission/connection-limiter.ts';
import { createManualClock } from '../../../support/manual-clock.ts';

const NO_LIMIT = { maxConnections: 1_000, maxConnectionsPerAddress: 0, connectionsPerSecondPerAddress: 0 };

test('an address may connect so often a second in the long run, and ten seconds of it at once after it was idle', () => {
  const clock = createManualClock(new Date(0));
  const limiter = createConnectionLimiter({ ...NO_LIMIT, connectionsPerSecondPerAddress: 2 }, clock);
  const connectTimes = (times: number, address?: string): number =>
    Array.from({ length: times }, () => limiter.acquire(address)).filter((release) => {
      // A connection that is closed at once counts too.
      release?.();
      return release !== undefined;
    }).length;

  expect(connectTimes(21, '192.0.2.1')).toBe(20);
  expect(connectTimes(21, '192.0.2.2')).toBe(20);
  expect(connectTimes(100)).toBe(100);
  clock.advance(500);
  expect(connectTimes(2, '192.0.2.1')).toBe(1);
});

test('a connection that is rejected for another limit does not count', () => {
  const clock = createManualClock(new Date(0));
  const limiter = createConnectionLimiter(
    { ...NO_LIMIT, maxConnectionsPerAddress: 1, connectionsPerSecondPerAddress: 1 },
    clock,
  );
  const release = limiter.acquire('192.0.2.1');
  for (let time = 0; time < 100; time += 1) expect(limiter.acquire('192.0.2.1')).toBeUndefined();
  release?.();

  expect(limiter.acquire('192.0.2.1')).toBeDefined();
});

test('a connection that ends frees its place, also one without an address', () => {
  const clock = createManualClock(new Date(0));
  const limiter = createConnectionLimiter({ ...NO_LIMIT, maxConnections: 2, maxConnectionsPerAddress: 1 }, clock);
  for (let time = 0; time < 3; time += 1) {
    const release = [limiter.acquire('192.0.2.1'), limiter.acquire(undefined)];
    expect(release).not.toContain(undefined);
    expect(limiter.acquire(undefined)).toBeUndefined();
    expect(limiter.countOf('192.0.2.1')).toBe(1);
    for (const each of release) each?.();
    expect(limiter.countOf('192.0.2.1')).toBe(0);
  }
});

test('an address may have so many streams, and one more once one is closed', () => {
  const limiter = createStreamLimiter({ maxStreamsPerAddress: 2 });

  expect([1, 2, 3].map(() => limiter.acquire('192.0.2.1'))).toStrictEqual([true, true, false]);
  expect(limiter.acquire('192.0.2.2')).toBe(true);
  limiter.release('192.0.2.1');
  expect(limiter.acquire('192.0.2.1')).toBe(true);
});

test('so many connections are open at a time, and so many of an address', () => {
  const clock = createManualClock(new Date(0));
  const limiter = createConnectionLimiter({ ...NO_LIMIT, maxConnections: 5, maxConnectionsPerAddress: 3 }, clock);
  const acquire = (address?: string): boolean => limiter.acquire(address) !== undefined;

  expect([1, 2, 3, 4].map(() => acquire('192.0.2.1'))).toStrictEqual([true, true, true, false]);
  expect(limiter.countOf('192.0.2.1')).toBe(3);
  expect([acquire('192.0.2.2'), acquire(), acquire(), acquire('192.0.2.2')]).toStrictEqual([true, true, false, false]);
  expect([limiter.countOf('192.0.2.2'), limiter.countOf(undefined)]).toStrictEqual([1, 0]);
});

test('an attack costs its address a hundred connections', () => {
  const clock = createManualClock(new Date(0));
  const limiter = createConnectionLimiter({ ...NO_LIMIT, connectionsPerSecondPerAddress: 11 }, clock);
  limiter.penalise('192.0.2.1');
  const taken = Array.from({ length: 20 }, () => limiter.acquire('192.0.2.1')).filter((one) => one !== undefined);

  expect(taken).toHaveLength(10);
  expect(limiter.acquire('192.0.2.2')).toBeDefined();
});

test('streams have no limit where none is set', () => {
  const limiter = createStreamLimiter({ maxStreamsPerAddress: 0 });

  expect(Array.from({ length: 100 }, () => limiter.acquire('192.0.2.1'))).not.toContain(false);
});
