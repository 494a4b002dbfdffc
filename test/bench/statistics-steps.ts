import { randomBytes } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import type { Db } from 'mongodb';
import { createRandom } from '../../deploy/demo/population.ts';
import { Detail, GetStatisticsResponseSchema } from '../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { createAnswers } from '../../src/collector/statistics/answers.ts';
import type { DayPoint } from '../../src/collector/statistics/day-point.ts';
import { addDays, dayOf } from '../../src/collector/statistics/days.ts';
import {
  CONSOLE_SMALLEST_GROUP,
  createFigures,
  PUBLIC_ROUNDED_TO,
  PUBLIC_SMALLEST_GROUP,
} from '../../src/collector/statistics/figures.ts';
import { groupByCluster, mergeIntoClusters } from '../../src/collector/statistics/merge-pipeline.ts';
import { createPointReader, POINTS, readRoundingKey } from '../../src/collector/statistics/point-store.ts';
import { listQuestions } from '../../src/collector/statistics/questions.ts';
import { CLUSTERS, ROLL_UP, stateOf } from '../../src/collector/statistics/state.ts';
import { createUpdate, rebuildStatistics } from '../../src/collector/statistics/statistics.ts';
import { insertEncoded } from '../../src/collector/store/encoded-document.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { clusterIdOf, type Reports } from './statistics-reports.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const SERIES_DAYS = 365;
const BATCH = 1_000;
const WRITES_IN_FLIGHT = 3;
export const SETTINGS = { activeWindowDays: 30, retainMs: 400 * DAY_MS };

/** The system's clock, moved to a fixed time of day, so that no midnight falls into a run. */
export interface MovedClock extends Clock {
  move(ms: number): void;
}

export function createMovedClock(): MovedClock {
  const startMs = Date.now();
  let offsetMs = new Date(startMs).setUTCHours(12, 0, 0, 0) - startMs;
  return {
    now: () => new Date(Date.now() + offsetMs),
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
    move: (ms) => void (offsetMs += ms),
  };
}

export const newId = (): string => randomBytes(16).toString('hex');

const PROGRESS_MS = 15_000;
let shownMs = 0;

/** On a terminal, one line that changes; otherwise a line now and then. */
export function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text !== '' && performance.now() - shownMs > PROGRESS_MS) {
    process.stderr.write(`${text}\n`);
    shownMs = performance.now();
  }
}

export interface LoadOptions {
  readonly reports: Reports;
  readonly clusters: number;
  /** Of each cluster, at equal distances. */
  readonly reportsEach: number;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Inserts a report of each cluster, in the order of their receipt, and in the database itself makes the later ones of them. */
export async function load(db: Db, options: LoadOptions): Promise<void> {
  const { reports, clusters, reportsEach, fromMs, untilMs } = options;
  const stepMs = (untilMs - fromMs) / reportsEach;
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < clusters) {
      const first = next;
      next = Math.min(first + BATCH, clusters);
      const documents = Array.from({ length: next - first }, (_, index) => {
        const receivedAt = new Date(fromMs + (stepMs * (first + index)) / clusters);
        return reports.document(first + index, receivedAt);
      });
      const outcomes = await insertEncoded(db, 'reports', Buffer.concat(documents), documents.length);
      const failed = outcomes.find(({ status }) => status !== 'stored');
      if (failed !== undefined) throw new Error(`a report was not stored: ${JSON.stringify(failed)}`);
      showProgress(`${next} of ${clusters * reportsEach} reports inserted`);
    }
  };
  await Promise.all(Array.from({ length: WRITES_IN_FLIGHT }, run));
  for (let copy = 1; copy < reportsEach; copy += 1) {
    const receivedAt = { $add: ['$receivedAt', Math.round(stepMs * copy)] };
    const facts = { at: receivedAt, day: { $dateToString: { date: receivedAt, format: '%Y-%m-%d' } } };
    await db
      .collection('reports')
      .aggregate([
        { $match: { receivedAt: { $gte: new Date(fromMs), $lt: new Date(fromMs + stepMs) } } },
        { $sort: { receivedAt: 1 } },
        { $set: { _id: { $concat: ['$_id', `-${copy}`] }, receivedAt, observedAt: receivedAt, facts } },
        { $merge: { into: 'reports', whenMatched: 'fail', whenNotMatched: 'insert' } },
      ])
      .toArray();
    showProgress(`${clusters * (copy + 1)} of ${clusters * reportsEach} reports inserted`);
  }
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

