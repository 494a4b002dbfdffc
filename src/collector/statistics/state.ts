import type { Collection, CommandOperationOptions, Db, Document } from 'mongodb';
import { SpartakusError } from '../../runtime/errors.ts';
import type { CollectionName } from '../store/collections.ts';
import type { ClusterDocument } from './cluster-document.ts';
import type { DayPoint } from './day-point.ts';
import type { Day } from './days.ts';
import { POINTS, STATE } from './point-store.ts';

/** The document of `statisticsState` about the roll-up. */
export interface RollUpState {
  readonly _id: string;
  /** Reports received before it are in `clusters`. */
  readonly watermark?: Date;
  /** The last day whose figures exist. */
  readonly day?: Day;
  /** The sums that the figures of `day` begin with; see base.ts. */
  readonly base?: {
    readonly epoch: string;
    readonly day: Day;
    readonly activeWindowDays: number;
    readonly clusters: number;
  };
  /** The figures of this day and of all later ones must be computed again. */
  readonly dirty?: {
    readonly day: Day;
    readonly since: Date;
    /** Increased by each mark, so that one made during the computation is not lost. */
    readonly marks: number;
    /** Whether reports of these days may not be in `clusters` yet. */
    readonly merge: boolean;
  };
  /** Reports received before this day are deleted. */
  readonly retainedFrom?: Day;
  readonly lease?: { readonly owner: string; readonly until: Date };
}

/** The right to write the statistics, which one collector has at a time; see lease.ts. */
export interface Lease {
  readonly owner: string;
  /** @throws SpartakusError `unavailable` if another collector has the lease, or may have it soon */
  assertHeld(): void;
}

export const ROLL_UP = 'rollUp';
export const CLUSTERS = 'clusters' satisfies CollectionName;

/** The driver supports the option, but its types lack it: the timeout of the store is for writes of a few documents. */
export const LONG_RUNNING: CommandOperationOptions & { readonly socketTimeoutMS: number } = { socketTimeoutMS: 0 };

export function stateOf(database: Db): Collection<RollUpState> {
  return database.collection<RollUpState>(STATE);
}

export function clustersOf(database: Db, name = CLUSTERS): Collection<ClusterDocument> {
  return database.collection<ClusterDocument>(name);
}

export function pointsOf(database: Db, name: string = POINTS): Collection<DayPoint> {
  return database.collection<DayPoint>(name);
}

/** Runs a pipeline of any duration and size, whose last stage writes. */
export async function writeAll(database: Db, collection: string, pipeline: Document[]): Promise<void> {
  const options = { ...LONG_RUNNING, allowDiskUse: true };
  await database.collection(collection).aggregate(pipeline, options).toArray();
}

export async function readState(database: Db): Promise<RollUpState> {
  return (await stateOf(database).findOne({ _id: ROLL_UP })) ?? { _id: ROLL_UP };
}

/** Changes the state while the lease is held. Throws SpartakusError `unavailable` if it is not. */
export async function updateState(
  database: Db,
  lease: Lease,
  { set = {}, unset = [] }: { readonly set?: Partial<RollUpState>; readonly unset?: readonly (keyof RollUpState)[] },
): Promise<void> {
  lease.assertHeld();
  const { matchedCount } = await stateOf(database).updateOne(
    { _id: ROLL_UP, 'lease.owner': lease.owner },
    {
      ...(Object.keys(set).length === 0 ? {} : { $set: set }),
      ...(unset.length === 0 ? {} : { $unset: Object.fromEntries(unset.map((name) => [name, ''])) }),
    },
  );
  if (matchedCount === 0) throw new SpartakusError('unavailable', 'another collector has taken over the statistics');
}

/**
 * Marks the figures of this day and of all later ones as wrong, because reports of these days were released from quarantine, changed or
 * deleted by hand. They are computed again within minutes.
 */
export async function markDirty(
  database: Db,
  day: Day,
  { merge = true, now = new Date() }: { readonly merge?: boolean; readonly now?: Date } = {},
): Promise<void> {
  await stateOf(database).updateOne(
    { _id: ROLL_UP },
    [
      {
        $set: {
          dirty: {
            day: { $min: ['$dirty.day', { $literal: day }] },
            since: { $ifNull: ['$dirty.since', now] },
            marks: { $add: [{ $ifNull: ['$dirty.marks', 0] }, 1] },
            merge: { $or: [{ $ifNull: ['$dirty.merge', false] }, merge] },
          },
        },
      },
    ],
    { upsert: true },
  );
}

/** Removes the mark, unless there was another one since it was read. */
export async function clearDirty(database: Db, { marks }: NonNullable<RollUpState['dirty']>): Promise<void> {
  await stateOf(database).updateOne({ _id: ROLL_UP, 'dirty.marks': marks }, { $unset: { dirty: '' } });
}
