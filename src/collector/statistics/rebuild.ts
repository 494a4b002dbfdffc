import type { Db } from 'mongodb';
import { createLike } from '../store/init-database.ts';
import { backfillFacts } from './backfill.ts';
import { sumUp } from './base.ts';
import { addDays, type Day, dayOf, isPlausibleDay, listDays } from './days.ts';
import { mergeDay } from './merge-reports.ts';
import { POINTS } from './point-store.ts';
import { firstExactDay } from './replay.ts';
import { contributorOf, type RollUpOptions, storePoint } from './roll-up.ts';
import { SOURCES } from './sources.ts';
import { LONG_RUNNING, clearDirty, CLUSTERS, clustersOf, pointsOf, readState, updateState, writeAll } from './state.ts';

export interface RebuildProgress {
  /** First the facts of all reports, then the figures of each day. */
  readonly step: 'facts' | 'days';
  /** Reports or days. */
  readonly done: number;
  readonly total: number;
}

export interface RebuildOptions extends RollUpOptions {
  readonly onProgress?: (progress: RebuildProgress) => void;
}

const NEW_CLUSTERS = 'clustersRebuilt';
const NEW_POINTS = 'statisticsRebuilt';
const BATCH = 200;

/**
 * Makes `clusters` and `statistics` again from the raw reports, in collections that replace them at the end, while the collector stores
 * reports. Of the time before the oldest raw reports, it keeps what there is. What arrives meanwhile is left to the next roll-up.
 */
export async function rebuild(database: Db, options: RebuildOptions): Promise<void> {
  const { clock, config, lease, makeFacts, onProgress, onStep } = options;
  const startedAt = clock.now();
  const { dirty, retainedFrom } = await readState(database);
  await clustersOf(database, NEW_CLUSTERS).drop();
  await pointsOf(database, NEW_POINTS).drop();
  await createLike(database, NEW_CLUSTERS, CLUSTERS);
  await createLike(database, NEW_POINTS, POINTS);

  const counts = SOURCES.map(({ collection }) => database.collection(collection).estimatedDocumentCount());
  const total = (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  let done = 0;
  const onBatch = (reports: number): void => onProgress?.({ step: 'facts', done: (done += reports), total });
  await backfillFacts(database, { until: new Date(8.64e15) }, { makeFacts, lease, onBatch });
  await onStep?.('facts');

  const today = dayOf(startedAt);
  const firstExact = firstExactDay(retainedFrom, config.activeWindowDays);
  if (retainedFrom !== undefined) await keepExpired(database, retainedFrom, firstExact);
  const contributor = contributorOf(options);
  const reported = await findReportedDays(database);
  const [firstDay] = [...reported].toSorted();
  // Clocks of volunteers may be ahead by a day.
  const days = firstDay === undefined ? [] : listDays(firstDay, addDays(today, 1));
  for (const [index, day] of days.entries()) {
    const oldest = day < today ? day : addDays(today, -1);
    if (reported.has(day)) await mergeDay(database, day, { into: NEW_CLUSTERS, oldest, lease });
    if (day <= today && day >= firstExact) {
      const clusters = clustersOf(database, NEW_CLUSTERS).find({}, { batchSize: BATCH });
      await storePoint(database, await sumUp(clusters, day, contributor), day, options, NEW_POINTS);
    }
    onProgress?.({ step: 'days', done: index + 1, total: days.length });
    await options.betweenDays?.();
    await onStep?.('rebuilt day');
  }
  // Reports that were deleted by hand.
  await clustersOf(database, NEW_CLUSTERS).deleteMany({ last: { $exists: false } }, LONG_RUNNING);

  // Without a base, the next roll-up reads all clusters; the old and the new collections are both right, so any mixture is.
  await updateState(database, lease, { unset: ['base'] });
  await replaceCollection(database, NEW_CLUSTERS, CLUSTERS);
  await onStep?.('replaced clusters');
  await replaceCollection(database, NEW_POINTS, POINTS);
  await onStep?.('replaced points');
  await updateState(database, lease, { set: { watermark: startedAt, day: today } });
  if (dirty !== undefined) await clearDirty(database, dirty);
}

/** The days for which reports count. */
async function findReportedDays(database: Db): Promise<ReadonlySet<Day>> {
  const days = new Set<Day>();
  for (const { collection, counted } of SOURCES) {
    const found = database
      .collection(collection)
      .aggregate<{ readonly _id: Day }>([{ $match: counted }, { $group: { _id: '$facts.day' } }], LONG_RUNNING);
    for await (const { _id } of found) if (isPlausibleDay(_id)) days.add(_id);
  }
  return days;
}

/** What is known of the time whose raw reports have expired. */
async function keepExpired(database: Db, retainedFrom: Day, firstExact: Day): Promise<void> {
  await writeAll(database, POINTS, [{ $match: { _id: { $lt: firstExact } } }, { $out: NEW_POINTS }]);
  const isExpired = { $lt: ['$$this.facts.day', retainedFrom] };
  const seenFrom = `${retainedFrom.slice(0, 7)}~`;
  await writeAll(database, CLUSTERS, [
    { $match: { first: { $lt: retainedFrom } } },
    {
      $set: {
        reports: { $filter: { input: { $concatArrays: [['$last'], '$earlier'] }, cond: isExpired } },
        seen: { $filter: { input: '$seen', cond: { $lt: ['$$this', seenFrom] } } },
      },
    },
    {
      $set: {
        last: { $ifNull: [{ $first: '$reports' }, '$$REMOVE'] },
        earlier: { $cond: [{ $gt: [{ $size: '$reports' }, 1] }, { $slice: ['$reports', 1, 10] }, []] },
      },
    },
    { $unset: 'reports' },
    { $out: NEW_CLUSTERS },
  ]);
}

async function replaceCollection(database: Db, from: string, to: string): Promise<void> {
  const exists = await database.listCollections({ name: from }, { nameOnly: true }).hasNext();
  if (exists) await database.renameCollection(from, to, { dropTarget: true });
  else await database.collection(to).deleteMany({});
}
