import type { Db } from 'mongodb';
import { dropBase, sumUp } from './base.ts';
import type { ClusterDocument } from './cluster-document.ts';
import { addDays, type Day, dayOf, latestDay, listDays } from './days.ts';
import { mergeDay } from './merge-reports.ts';
import { contributorOf, type RollUpOptions, storePoint, storeRecentDay } from './roll-up.ts';
import { clearDirty, CLUSTERS, clustersOf, readState, type RollUpState } from './state.ts';
import type { CountedCluster } from './tally.ts';

/** Clusters as they were on a past day; exists only during a replay. */
const REPLAY = 'statisticsReplay';
const BATCH = 200;

/**
 * Computes the figures of the dirty day and of all days after it again, except of today, from the raw reports. Figures of days whose raw
 * reports are not complete any more stay as they are.
 */
export async function replayDirtyDays(database: Db, options: RollUpOptions): Promise<void> {
  const { clock, config, lease } = options;
  const { dirty, retainedFrom } = await readState(database);
  if (dirty === undefined) return;
  const yesterday = addDays(dayOf(clock.now()), -1);
  if (dirty.merge) {
    // The base does not know of the clusters that change now.
    await dropBase(database, lease);
    for (const day of listDays(latestDay(dirty.day), addDays(yesterday, 2)))
      await mergeDay(database, day, { into: CLUSTERS, oldest: yesterday, lease });
    await options.onStep?.('merged again');
  }
  const first = latestDay(dirty.day, firstExactDay(retainedFrom, config.activeWindowDays));
  if (first === yesterday) await storeRecentDay(database, yesterday, options);
  else if (first < yesterday) await replay(database, first, yesterday, options);
  await options.onStep?.('replayed');
  await clearDirty(database, dirty);
}

/** The first day whose figures can be computed from raw reports: these must reach back by the time for which a cluster stays active. */
export function firstExactDay(retainedFrom: RollUpState['retainedFrom'], activeWindowDays: number): Day {
  return retainedFrom === undefined ? '' : addDays(retainedFrom, activeWindowDays);
}

async function replay(database: Db, first: Day, last: Day, options: RollUpOptions): Promise<void> {
  const { config, lease, onStep, betweenDays } = options;
  const clusters = clustersOf(database, REPLAY);
  await clusters.drop();
  const contributor = contributorOf(options);
  // A cluster that was active until the day before the first one is lost on the first one.
  for (const day of listDays(addDays(first, -config.activeWindowDays), last)) {
    await mergeDay(database, day, { into: REPLAY, oldest: day, lease });
    if (day < first) continue;
    await storePoint(database, await sumUp(asOf(database, day), day, contributor), day, options);
    await onStep?.('replayed day');
    await betweenDays?.();
  }
  await clusters.drop();
}

/** All clusters that had reported by then, each with its newest report of then; what it had reported before the replay is in `clusters`. */
async function* asOf(database: Db, day: Day): AsyncGenerator<CountedCluster> {
  type Joined = Pick<ClusterDocument, '_id' | 'first' | 'seen'> & { readonly replayed: readonly ClusterDocument[] };
  const found = clustersOf(database).aggregate<Joined>(
    [
      { $match: { first: { $lte: day } } },
      { $project: { first: 1, seen: 1 } },
      { $lookup: { from: REPLAY, localField: '_id', foreignField: '_id', as: 'replayed' } },
    ],
    { batchSize: BATCH },
  );
  for await (const { _id, first, seen, replayed } of found) {
    const [{ last, earlier } = {}] = replayed;
    yield { _id, first, seen, last, earlier };
  }
}
