import type { Db, Document } from 'mongodb';
import { createLike } from '../store/init-database.ts';
import { addDays, type Day, startOfDay } from './days.ts';
import { groupByCluster, mergeIntoClusters } from './merge-pipeline.ts';
import { SOURCES, type Source } from './sources.ts';
import { CLUSTERS, type Lease, writeAll } from './state.ts';

/** A range of times of receipt; `until` is not a part of it. */
interface Range {
  readonly from: Date;
  readonly until: Date;
}

interface MergeOptions {
  readonly into: string;
  /** See mergeIntoClusters. */
  readonly oldest: Day;
  readonly lease: Lease;
  /** Called with the reports of each step before they are merged. Resolves with stages that select among their clusters, by `_id`. */
  readonly beforeMerge?: (source: Source, match: Document) => Promise<readonly Document[]>;
}

/** Larger groups take more memory than the server allows without using the disk. */
const MAX_REPORTS = 20_000;
const STEP_MS = 3_600_000;
/**
 * Ids of clusters are random UUIDs, so these ranges have about the same number of them. They are merged at the same time: each document is
 * a commit, and commits at the same time share one write to the disk.
 */
const PARTS: readonly Document[] = ['2', '4', '6', '8', 'a', 'c', 'e', undefined].map((end, index, ends) => ({
  ...(index === 0 ? { $gt: '' } : { $gte: ends[index - 1] }),
  ...(end === undefined ? {} : { $lt: end }),
}));

/** So many are merged at once in the time that the further commands take. */
const FEW_REPORTS = 200;

export async function mergeReceived(database: Db, range: Range, options: MergeOptions): Promise<void> {
  for (const source of SOURCES) {
    for (const { from, until } of await stepsOf(database, source, range))
      await mergeMatching(database, source, { receivedAt: { $gte: from, $lt: until } }, options);
  }
}

/** Merges the reports that count for a day into clusters, whenever they were received. */
export async function mergeDay(database: Db, day: Day, options: MergeOptions): Promise<void> {
  const range = { from: startOfDay(day), until: startOfDay(addDays(day, 1)) };
  for (const source of SOURCES) {
    for (const { from, until } of await stepsOf(database, source, range))
      await mergeMatching(database, source, { receivedAt: { $gte: from, $lt: until }, 'facts.day': day }, options);
    await mergeMatching(database, source, { 'facts.late': day }, options);
  }
}

/** The range, or its hours if it has many reports; nothing if it has none. */
async function stepsOf(database: Db, { collection }: Source, range: Range): Promise<readonly Range[]> {
  const receivedAt = { $gte: range.from, $lt: range.until };
  const reports = await database.collection(collection).countDocuments({ receivedAt }, { limit: MAX_REPORTS + 1 });
  if (reports <= MAX_REPORTS) return reports === 0 ? [] : [range];
  const steps: Range[] = [];
  for (let ms = range.from.getTime(); ms < range.until.getTime(); ms += STEP_MS)
    steps.push({ from: new Date(ms), until: new Date(Math.min(ms + STEP_MS, range.until.getTime())) });
  return steps;
}

async function mergeMatching(
  database: Db,
  source: Source,
  filter: Document,
  { into, oldest, lease, beforeMerge }: MergeOptions,
): Promise<void> {
  lease.assertHeld();
  const reports = await database.collection(source.collection).countDocuments(filter, { limit: FEW_REPORTS + 1 });
  if (reports === 0) return;
  const parts = reports <= FEW_REPORTS ? [{ $gt: '' }] : PARTS;
  // Merges at the same time fail if the collection appears while they run.
  if (parts.length > 1) await createLike(database, into, CLUSTERS);
  await allEnded(
    parts.map(async (ids) => {
      const match = { ...source.counted, ...filter, [source.idField]: ids };
      const selected = (await beforeMerge?.(source, match)) ?? [];
      lease.assertHeld();
      const pipeline = [
        { $match: match },
        ...groupByCluster(source.clusterId, oldest),
        ...selected,
        ...mergeIntoClusters(into, oldest),
      ];
      await writeAll(database, source.collection, pipeline);
    }),
  );
}

/**
 * Stores the documents of clusters that are about to change for the first time in an epoch, as they are now; see base.ts. Resolves with
 * stages that select the clusters that were stored: the write of a report in the range may end meanwhile, and its cluster has to wait.
 */
export async function storeBefore(
  database: Db,
  { collection, clusterId }: Source,
  match: Document,
  { epoch, into }: { readonly epoch: string; readonly into: string },
): Promise<readonly Document[]> {
  const pipeline = [
    { $match: match },
    { $group: { _id: clusterId } },
    { $lookup: { from: CLUSTERS, localField: '_id', foreignField: '_id', as: 'before' } },
    { $project: { _id: { epoch: { $literal: epoch }, cluster: '$_id' }, before: 1 } },
    { $merge: { into, on: '_id', whenMatched: 'keepExisting', whenNotMatched: 'insert' } },
  ];
  await writeAll(database, collection, pipeline);
  return [
    { $set: { stored: { epoch: { $literal: epoch }, cluster: '$_id' } } },
    { $lookup: { from: into, localField: 'stored', foreignField: '_id', as: 'stored' } },
    { $match: { 'stored._id.epoch': epoch } },
    { $unset: 'stored' },
  ];
}

/** Where one fails, the others end before the error is thrown: the lease is released then, and nothing may write after it. */
async function allEnded(operations: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(operations);
  await Promise.all(operations);
}
