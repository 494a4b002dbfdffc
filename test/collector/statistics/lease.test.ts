import { type Db, MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type LeaseOptions, withLease } from '../../../src/collector/statistics/lease.ts';
import { type Lease, readState, updateState } from '../../../src/collector/statistics/state.ts';
import { type Clock, systemClock } from '../../../src/runtime/clock.ts';
import { openDbProxy } from '../../support/db-proxy.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { type RunningDatabase, startDatabase } from '../../support/running-database.ts';

let running: RunningDatabase;
let db: Db;

beforeAll(async () => {
  running = await startDatabase();
  db = (await running.reports()).db;
});
afterAll(() => running.close());

beforeEach(() => db.collection('statisticsState').deleteMany({}));

const lease = (owner: string, leaseMs: number): LeaseOptions => ({ owner, clock: systemClock, leaseMs });

test('it passes on when its time is over, and then its former owner writes nothing', async () => {
  let stands = true;
  // A collector whose event loop stands still: it does not renew the lease.
  const stopped: Clock = {
    now: () => new Date(stands ? 0 : 1_000),
    sleep: (_ms, signal) => systemClock.sleep(60_000, signal),
  };
  await withLease(db, { owner: 'first', clock: stopped, leaseMs: 50 }, async (first) => {
    await expect.poll(() => withLease(db, lease('second', 60_000), () => Promise.resolve('taken'))).toBeDefined();
    await withLease(db, lease('third', 60_000), async () => {
      const written = updateState(db, first, { set: { day: '1999-01-01' } });
      await expect(written).rejects.toMatchObject({ kind: 'unavailable' });
      stands = false;
      expect(() => first.assertHeld()).toThrow('taken over');
    });
  });
  expect((await readState(db)).day).toBeUndefined();
});

test('what goes on after the work has failed has no lease any more', async () => {
  let held: Lease | undefined;
  const work = withLease(db, lease('first', 60_000), (given) => {
    held = given;
    return Promise.reject(new Error('one of several writes failed'));
  });

  await expect(work).rejects.toThrow('one of several writes failed');
  expect(() => held?.assertHeld()).toThrow('taken over');
});

test('a long work keeps it', async () => {
  const clock = createManualClock(new Date(0));
  await withLease(db, { owner: 'first', clock, leaseMs: 60_000 }, async (held) => {
    for (let renewal = 0; renewal < 5; renewal += 1) {
      await clock.asleep();
      clock.advance(20_000);
    }
    held.assertHeld();
    await expect(withLease(db, lease('second', 60_000), () => Promise.resolve())).resolves.toBeUndefined();
  });
});

test('it is free again where its owner does not learn that it has it, since the connection broke', async () => {
  const proxy = await openDbProxy(running.uri);
  const client = await new MongoClient(proxy.uri).connect();
  let updates = 0;
  proxy.onCommand(({ name }) => (name === 'update' && (updates += 1) === 3 ? 'reset-after' : 'pass'));

  const work = withLease(client.db(), lease('first', 60_000), () => Promise.resolve('done'));

  await expect(work).rejects.toThrow(/closed|ECONNRESET/);
  await expect(withLease(db, lease('second', 60_000), () => Promise.resolve('done'))).resolves.toBeDefined();
  await client.close();
  await proxy.close();
});
