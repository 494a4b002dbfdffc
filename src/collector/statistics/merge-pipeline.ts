import type { Document } from 'mongodb';
import { MAX_SEEN } from './cluster-document.ts';
import type { Day } from './days.ts';

/** Of the bytes of an entry of `seen` without its date: "2026-11 1.31 " of "2026-11 1.31 21". */
const DATE_BYTES = 2;

/** The stages that turn reports into one document per cluster, as in `clusters`, made of these reports alone. */
export function groupByCluster(clusterId: unknown, oldest: Day): Document[] {
  const minor = { $ifNull: ['$facts.minor', ''] };
  return [
    {
      $group: {
        _id: { cluster: clusterId, day: '$facts.day' },
        report: {
          $top: {
            sortBy: { 'facts.at': -1, receivedAt: -1, _id: -1 },
            output: { id: '$_id', receivedAt: '$receivedAt', facts: '$facts' },
          },
        },
        minors: { $addToSet: minor },
      },
    },
    {
      $group: {
        _id: '$_id.cluster',
        reports: { $push: '$report' },
        first: { $min: '$_id.day' },
        seen: {
          $push: {
            $map: {
              input: '$minors',
              as: 'minor',
              in: {
                $concat: [
                  { $substrBytes: ['$_id.day', 0, 7] },
                  ' ',
                  '$$minor',
                  ' ',
                  { $substrBytes: ['$_id.day', 8, 2] },
                ],
              },
            },
          },
        },
      },
    },
    {
      $set: {
        reports: newestReports('$reports', oldest),
        seen: firstSeen({
          $reduce: { input: '$seen', initialValue: [], in: { $concatArrays: ['$$value', '$$this'] } },
        }),
      },
    },
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
  return [
    { $lookup: { from: into, localField: '_id', foreignField: '_id', as: 'old' } },
    { $set: { old: { $first: '$old' } } },
    { $match: { $expr: { $not: IS_MERGED } } },
    {
      $set: {
        reports: newestReports({ $concatArrays: [STORED_REPORTS, ['$last'], '$earlier'] }, oldest),
        first: { $min: ['$first', '$old.first'] },
        seen: {
          $cond: [
            { $setIsSubset: ['$seen', { $ifNull: ['$old.seen', []] }] },
            '$old.seen',
            firstSeen({ $concatArrays: ['$seen', { $ifNull: ['$old.seen', []] }] }),
          ],
        },
        revision: { $add: [{ $ifNull: ['$old.revision', 0] }, 1] },
      },
    },
    ...FROM_REPORTS,
    { $unset: 'old' },
    { $merge: { into, on: '_id', whenMatched: [{ $replaceWith: REPLACE_IF_UNCHANGED }], whenNotMatched: 'insert' } },
  ];
}

/** Reports are read several times; most of them are merged already. */
const IS_MERGED: Document = {
  $and: [
    {
      $setIsSubset: [
        { $concatArrays: [['$last.id'], '$earlier.id'] },
        { $concatArrays: [[{ $ifNull: ['$old.last.id', ''] }], { $ifNull: ['$old.earlier.id', []] }] },
      ],
    },
    { $setIsSubset: ['$seen', { $ifNull: ['$old.seen', []] }] },
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
  return {
    $let: {
      vars: {
        all: {
          $sortArray: {
            input: reports,
            sortBy: { 'facts.day': -1, 'facts.at': -1, receivedAt: -1, id: -1, 'facts.v': -1 },
          },
        },
      },
      in: {
        $let: {
          vars: {
            newest: {
              $reduce: {
                input: '$$all',
                initialValue: [],
                in: {
                  $cond: [
                    { $eq: ['$$this.facts.day', { $last: '$$value.facts.day' }] },
                    '$$value',
                    { $concatArrays: ['$$value', ['$$this']] },
                  ],
                },
              },
            },
            days: { $setUnion: ['$$all.facts.day', '$$all.prev'] },
          },
          in: {
            $map: {
              input: {
                $slice: [
                  '$$newest',
                  {
                    $add: [
                      1,
                      { $size: { $filter: { input: '$$newest', cond: { $gt: ['$$this.facts.day', oldest] } } } },
                    ],
                  },
                ],
              },
              as: 'report',
              in: {
                $mergeObjects: [
                  '$$report',
                  {
                    $let: {
                      vars: {
                        prev: {
                          $max: { $filter: { input: '$$days', cond: { $lt: ['$$this', '$$report.facts.day'] } } },
                        },
                      },
                      in: { $cond: [{ $eq: [{ $type: '$$prev' }, 'string'] }, { prev: '$$prev' }, {}] },
                    },
                  },
                ],
              },
            },
          },
        },
      },
    },
  };
}

/** The first day of each month and minor version. Ascending, so that the first of several days comes first. */
function firstSeen(seen: unknown): Document {
  const withoutDate = (text: string): Document => ({
    $substrBytes: [text, 0, { $subtract: [{ $strLenBytes: text }, DATE_BYTES] }],
  });
  return {
    $slice: [
      {
        $reduce: {
          input: { $sortArray: { input: seen, sortBy: 1 } },
          initialValue: [],
          in: {
            $let: {
              vars: { before: { $ifNull: [{ $last: '$$value' }, '  '] } },
              in: {
                $cond: [
                  { $eq: [withoutDate('$$before'), withoutDate('$$this')] },
                  '$$value',
                  { $concatArrays: ['$$value', ['$$this']] },
                ],
              },
            },
          },
        },
      },
      -MAX_SEEN,
    ],
  };
}
