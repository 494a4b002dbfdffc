import { expect, test } from 'vitest';
import { createCounters, REPORT_COUNTERS } from '../../src/delivery/counters.ts';

test('each counter of reports begins at 0 and adds up by itself', () => {
  const counters = createCounters();
  expect(REPORT_COUNTERS.map(counters.count)).toStrictEqual(REPORT_COUNTERS.map(() => 0));

  counters.add('stored');
  counters.add('stored', 3);
  counters.add('dropped', 2);

  expect(REPORT_COUNTERS.map((each) => [each, counters.count(each)])).toStrictEqual([
    ['made', 0],
    ['stored', 4],
    ['rejected', 0],
    ['dropped', 2],
    ['corrupt', 0],
  ]);
});

test('failures are counted by what failed and by their cause', () => {
  const counters = createCounters();
  expect(counters.failures()).toStrictEqual([]);

  counters.fail('delivery', 'unavailable');
  counters.fail('spool', 'unavailable');
  counters.fail('delivery', 'overloaded');
  counters.fail('delivery', 'unavailable');

  expect(counters.failures()).toStrictEqual([
    { during: 'delivery', cause: 'unavailable', count: 2 },
    { during: 'spool', cause: 'unavailable', count: 1 },
    { during: 'delivery', cause: 'overloaded', count: 1 },
  ]);
});

test('a failure of gathering is the last one until a report is made, and no other counter or failure changes it', () => {
  const counters = createCounters();
  expect(counters.gatheringFailure()).toBeUndefined();

  counters.fail('gathering', 'forbidden');
  counters.fail('delivery', 'unavailable');
  counters.fail('spool', 'internal');
  counters.add('stored');
  expect(counters.gatheringFailure()).toBe('forbidden');
  counters.fail('gathering', 'unavailable');
  expect(counters.gatheringFailure()).toBe('unavailable');

  counters.add('made');

  expect(counters.gatheringFailure()).toBeUndefined();
});

test('the last success and the cause for which reports wait are those that were set last', () => {
  const counters = createCounters();
  expect([counters.lastSuccess(), counters.failing()]).toStrictEqual([undefined, undefined]);
  const at = new Date('2026-11-21T00:00:00Z');

  counters.succeed(new Date(0), 'stored');
  counters.succeed(at, 'duplicate');
  counters.setFailing('overloaded');
  expect([counters.lastSuccess(), counters.failing()]).toStrictEqual([{ at, outcome: 'duplicate' }, 'overloaded']);

  counters.setFailing(undefined);

  expect(counters.failing()).toBeUndefined();
});
