import type { Db } from 'mongodb';
import { forgetBase } from './base.ts';
import { addDays, type Day, dayOf, startOfDay } from './days.ts';
import type { RollUpOptions } from './roll-up.ts';
import { SOURCES } from './sources.ts';
import { LONG_RUNNING, clustersOf, type Lease, markDirty, readState, updateState } from './state.ts';

type RetentionOptions = Pick<RollUpOptions, 'clock' | 'lease'>;

const CLUSTER_DAYS = 365;
const BATCH = 1_000;
/** Per collection and call, so that reports are not kept waiting. */
const MAX_BATCHES = 20;

/**
 * Deletes raw reports after the retention period, by whole days. A TTL index would need a server: the embedded engine ignores it.
 *
 * @param retainMs how long after their receipt; 0 for never
 */
export async function deleteExpired(database: Db, retainMs: number, { clock, lease }: RetentionOptions): Promise<void> {
  if (retainMs === 0) return;
  const from = dayOf(new Date(clock.now().getTime() - retainMs));
  const { retainedFrom } = await readState(database);
  // First, so that no figures are ever computed from incomplete reports.
  if (retainedFrom === undefined || retainedFrom < from) {
    const before = { receivedAt: { $lt: startOfDay(from) } };
    const expired = SOURCES.map(({ collection }) =>
      database.collection(collection).countDocuments(before, { limit: 1 }),
    );
    if ((await Promise.all(expired)).some((count) => count > 0))
      await updateState(database, lease, { set: { retainedFrom: from } });
  }
  for (const { collection } of SOURCES) await deleteReceivedBefore(database, collection, startOfDay(from), lease);
}

/** Deletes clusters a year after their last report. It reads all clusters, so once a day is enough. */
export async function deleteOldClusters(database: Db, { clock, lease }: RetentionOptions): Promise<void> {
  lease.assertHeld();
  await clustersOf(database).deleteMany({ day: { $lt: addDays(dayOf(clock.now()), -CLUSTER_DAYS) } }, LONG_RUNNING);
}

async function deleteReceivedBefore(database: Db, name: string, before: Date, lease: Lease): Promise<void> {
  const reports = database.collection(name);
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    lease.assertHeld();
    const expired = await reports
      .find({ receivedAt: { $lt: before } }, { projection: { _id: 1 }, sort: { receivedAt: 1 }, limit: BATCH })
      .toArray();
    if (expired.length === 0) return;
    await reports.deleteMany({ _id: { $in: expired.map(({ _id }) => _id) } });
    if (expired.length < BATCH) return;
  }
}

/** See eraseCluster; no roll-up may run. */
export async function deleteCluster(database: Db, clusterId: string, now: Date): Promise<number> {
  let reports = 0;
  const days: Day[] = [];
  for (const { collection, idField, clusterIdOf } of SOURCES) {
    reports += (await database.collection(collection).deleteMany({ [idField]: clusterId })).deletedCount;
    const cluster = await clustersOf(database).findOneAndDelete({ _id: clusterIdOf(clusterId) });
    if (cluster !== null) days.push(cluster.first);
  }
  await forgetBase(database);
  for (const day of days) await markDirty(database, day, { merge: false, now });
  return reports;
}
