import { type Collection, type Db, type Document, MaxKey, MinKey } from 'mongodb';
import type { CollectionName } from '../store/collections.ts';
import type { ClusterDocument, ClusterId } from './cluster-document.ts';
import type { Day } from './days.ts';
import { storeBefore } from './merge-reports.ts';
import type { Source } from './sources.ts';
import {
  CLUSTERS,
  clustersOf,
  type Lease,
  LONG_RUNNING,
  ROLL_UP,
  type RollUpState,
  stateOf,
  updateState,
} from './state.ts';
import { addTally, type Contributor, type CountedCluster, type Tally } from './tally.ts';

/*
 * The figures of today are computed from all clusters only now and then: that is the base, whose sums are stored. Until the next base,
 * in the same epoch, the first change of a cluster stores its document as it was before. The figures are then the base, minus what the
 * changed clusters contributed before, plus what they contribute now. So the cost of a roll-up depends on the new reports, not on the
 * number of clusters, and a roll-up can be repeated after each of its steps.
 */

/** Parts of a base, so that no document exceeds MongoDB's limit. */
interface BasePart {
  readonly _id: { readonly epoch: string; readonly part: number };
  readonly entries: readonly (readonly [question: string, name: string, clusters: number, amount: number])[];
}

interface Touched {
  readonly _id: { readonly epoch: string; readonly cluster: ClusterId };
  /** Empty if the cluster was new. */
  readonly before: readonly ClusterDocument[];
  readonly now?: readonly ClusterDocument[];
}

const BASE = 'statisticsBase' satisfies CollectionName;
const TOUCHED = 'statisticsTouched' satisfies CollectionName;

/** A value of a question may take a kilobyte. */
const ENTRIES_PER_PART = 5_000;
/** So many documents are counted before other work of the process goes on: a few milliseconds. */
const BATCH = 200;
const COUNTED_PARTS = { first: 1, seen: 1, last: 1, earlier: 1 };

/** A new base is computed when more than this part of all clusters has changed. */
const CHANGED_SHARE = 0.05;

interface BaseOptions {
  readonly contributor: Contributor;
  readonly activeWindowDays: number;
  /** Of fewer clusters, any number may change before a new base is computed. */
  readonly minChanged: number;
  readonly lease: Lease;
  readonly newEpoch: () => string;
}

/** The sums of a day, exact, from the base and the clusters that changed since, or from all clusters for a new base. */
export async function computeToday(
  database: Db,
  day: Day,
  { base }: RollUpState,
  options: BaseOptions,
): Promise<Tally> {
  const { contributor, activeWindowDays } = options;
  if (base?.day !== day || base.activeWindowDays !== activeWindowDays) return await renewBase(database, day, options);
  const ofEpoch = { _id: ofEpochFilter(base.epoch, 'cluster') } as object;
  const touched = touchedOf(database);
  const tally = await readBase(database, base.epoch);
  const lookup = { from: CLUSTERS, localField: '_id.cluster', foreignField: '_id', as: 'now' };
  const changed = touched.aggregate<Touched>([{ $match: ofEpoch }, { $lookup: lookup }], { batchSize: BATCH });
  const change: Tally = new Map();
  for await (const { before, now = [] } of changed) {
    for (const cluster of before) contributor.add(change, cluster, day, -1);
    for (const cluster of now) contributor.add(change, cluster, day);
  }
  addTally(tally, change);
  return tally;
}

/** Computes a new base if so many clusters have changed that the sums take long. */
export async function renewOldBase(database: Db, { base }: RollUpState, options: BaseOptions): Promise<void> {
  if (base === undefined) return;
  const limit = Math.ceil(Math.max(options.minChanged, base.clusters * CHANGED_SHARE));
  const ofEpoch = { _id: ofEpochFilter(base.epoch, 'cluster') } as object;
  const changed = await touchedOf(database).countDocuments(ofEpoch, { limit });
  if (changed >= limit) await renewBase(database, base.day, options);
}

