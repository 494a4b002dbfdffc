import { expect, test } from 'vitest';
import { createQuarantine } from '../../../src/collector/ingest/quarantine.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const ADDRESS = '192.0.2.1';
const HOUR_MS = 3_600_000;

/** A quarantine in front of a database that knows these clusters. */
function makeQuarantine(
  newClustersPerHour: number,
  stored: readonly string[] = [],
  { maxPendingLookups = 100, maxKnownClusters }: { maxPendingLookups?: number; maxKnownClusters?: number } = {},
) {
  const known = new Set(stored);
  const asked: string[] = [];
  const results: string[] = [];
  let held: PromiseWithResolvers<void> | undefined;
  let failure: SpartakusError | undefined;
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const shouldQuarantine = createQuarantine({
    newClustersPerHour,
    maxPendingLookups,
    maxKnownClusters,
    isKnown: async (clusterId) => {
      asked.push(clusterId);
      await held?.promise;
      if (failure !== undefined) throw failure;
      return known.has(clusterId);
    },
    onLookup: (result) => results.push(result),
    clock,
  });
  return {
    ask: async (clusterId: string, addressKey: string = ADDRESS) =>
      await shouldQuarantine({ clusterId, clusterKey: `hash of ${clusterId}`, addressKey }),
    askWithoutAddress: async (clusterId: string) =>
      await shouldQuarantine({ clusterId, clusterKey: `hash of ${clusterId}`, addressKey: undefined }),
    known,
    asked,
    results,
    clock,
    hold: () => (held = Promise.withResolvers()),
    fail: (error: SpartakusError | undefined) => (failure = error),
  };
}

test('of N new clusters an hour none is quarantined, of N + 1 one is', async () => {
  const { ask, results } = makeQuarantine(3);

  const answers = [await ask('a'), await ask('b'), await ask('c'), await ask('d')];

  expect(answers).toStrictEqual([false, false, false, true]);
  expect(results).toStrictEqual(['new', 'new', 'new', 'quarantined']);
});

test('clusters that the database knows take nothing from the limit of new ones, as after a restart', async () => {
  const stored = Array.from({ length: 50 }, (_, index) => `stored-${index}`);
  const { ask, results } = makeQuarantine(2, stored);

  for (const clusterId of stored) await expect(ask(clusterId)).resolves.toBe(false);

  await expect(ask('new-1')).resolves.toBe(false);
  await expect(ask('new-2')).resolves.toBe(false);
  await expect(ask('new-3')).resolves.toBe(true);
  expect(results.filter((result) => result === 'known')).toHaveLength(50);
});

test('the database is asked once for a known cluster, and each time for one in quarantine, so that a release has an effect', async () => {
  const { ask, asked, known } = makeQuarantine(1, ['stored']);
  await ask('first');
  for (const clusterId of ['stored', 'stored', 'first', 'late', 'late']) await ask(clusterId);
  expect(asked).toStrictEqual(['first', 'stored', 'late', 'late']);

  known.add('late');

  await expect(ask('late')).resolves.toBe(false);
});

test('many reports of one cluster at the same time share a lookup, and take from the limit once', async () => {
  const { ask, asked, hold } = makeQuarantine(2);
  const { resolve } = hold();
  const answers = Promise.all(Array.from({ length: 20 }, () => ask('crowd')));
  resolve();

  expect(new Set(await answers)).toStrictEqual(new Set([false]));
  expect(asked).toStrictEqual(['crowd']);
  await expect(ask('second')).resolves.toBe(false);
  await expect(ask('third')).resolves.toBe(true);
});

test('a lookup that fails is the error of all that share it, and is made again', async () => {
  const { ask, asked, fail } = makeQuarantine(1);
  const down = new SpartakusError('unavailable', 'the database is unavailable');
  fail(down);
  const settled = await Promise.allSettled([ask('a'), ask('a')]);
  fail(undefined);

  expect(settled).toMatchObject([{ reason: down }, { reason: down }]);
  await expect(ask('a')).resolves.toBe(false);
  expect(asked).toStrictEqual(['a', 'a']);
});

test('at most 100 lookups run at the same time; N are pending, and N + 1 is rejected as overloaded', async () => {
  const { ask, asked, hold } = makeQuarantine(1_000, [], { maxPendingLookups: 400 });
  const { resolve } = hold();
  const waiting = Array.from({ length: 400 }, (_, index) => ask(`c${index}`));

  await expect(ask('one more')).rejects.toMatchObject({
    kind: 'overloaded',
    retryAfterMs: expect.any(Number) as number,
  });
  // The first is asked alone, since nothing else waits then.
  expect(asked.length).toBeLessThanOrEqual(100);
  resolve();
  await expect(Promise.all(waiting)).resolves.toHaveLength(400);
  await expect(ask('one more')).resolves.toBe(false);
});

test('of too many known clusters, the one that reported longest ago is forgotten, and asked for again', async () => {
  const { ask, asked } = makeQuarantine(1_000, [], { maxKnownClusters: 100 });
  await ask('regular');
  await ask('idle');
  for (let count = 0; count < 98; count += 1) await ask(`c${count}`);
  await ask('regular');
  await ask('one more');
  asked.length = 0;

  await ask('regular');
  await ask('c0');
  expect(asked).toStrictEqual([]);
  await ask('idle');
  expect(asked).toStrictEqual(['idle']);
});

test('the limit is that of each address, and is refilled in the course of an hour', async () => {
  const { ask, clock } = makeQuarantine(2);
  for (const clusterId of ['a', 'b']) await ask(clusterId);
  await expect(ask('c', '192.0.2.2')).resolves.toBe(false);
  await expect(ask('d')).resolves.toBe(true);

  clock.advance(HOUR_MS / 2);

  await expect(ask('d')).resolves.toBe(false);
  await expect(ask('e')).resolves.toBe(true);
});

test('reports without a cluster id or without an address are never quarantined, and nothing is looked up for them', async () => {
  const { ask, askWithoutAddress, asked, results } = makeQuarantine(1);
  const answers = [await ask(''), await ask(''), await askWithoutAddress('a'), await askWithoutAddress('b')];

  expect(answers).toStrictEqual([false, false, false, false]);
  expect([asked, results]).toStrictEqual([[], []]);
  await expect(ask('first')).resolves.toBe(false);
});

test('without a limit no report is quarantined, and nothing is looked up', async () => {
  const { ask, asked } = makeQuarantine(0);
  const answers = [await ask('a'), await ask('b'), await ask('c')];

  expect(answers).toStrictEqual([false, false, false]);
  expect(asked).toStrictEqual([]);
});

test('a quarantine that tells nobody what it found decides the same', async () => {
  const shouldQuarantine = createQuarantine({
    newClustersPerHour: 1,
    maxPendingLookups: 10,
    isKnown: (clusterId) => Promise.resolve(clusterId === 'stored'),
    clock: createManualClock(new Date('2026-11-21T10:00:00Z')),
  });
  const ask = async (clusterId: string) =>
    await shouldQuarantine({ clusterId, clusterKey: clusterId, addressKey: ADDRESS });

  expect([await ask('stored'), await ask('a'), await ask('b')]).toStrictEqual([false, false, true]);
});
