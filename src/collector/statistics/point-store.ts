import { Binary, type Db, type Document } from 'mongodb';
import type { CollectionName } from '../store/collections.ts';
import type { PointReader } from './answers.ts';
import { answerKey, type DayPoint } from './day-point.ts';

export const POINTS = 'statistics' satisfies CollectionName;
export const STATE = 'statisticsState' satisfies CollectionName;

const KEY_BYTES = 32;
const ROUNDING_KEY = 'roundingKey';
/** An answer must not wait for a database that does not respond. */
const MAX_TIME_MS = 5_000;

/** @param database the current handle; it may change when the database restarts */
export function createPointReader(database: () => Db): PointReader {
  const points = () => database().collection<DayPoint>(POINTS);
  return {
    async lastDay(until) {
      const filter = until === undefined ? {} : { _id: { $lte: until } };
      const last = await points().findOne(filter, {
        projection: { _id: 1 },
        sort: { _id: -1 },
        maxTimeMS: MAX_TIME_MS,
      });
      return last?._id;
    },
    async read(since, until, ids, coarseOnly) {
      const answers = Object.assign(
        {},
        ...ids.map((id) => {
          const path = `answers.${answerKey(id)}`;
          return coarseOnly.includes(id) ? coarsePart(path) : { [path]: 1 };
        }),
      ) as Document;
      const projection = {
        computedAt: 1,
        activeWindowDays: 1,
        clusters: 1,
        nodes: 1,
        newClusters: 1,
        returningClusters: 1,
        lostClusters: 1,
        ...answers,
      };
      const range = { _id: { $gte: since, $lte: until } };
      const found = points().find(range, { projection, sort: { _id: 1 }, maxTimeMS: MAX_TIME_MS });
      // Without questions, or on days without answers, the projection leaves the field out.
      return (await found.toArray()).map((point) => ({ ...point, answers: point.answers ?? {} }));
    },
  };
}

/** The projection of a ValuesPoint without its values, unless it has no coarse ones: the measure of a field may have changed. */
function coarsePart(path: string): Document {
  const hasCoarse = { $isArray: `$${path}.coarse` };
  const values = { $cond: [hasCoarse, '$$REMOVE', `$${path}.values`] };
  return { [path]: { kind: 1, reporting: 1, coarse: 1, rest: 1, values } };
}

/** The key of rounding, which all collectors on a database share: the first one creates it. */
export async function readRoundingKey(database: Db, randomBytes: (count: number) => Uint8Array): Promise<Uint8Array> {
  const state = database.collection<{ _id: string; key?: Binary }>(STATE);
  const key = new Binary(randomBytes(KEY_BYTES));
  const stored = await state.findOneAndUpdate(
    { _id: ROUNDING_KEY },
    { $setOnInsert: { key } },
    { upsert: true, returnDocument: 'after', maxTimeMS: MAX_TIME_MS },
  );
  if (stored?.key === undefined) throw new Error(`the document ${ROUNDING_KEY} of the collection ${STATE} has no key`);
  return stored.key.buffer;
}