/** The sums of a day from all clusters: of today or yesterday, for which `clusters` has the reports. */
export async function computeFromClusters(database: Db, day: Day, contributor: Contributor): Promise<Tally> {
  const clusters = clustersOf(database).find({ first: { $lte: day } }, { projection: COUNTED_PARTS, batchSize: BATCH });
  return await sumUp(clusters, day, contributor);
}

export async function sumUp(
  clusters: AsyncIterable<CountedCluster>,
  day: Day,
  contributor: Contributor,
): Promise<Tally> {
  const tally: Tally = new Map();
  for await (const cluster of clusters) contributor.add(tally, cluster, day);
  return tally;
}

/** Stores the clusters with these reports as they are, before the reports are merged into them. Resolves as storeBefore(). */
export async function beforeMerge(
  database: Db,
  { base }: RollUpState,
  source: Source,
  match: object,
): Promise<readonly Document[]> {
  return base === undefined ? [] : await storeBefore(database, source, match, { epoch: base.epoch, into: TOUCHED });
}

/** Forgets the base, before clusters change in another way than by `beforeMerge`. */
export async function dropBase(database: Db, lease: Lease): Promise<void> {
  await updateState(database, lease, { unset: ['base'] });
}

/** Deletes the base and the documents of changed clusters, because a cluster in them was erased. */
export async function forgetBase(database: Db): Promise<void> {
  await stateOf(database).updateOne({ _id: ROLL_UP }, { $unset: { base: '' } });
  await baseOf(database).deleteMany({}, LONG_RUNNING);
  await touchedOf(database).deleteMany({}, LONG_RUNNING);
}

async function renewBase(
  database: Db,
  day: Day,
  { contributor, activeWindowDays, lease, newEpoch }: BaseOptions,
): Promise<Tally> {
  const epoch = newEpoch();
  const tally = await computeFromClusters(database, day, contributor);
  const parts = partsOf(tally, epoch);
  lease.assertHeld();
  if (parts.length > 0) await baseOf(database).insertMany(parts);
  const clusters = await clustersOf(database).estimatedDocumentCount();
  await updateState(database, lease, { set: { base: { epoch, day, activeWindowDays, clusters } } });
  // Nothing reads those of other epochs any more.
  await baseOf(database).deleteMany({ '_id.epoch': { $ne: epoch } }, LONG_RUNNING);
  await touchedOf(database).deleteMany({ '_id.epoch': { $ne: epoch } }, LONG_RUNNING);
  return tally;
}

function partsOf(tally: Tally, epoch: string): BasePart[] {
  const entries = [...tally].flatMap(([question, counts]) =>
    [...counts].map(([name, { clusters, amount }]) => [question, name, clusters, amount] as const),
  );
  return Array.from({ length: Math.ceil(entries.length / ENTRIES_PER_PART) }, (_, part) => ({
    _id: { epoch, part },
    entries: entries.slice(part * ENTRIES_PER_PART, (part + 1) * ENTRIES_PER_PART),
  }));
}

async function readBase(database: Db, epoch: string): Promise<Tally> {
  const tally: Tally = new Map();
  for await (const { entries } of baseOf(database).find({ _id: ofEpochFilter(epoch, 'part') } as object)) {
    for (const [question, name, clusters, amount] of entries) {
      let counts = tally.get(question);
      if (counts === undefined) tally.set(question, (counts = new Map()));
      counts.set(name, { clusters, amount });
    }
  }
  return tally;
}

/** A range of the index of `_id`. */
function ofEpochFilter(epoch: string, field: string): object {
  return { $gte: { epoch, [field]: new MinKey() }, $lte: { epoch, [field]: new MaxKey() } };
}

function baseOf(database: Db): Collection<BasePart> {
  return database.collection<BasePart>(BASE);
}

function touchedOf(database: Db): Collection<Touched> {
  return database.collection<Touched>(TOUCHED);
}