export async function measureRebuild(db: Db, clock: Clock): Promise<number> {
  return await timed(() =>
    rebuildStatistics(db, {
      clock,
      newId,
      onProgress: ({ step, done, total }) => showProgress(`rebuild: ${step} ${done} of ${total}`),
    }),
  );
}

/** Of the ids of clusters, so that a group is small enough for the memory. */
const PARTS = 20;

/**
 * Makes `clusters` in one step from all reports, with the pipelines of the roll-up: a rebuild takes a step per hour of receipt, and an
 * update of every cluster in each.
 */
export async function mergeAll(db: Db, clock: Clock, clusters: number): Promise<number> {
  const oldest = addDays(dayOf(clock.now()), -1);
  const until = clock.now();
  return await timed(async () => {
    for (let part = 0; part < PARTS; part += 1) {
      const [from, to] = [part, part + 1].map((each) => clusterIdOf(Math.ceil((each * clusters) / PARTS)));
      const pipeline = [
        { $match: { clusterID: { $gte: from, $lt: to }, receivedAt: { $lt: until } } },
        ...groupByCluster('$clusterID', oldest),
        ...mergeIntoClusters(CLUSTERS, oldest),
      ];
      await db.collection('reports').aggregate(pipeline, { allowDiskUse: true }).toArray();
      showProgress(`clusters: ${part + 1} of ${PARTS} parts`);
    }
    const watermark = { watermark: until, day: dayOf(until) };
    await stateOf(db).updateOne({ _id: ROLL_UP }, { $set: watermark }, { upsert: true });
  });
}

export interface RollUpTimes {
  /** From all clusters, once a day and after many changes. */
  readonly firstMs: number;
  /** Until the new figures are stored. */
  readonly rollUpMs: readonly number[];
  /** With what follows, for which no report waits. */
  readonly updateMs: readonly number[];
}

interface RollUpOptions {
  readonly reports: Reports;
  readonly clusters: number;
  readonly clock: MovedClock;
  readonly rounds: number;
  readonly reportsEach: number;
}

/** Updates as the collector makes them, a minute apart. One cluster in twenty that reports is new. */
export async function measureRollUps(
  db: Db,
  { reports, clusters, clock, rounds, reportsEach }: RollUpOptions,
): Promise<RollUpTimes> {
  const { update, status } = createUpdate(
    { database: () => db, clock, logger: SILENT, newId, settings: SETTINGS },
    new AbortController().signal,
  );
  const random = createRandom(3);
  const rollUpMs: number[] = [];
  const updateMs: number[] = [];
  clock.move(MINUTE_MS);
  const firstMs = await timed(update);
  for (let round = 0; round < rounds; round += 1) {
    clock.move(MINUTE_MS);
    const receivedAt = new Date(clock.now().getTime() - 1_000);
    const documents = Array.from({ length: reportsEach }, (_, index) => {
      const isNew = index % 20 === 0;
      const cluster = isNew ? 2 * clusters + round * reportsEach + index : Math.floor(random() * clusters);
      return reports.document(cluster, receivedAt);
    });
    await insertEncoded(db, 'reports', Buffer.concat(documents), documents.length);
    const { reports: before } = status();
    updateMs.push(await timed(update));
    const { lastDurationMs, reports: after, failures } = status();
    if (failures > 0 || after - before !== reportsEach)
      throw new Error(`${after - before} of ${reportsEach} new reports were counted`);
    rollUpMs.push(lastDurationMs);
    showProgress(`roll-up ${round + 1} of ${rounds}`);
  }
  return { firstMs, rollUpMs, updateMs };
}

const SILENT = { debug: silent, info: silent, warn: silent, error: silent };
function silent(): void {
  // A bench prints figures.
}

