import type { Document } from 'mongodb';
import { MAX_SEEN } from './cluster-document.ts';
import type { Day } from './days.ts';

/** Of the bytes of an entry of `seen` without its date: "2026-11 1.31 " of "2026-11 1.31 21". */
const DATE_BYTES = 2;

/** The stages that turn reports into one document per cluster, as in `clusters`, made of these reports alone. */
export function groupByCluster(clusterId: unknown, oldest: Day): Document[] {
  const newestFirst = { 'facts.at': -1, receivedAt: -1, _id: -1 };
  const report = { id: '$_id', receivedAt: '$receivedAt', facts: '$facts' };
  const [month, date] = [{ $substrBytes: ['$_id.day', 0, 7] }, { $substrBytes: ['$_id.day', 8, 2] }];
  const seenOfDay = { $concat: [month, ' ', '$$minor', ' ', date] };
  const seen = { $reduce: { input: '$seen', initialValue: [], in: { $concatArrays: ['$$value', '$$this'] } } };
  return [
    {
      $group: {
        _id: { cluster: clusterId, day: '$facts.day' },
        report: { $top: { sortBy: newestFirst, output: report } },
        minors: { $addToSet: { $ifNull: ['$facts.minor', ''] } },
      },
    },
    {
      $group: {
        _id: '$_id.cluster',
        reports: { $push: '$report' },
        first: { $min: '$_id.day' },
        seen: { $push: { $map: { input: '$minors', as: 'minor', in: seenOfDay } } },
      },
    },
    { $set: { reports: newestReports('$reports', oldest), seen: firstSeen(seen) } },
    ...FROM_REPORTS,
  ];
}

/**
 * The stages that merge documents of groupByCluster into stored ones. They take the newest, the first and the union, so that neither the
 * order of merges nor their repetition matters. The merge is computed here and not in the update of `$merge`, which is parsed again for each
 * document: that takes three times as long. So a document that changed in between, by another collector, is left as it is; its reports
 * are read again with the next ones.
 *
 * @param into the collection
 * @param oldest the figures of this day and of later ones can be computed from the result; the reports of the days before are dropped,
 * but for the newest
 */
export function mergeIntoClusters(into: string, oldest: Day): Document[] {
  const reports = { $concatArrays: [STORED_REPORTS, ['$last'], '$earlier'] };
  const seen = { $cond: [IS_SEEN, '$old.seen', firstSeen({ $concatArrays: ['$seen', OLD_SEEN] })] };
  return [
    { $lookup: { from: into, localField: '_id', foreignField: '_id', as: 'old' } },
    { $set: { old: { $first: '$old' } } },
    { $match: { $expr: { $not: IS_MERGED } } },
    {
      $set: {
        reports: newestReports(reports, oldest),
        first: { $min: ['$first', '$old.first'] },
        seen,
        revision: { $add: [{ $ifNull: ['$old.revision', 0] }, 1] },
      },
    },
    ...FROM_REPORTS,
    { $unset: 'old' },
    { $merge: { into, on: '_id', whenMatched: [{ $replaceWith: REPLACE_IF_UNCHANGED }], whenNotMatched: 'insert' } },
  ];
}

const OLD_SEEN: Document = { $ifNull: ['$old.seen', []] };
const IS_SEEN: Document = { $setIsSubset: ['$seen', OLD_SEEN] };

/** Reports are read several times; most of them are merged already. */
const IS_MERGED: Document = {
  $and: [
    {
      $setIsSubset: [
        { $concatArrays: [['$last.id'], '$earlier.id'] },
        { $concatArrays: [[{ $ifNull: ['$old.last.id', ''] }], { $ifNull: ['$old.earlier.id', []] }] },
      ],
    },
    IS_SEEN,
  ],
};

const REPLACE_IF_UNCHANGED: Document = {
  $cond: [{ $eq: [{ $add: [{ $ifNull: ['$revision', 0] }, 1] }, '$$new.revision'] }, '$$new', '$$ROOT'],
};

/** A rebuild begins with documents without reports where their raw reports have expired. */
const STORED_REPORTS: Document = {
  $cond: [{ $eq: [{ $type: '$old.last' }, 'missing'] }, [], { $concatArrays: [['$old.last'], '$old.earlier'] }],
};

const FROM_REPORTS: readonly Document[] = [
  {
    $set: {
      last: { $first: '$reports' },
      earlier: { $slice: ['$reports', 1, { $max: [1, { $subtract: [{ $size: '$reports' }, 1] }] }] },
      day: { $first: '$reports.facts.day' },
    },
  },
  { $unset: 'reports' },
];

/** The newest report of each day, newest first, down to the newest one before `oldest`. Each knows the day of the one before. */
function newestReports(reports: unknown, oldest: Day): Document {
  const newestFirst = { 'facts.day': -1, 'facts.at': -1, receivedAt: -1, id: -1, 'facts.v': -1 };
  const all = { $sortArray: { input: reports, sortBy: newestFirst } };
  const isOfSameDay = { $eq: ['$$this.facts.day', { $last: '$$value.facts.day' }] };
  const newest = { $reduce: { input: '$$all', initialValue: [], in: addUnless(isOfSameDay) } };
  const days = { $setUnion: ['$$all.facts.day', '$$all.prev'] };
  const afterOldest = { $filter: { input: '$$newest', cond: { $gt: ['$$this.facts.day', oldest] } } };
  const kept = { $slice: ['$$newest', { $add: [1, { $size: afterOldest }] }] };
  const daysBefore = { $filter: { input: '$$days', cond: { $lt: ['$$this', '$$report.facts.day'] } } };
  const addition = { $cond: [{ $eq: [{ $type: '$$prev' }, 'string'] }, { prev: '$$prev' }, {}] };
  const withPrev = { $mergeObjects: ['$$report', { $let: { vars: { prev: { $max: daysBefore } }, in: addition } }] };
  const linked = { $map: { input: kept, as: 'report', in: withPrev } };
  return { $let: { vars: { all }, in: { $let: { vars: { newest, days }, in: linked } } } };
}

/** The first day of each month and minor version. Ascending, so that the first of several days comes first. */
function firstSeen(seen: unknown): Document {
  const withoutDate = (text: string): Document => ({
    $substrBytes: [text, 0, { $subtract: [{ $strLenBytes: text }, DATE_BYTES] }],
  });
  const isSame = { $eq: [withoutDate('$$before'), withoutDate('$$this')] };
  const before = { $ifNull: [{ $last: '$$value' }, '  '] };
  const next = { $let: { vars: { before }, in: addUnless(isSame) } };
  const input = { $sortArray: { input: seen, sortBy: 1 } };
  return { $slice: [{ $reduce: { input, initialValue: [], in: next } }, -MAX_SEEN] };
}

/** A step of $reduce that appends an entry to a list. */
function addUnless(isKnown: Document): Document {
  return { $cond: [isKnown, '$$value', { $concatArrays: ['$$value', ['$$this']] }] };
}
