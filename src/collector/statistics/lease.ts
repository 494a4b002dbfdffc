import type { Db } from 'mongodb';
import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { type Lease, ROLL_UP, stateOf } from './state.ts';

export interface LeaseOptions {
  /** Unique per collector and start. */
  readonly owner: string;
  readonly clock: Clock;
  readonly leaseMs: number;
}

/**
 * Runs the work while this collector has the lease, and renews it meanwhile. The database's clock decides when a lease ends, so the clocks
 * of collectors may differ. Returns undefined, at once, if another collector has the lease.
 *
 * @throws the errors of the work and of the database
 */
export async function withLease<Result>(
  database: Db,
  { owner, clock, leaseMs }: LeaseOptions,
  work: (lease: Lease) => Promise<Result>,
): Promise<{ readonly result: Result } | undefined> {
  let heldUntilMs = clock.now().getTime() + leaseMs;
  // Again where the primary changed meanwhile: otherwise no collector updates the statistics until the lease ends.
  const free = (): Promise<void> =>
    release(database, owner)
      .catch(() => release(database, owner))
      .catch(() => undefined);
  const isTaken = await take(database, owner, leaseMs).catch(async (error: unknown) => {
    // The database may have given it.
    await free();
    throw error;
  });
  if (!isTaken) return undefined;
  const stop = new AbortController();
  const renew = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(leaseMs / 3, stop.signal);
      if (stop.signal.aborted) return;
      const untilMs = clock.now().getTime() + leaseMs;
      // A failed renewal is tried again; meanwhile the lease runs out.
      if (await take(database, owner, leaseMs).catch(() => false)) heldUntilMs = untilMs;
    }
  };
  const renewing = renew();
  const lease = {
    owner,
    assertHeld: () => {
      if (!stop.signal.aborted && clock.now().getTime() < heldUntilMs) return;
      throw new SpartakusError('unavailable', 'another collector may have taken over the statistics');
    },
  };
  try {
    return { result: await work(lease) };
  } finally {
    stop.abort();
    await renewing;
    await free();
  }
}

async function take(database: Db, owner: string, leaseMs: number): Promise<boolean> {
  const isFree = {
    $or: [{ lease: { $exists: false } }, { 'lease.owner': owner }, { $expr: { $lte: ['$lease.until', '$$NOW'] } }],
  };
  const set = [{ $set: { lease: { owner: { $literal: owner }, until: { $add: ['$$NOW', leaseMs] } } } }];
  const state = stateOf(database);
  const update = async (): Promise<boolean> =>
    (await state.updateOne({ _id: ROLL_UP, ...isFree }, set)).matchedCount === 1;
  if (await update()) return true;
  // An upsert must not contain $expr.
  const { upsertedCount } = await state.updateOne(
    { _id: ROLL_UP },
    { $setOnInsert: { _id: ROLL_UP } },
    { upsert: true },
  );
  return upsertedCount === 1 && (await update());
}

async function release(database: Db, owner: string): Promise<void> {
  await stateOf(database).updateOne({ _id: ROLL_UP, 'lease.owner': owner }, { $unset: { lease: '' } });
}