/** Stores the figures of a year before the last day: those of that day, smaller by the day, and each a little different. */
export async function fillYear(db: Db): Promise<void> {
  const points = db.collection<DayPoint>(POINTS);
  const last = await points.findOne({}, { sort: { _id: -1 } });
  if (last === null) throw new Error('there are no figures');
  const random = createRandom(5);
  for (let ago = 1; ago < SERIES_DAYS; ago += 1) {
    const _id = addDays(last._id, -ago);
    const scale = 1 - 0.4 * (ago / SERIES_DAYS);
    const { _id: _last, ...copy } = scalePoint(last, scale, () => 1 - 0.04 * random());
    await points.replaceOne({ _id }, copy, { upsert: true });
    showProgress(`figures of ${ago} of ${SERIES_DAYS} days`);
  }
}

/** Numbers of clusters and nodes smaller; those of values vary more, so that they are not more than all. */
function scalePoint(point: DayPoint, scale: number, vary: () => number): DayPoint {
  const names = new Set(['clusters', 'nodes', 'total', 'newClusters', 'returningClusters', 'lostClusters']);
  const walk = (value: unknown, name: string, factor: number): unknown => {
    if (Array.isArray(value)) return value.map((each: unknown) => walk(each, name, factor * vary()));
    if (value instanceof Date || value === null) return value;
    if (typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each, key, factor)]));
    if (typeof value !== 'number') return value;
    if (name === 'reporting') return Math.round(value * scale);
    return names.has(name) ? Math.round(value * factor) : value;
  };
  return walk(point, '', scale) as DayPoint;
}

export interface AnswerTimes {
  readonly page: 'public' | 'admin';
  readonly days: number;
  readonly detail: 'coarse' | 'fine';
  /** Empty for all questions in one answer. */
  readonly question: string;
  readonly p50: number;
  readonly p95: number;
  readonly kilobytes: number;
}

const PAGES = [
  { page: 'public', smallestGroup: PUBLIC_SMALLEST_GROUP, roundedTo: PUBLIC_ROUNDED_TO },
  { page: 'admin', smallestGroup: CONSOLE_SMALLEST_GROUP, roundedTo: 1 },
] as const;
const WARM_UPS = 3;
/** A slow question is asked fewer times. */
const MAX_QUESTION_MS = 3_000;
const LEAST_REPEATS = 20;

/** Each question by itself, and all together, without the cache; from the database to the encoded answer. */
export async function measureAnswers(
  db: Db,
  { repeats, allRepeats }: { readonly repeats: number; readonly allRepeats: number },
): Promise<readonly AnswerTimes[]> {
  const key = await readRoundingKey(db, (count) => randomBytes(count));
  const reader = createPointReader(() => db);
  const until = (await reader.lastDay()) ?? '';
  const questions = listQuestions();
  const found: AnswerTimes[] = [];
  for (const { page, smallestGroup, roundedTo } of PAGES) {
    const statistics = createAnswers({ questions, reader, figures: createFigures(key, smallestGroup, roundedTo) });
    for (const days of [90, SERIES_DAYS]) {
      for (const detail of ['coarse', 'fine'] as const) {
        const asked = questions.filter(({ hasDetail }) => detail === 'coarse' || hasDetail).map(({ id }) => id);
        for (const question of detail === 'coarse' ? [...asked, ''] : asked) {
          const request = {
            questions: question === '' ? [] : [question],
            since: addDays(until, 1 - days),
            until: '',
            detail: detail === 'fine' ? Detail.FINE : Detail.COARSE,
            omitSeries: false,
          };
          const times: number[] = [];
          let bytes = 0;
          const count = question === '' ? allRepeats : repeats;
          const endsMs = performance.now() + MAX_QUESTION_MS;
          for (
            let run = -Math.min(WARM_UPS, count - 1);
            run < count && (run < LEAST_REPEATS || performance.now() < endsMs);
            run += 1
          ) {
            const startMs = performance.now();
            bytes = toBinary(GetStatisticsResponseSchema, await statistics.answer(request)).length;
            if (run >= 0) times.push(performance.now() - startMs);
          }
          const kilobytes = Math.round(bytes / 1000);
          found.push({ page, days, detail, question, p50: rank(times, 50), p95: rank(times, 95), kilobytes });
          showProgress(`answers: ${page}, ${days} days, ${detail}: ${question}`);
        }
      }
    }
  }
  return found;
}

/** By the nearest rank. */
export function rank(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}
