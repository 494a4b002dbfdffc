import type { Collection, Db, Filter } from 'mongodb';
import type { DocumentKind, StoredDocument } from '../../report/stored-document.ts';
import { DURABLE } from './mongo-client.ts';
import { COLLECTIONS } from './mongo-store.ts';

/** The reports that a command is about; all of those in quarantine where it has no field. */
export interface QuarantineSelection {
  /** Cluster ids, and client ids of Kubermatic. */
  readonly clusterIds?: readonly string[];
  /** Received at this time or later. */
  readonly since?: Date;
}

/** A cluster, or a client of Kubermatic, with reports in quarantine. */
export interface QuarantinedCluster {
  readonly clusterId: string;
  readonly kind: 'report' | 'kubermatic';
  readonly reports: number;
  readonly firstReceivedAt: Date;
  readonly lastReceivedAt: Date;
  /** Of the last report, where the collector records addresses. */
  readonly receivedFrom?: string;
}

export interface QuarantineStore {
  /** In the order of the number of reports, largest first. */
  list(selection: QuarantineSelection): AsyncIterable<QuarantinedCluster>;
  /** The number of reports. */
  count(selection: QuarantineSelection): Promise<number>;
  /** Removes the mark, so that queries count the reports. Yields the number of released reports after each batch. */
  release(selection: QuarantineSelection, stop: AbortSignal): AsyncGenerator<number>;
  /** Deletes the reports. Yields the number of deleted reports after each batch. */
  drop(selection: QuarantineSelection, stop: AbortSignal): AsyncGenerator<number>;
}

interface QuarantineOptions {
  /** Called before and after each batch with the first day for which one of its reports counts, such as "2026-11-21". */
  readonly onRelease?: (day: string) => Promise<void>;
}

type Reports = Collection<StoredDocument>;

const KINDS: readonly DocumentKind[] = ['report', 'kubermaticRecord'];
const BATCH_REPORTS = 1_000;

export function createQuarantineStore(db: Db, { onRelease }: QuarantineOptions = {}): QuarantineStore {
  const reportsOf = (kind: DocumentKind): Reports =>
    db.collection<StoredDocument>(COLLECTIONS[kind].name, { writeConcern: DURABLE });
  const filterOf = (kind: DocumentKind, { clusterIds, since }: QuarantineSelection): Filter<StoredDocument> => ({
    quarantined: true,
    ...(clusterIds === undefined ? {} : { [COLLECTIONS[kind].idField]: { $in: clusterIds } }),
    ...(since === undefined ? {} : { receivedAt: { $gte: since } }),
  });

  /** What arrives meanwhile is left, so that a flood does not keep the command running. */
  async function* inBatches(
    selection: QuarantineSelection,
    stop: AbortSignal,
    change: (reports: Reports, ids: readonly string[]) => Promise<number>,
  ): AsyncGenerator<number> {
    for (const kind of KINDS) {
      const reports = reportsOf(kind);
      const filter = filterOf(kind, selection);
      let left = await reports.countDocuments(filter);
      while (left > 0 && !stop.aborted) {
        const batch = await reports
          .find(filter, { projection: { _id: 1 } })
          .limit(Math.min(BATCH_REPORTS, left))
          .toArray();
        if (batch.length === 0) break;
        left -= batch.length;
        yield await change(
          reports,
          batch.map(({ _id }) => _id),
        );
      }
    }
  }

  return {
    async *list(selection) {
      for (const kind of KINDS) {
        const clusters = reportsOf(kind).aggregate<Omit<QuarantinedCluster, 'clusterId' | 'kind'> & { _id: string }>(
          [
            { $match: filterOf(kind, selection) },
            // In the order of an index.
            { $sort: { quarantined: 1, receivedAt: 1 } },
            {
              $group: {
                _id: `$${COLLECTIONS[kind].idField}`,
                reports: { $sum: 1 },
                firstReceivedAt: { $first: '$receivedAt' },
                lastReceivedAt: { $last: '$receivedAt' },
                receivedFrom: { $last: '$receivedFrom' },
              },
            },
            { $sort: { reports: -1, _id: 1 } },
          ],
          { allowDiskUse: true },
        );
        for await (const { _id, receivedFrom, ...cluster } of clusters)
          yield {
            clusterId: _id,
            kind: kind === 'report' ? 'report' : 'kubermatic',
            ...cluster,
            ...(typeof receivedFrom === 'string' ? { receivedFrom } : {}),
          };
      }
    },
    async count(selection) {
      const counts = await Promise.all(KINDS.map((kind) => reportsOf(kind).countDocuments(filterOf(kind, selection))));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    release: (selection, stop) =>
      inBatches(selection, stop, async (reports, ids) => {
        const filter: Filter<StoredDocument> = { _id: { $in: ids }, quarantined: true };
        const day = await firstDayOf(reports, filter);
        if (day !== undefined) await onRelease?.(day);
        const { modifiedCount } = await reports.updateMany(filter, { $unset: { quarantined: '' } });
        if (day !== undefined) await onRelease?.(day);
        return modifiedCount;
      }),
    drop: (selection, stop) =>
      inBatches(selection, stop, async (reports, ids) => {
        // One that was released meanwhile stays.
        const filter: Filter<StoredDocument> = { _id: { $in: ids }, quarantined: true };
        return (await reports.deleteMany(filter)).deletedCount;
      }),
  };
}

/** Reports of older releases say no day. */
async function firstDayOf(reports: Reports, filter: Filter<StoredDocument>): Promise<string | undefined> {
  const received = { $dateToString: { date: '$receivedAt', format: '%Y-%m-%d' } };
  const [first] = await reports
    .aggregate<{ readonly day: string }>([
      { $match: filter },
      { $group: { _id: null, day: { $min: { $ifNull: ['$facts.day', received] } } } },
    ])
    .toArray();
  return first?.day;
}
