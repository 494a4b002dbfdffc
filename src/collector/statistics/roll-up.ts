import type { Db } from 'mongodb';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { Clock } from '../../runtime/clock.ts';
import { backfillFacts, type MakeFacts } from './backfill.ts';
import { beforeMerge, computeFromClusters, computeToday, renewOldBase } from './base.ts';
import { addDays, type Day, dayOf } from './days.ts';
import { listMeasuredFields } from './measured-fields.ts';
import { mergeReceived } from './merge-reports.ts';
import { KUBERMATIC_PREFIX } from './questions.ts';
import { renderPoint } from './render-point.ts';
import { SOURCES } from './sources.ts';
import { type Lease, CLUSTERS, markDirty, pointsOf, readState, type RollUpState, updateState } from './state.ts';
import { COMPUTED_FIELDS, type Contributor, type CountedField, createContributor, type Tally } from './tally.ts';

export interface StatisticsConfig {
  /** A cluster is active for so many days after its last report. */
  readonly activeWindowDays: number;
  /** Reports received so long before the watermark are read again: a write may end late, and clocks of collectors differ. */
  readonly overlapMs: number;
  /** See base.ts. */
  readonly minChanged: number;
}

export interface RollUpOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly config: StatisticsConfig;
  readonly lease: Lease;
  readonly makeFacts: MakeFacts;
  readonly newEpoch: () => string;
  readonly fields?: readonly CountedField[];
  /** Called after each day of a replay or rebuild, so that new reports need not wait for its end. */
  readonly betweenDays?: () => Promise<void>;
  /** Called between the steps; tests throw there. */
  readonly onStep?: (step: string) => void | Promise<void>;
}

export const DEFAULT_STATISTICS_CONFIG: StatisticsConfig = {
  activeWindowDays: 30,
  overlapMs: 120_000,
  minChanged: 500,
};

/**
 * Merges new reports into `clusters`, and computes the figures of today. It may be stopped after any step, run again or run twice at the
 * same time: every write is idempotent, and the watermark moves last.
 *
 * @returns the number of reports received since the last roll-up
 */
export async function rollUp(database: Db, options: RollUpOptions): Promise<number> {
  const { clock, config, lease, onStep, makeFacts } = options;
  const state = await readState(database);
  if (state.watermark === undefined) throw new Error('the statistics were never built: rebuild them first');
  const now = clock.now();
  const today = dayOf(now);
  // Another collector's clock may be ahead.
  const from = new Date(Math.min(state.watermark.getTime(), now.getTime()) - config.overlapMs);
  const range = { from, until: now };
  await backfillFacts(database, range, { makeFacts, lease, onlyMissing: true });
  await onStep?.('facts');
  const { reports, fresh, earliest } = await summarise(database, range, state.watermark);
  if (earliest !== undefined && earliest < today) await markDirty(database, earliest, { merge: false, now });
  // The last figures of a day are computed once more after its end, from all of its reports.
  if (state.day !== undefined && state.day < today) await markDirty(database, state.day, { now });
  await onStep?.('late');
  if (reports > 0) {
    await mergeReceived(database, range, {
      into: CLUSTERS,
      oldest: addDays(today, -1),
      lease,
      beforeMerge: async (source, match) => {
        const selected = await beforeMerge(database, state, source, match);
        await onStep?.('before');
        return selected;
      },
    });
    await onStep?.('merge');
  }
  if (reports > 0 || state.day !== today || state.base === undefined) {
    await storeToday(database, today, state, options);
    await onStep?.('point');
  }
  await updateState(database, lease, { set: { watermark: now, day: today } });
  await onStep?.('watermark');
  return fresh;
}

/** To be called after roll-ups, which do not wait for it. */
export async function maintainBase(database: Db, options: RollUpOptions): Promise<void> {
  await renewOldBase(database, await readState(database), baseOptionsOf(options));
}

function baseOptionsOf(options: RollUpOptions): Parameters<typeof renewOldBase>[2] {
  const { config, lease, newEpoch } = options;
  const { activeWindowDays, minChanged } = config;
  return { contributor: contributorOf(options), activeWindowDays, minChanged, lease, newEpoch };
}

async function storeToday(database: Db, today: Day, state: RollUpState, options: RollUpOptions): Promise<void> {
  const tally = await computeToday(database, today, state, baseOptionsOf(options));
  await options.onStep?.('sums');
  await storePoint(database, tally, today, options);
}

/** Computes the figures of yesterday or today from all clusters. */
export async function storeRecentDay(database: Db, day: Day, options: RollUpOptions): Promise<void> {
  await storePoint(database, await computeFromClusters(database, day, contributorOf(options)), day, options);
}

export async function storePoint(
  database: Db,
  tally: Tally,
  day: Day,
  { clock, config, lease, fields = countedFields() }: RollUpOptions,
  into?: string,
): Promise<void> {
  const { activeWindowDays } = config;
  const { _id, ...point } = renderPoint(tally, { day, computedAt: clock.now(), activeWindowDays, fields });
  lease.assertHeld();
  await pointsOf(database, into).replaceOne({ _id }, point, { upsert: true });
}

export function contributorOf({ config, fields = countedFields() }: RollUpOptions): Contributor {
  return createContributor(fields, config.activeWindowDays);
}

let ofSchema: readonly CountedField[] | undefined;

function countedFields(): readonly CountedField[] {
  return (ofSchema ??= [
    ...listMeasuredFields(),
    ...COMPUTED_FIELDS,
    ...listMeasuredFields(RecordSchema, KUBERMATIC_PREFIX),
  ]);
}

interface Summary {
  readonly reports: number;
  /** Those that no roll-up has read. */
  readonly fresh: number;
  /** The earliest day for which one of them counts. */
  readonly earliest?: Day | undefined;
}

async function summarise(
  database: Db,
  { from, until }: { readonly from: Date; readonly until: Date },
  watermark: Date,
): Promise<Summary> {
  const summaries = await Promise.all(
    SOURCES.map(async ({ collection, counted }) =>
      database
        .collection(collection)
        .aggregate<Summary>([
          { $match: { ...counted, receivedAt: { $gte: from, $lt: until } } },
          {
            $group: {
              _id: null,
              reports: { $sum: 1 },
              fresh: { $sum: { $cond: [{ $gte: ['$receivedAt', watermark] }, 1, 0] } },
              earliest: { $min: '$facts.day' },
            },
          },
        ])
        .toArray(),
    ),
  );
  const found = summaries.flat();
  return {
    reports: found.reduce((sum, { reports }) => sum + reports, 0),
    fresh: found.reduce((sum, { fresh }) => sum + fresh, 0),
    earliest: found.flatMap(({ earliest }) => earliest ?? []).toSorted()[0],
  };
}
