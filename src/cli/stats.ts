import { randomBytes } from 'node:crypto';
import { create, toJson } from '@bufbuild/protobuf';
import {
  Detail,
  GetStatisticsRequestSchema,
  GetStatisticsResponseSchema,
} from '../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { createAnswers } from '../collector/statistics/answers.ts';
import { addDays, parseDay as dayIn } from '../collector/statistics/days.ts';
import { CONSOLE_SMALLEST_GROUP, createFigures } from '../collector/statistics/figures.ts';
import { createPointReader, readRoundingKey } from '../collector/statistics/point-store.ts';
import { listQuestions } from '../collector/statistics/questions.ts';
import { DEFAULT_STATISTICS_CONFIG } from '../collector/statistics/roll-up.ts';
import { eraseCluster, rebuildStatistics } from '../collector/statistics/statistics.ts';
import { systemClock } from '../runtime/clock.ts';
import { createCommand } from './command.ts';
import { countOf } from './count-of.ts';
import { group } from './flags.ts';
import { formatFor } from './help.ts';
import { createProgress } from './progress.ts';
import { parseActiveDays, parseSmallestGroup } from './statistics-flags.ts';
import { describeStatistics } from './statistics-tables.ts';
import { SHARED_DATABASE_FLAG, STORED_DATABASES, withDatabase } from './stored-database.ts';
import { SWITCH } from './values.ts';

/** Of a table in an overview of all answers. */
const OVERVIEW_ROWS = 12;

const DATABASE_FLAGS = group('Database', { database: SHARED_DATABASE_FLAG });

export const statsCommand = createCommand({
  name: 'stats',
  description:
    'Prints what the reports of all clusters say: tables, and bars on a terminal. Without a question, all answers. Small groups of clusters ' +
    'are hidden, as on the dashboard of the admin listener.',
  databases: STORED_DATABASES,
  operands: 'QUESTION...',
  flags: {
    ...group('Answers', {
      since: {
        name: 'since',
        variables: [],
        placeholder: 'DAY',
        help: 'The first day of the series: 2026-01-31, or so many days before the last one, such as 90d. Default: 90 days.',
        parse: parseSince,
      },
      until: {
        name: 'until',
        variables: [],
        placeholder: 'DAY',
        help: 'The day of the figures, such as 2026-01-31. Default: the last one.',
        parse: parseDay,
      },
      fine: { name: 'fine', variables: [], ...SWITCH, help: 'Print whole versions and releases instead of groups.' },
      smallestGroup: {
        name: 'smallest-group',
        placeholder: 'CLUSTERS',
        default: String(CONSOLE_SMALLEST_GROUP),
        help: 'Hide groups of fewer clusters; at least 3.',
        parse: parseSmallestGroup,
      },
    }),
    ...group('Output', {
      json: {
        name: 'json',
        variables: [],
        ...SWITCH,
        help: 'Print JSON: GetStatisticsResponse of the statistics service.',
      },
      list: { name: 'list', variables: [], ...SWITCH, help: 'List the questions, and exit.' },
    }),
    ...DATABASE_FLAGS,
  },
  async run({ database, since, until = '', fine, smallestGroup, json, list }, { operands, stdout, env }) {
    const questions = listQuestions();
    if (list) {
      const width = Math.max(...questions.map(({ id }) => id.length));
      stdout.write(questions.map(({ id, title }) => `${id.padEnd(width)}  ${title}\n`).join(''));
      return 0;
    }
    return await withDatabase(database, 'stats', async ({ db, figuresDb }) => {
      const reader = createPointReader(() => figuresDb);
      const figures = createFigures(await readRoundingKey(db, randomBytes), smallestGroup, 1);
      const statistics = createAnswers({ questions, reader, figures });
      const day = await reader.lastDay(until === '' ? undefined : until);
      const response = await statistics.answer(
        create(GetStatisticsRequestSchema, {
          questions: [...operands],
          since: typeof since === 'number' ? (day === undefined ? '' : addDays(day, -since)) : since,
          until,
          detail: fine ? Detail.FINE : Detail.COARSE,
        }),
      );
      if (json) {
        stdout.write(`${JSON.stringify(toJson(GetStatisticsResponseSchema, response))}\n`);
        return 0;
      }
      const bars = stdout.isTTY === true;
      const maxRows = operands.length === 0 ? OVERVIEW_ROWS : Number.POSITIVE_INFINITY;
      stdout.write(describeStatistics(response, { format: formatFor(stdout, env), bars, maxRows }));
      return 0;
    });
  },
});

export const statsRebuildCommand = createCommand({
  name: 'stats rebuild',
  description:
    'Computes all statistics from the stored reports again, for example after reports were deleted by hand. Collectors may run meanwhile. ' +
    'The figures of days whose reports have been deleted stay as they are.',
  databases: STORED_DATABASES,
  flags: {
    ...DATABASE_FLAGS,
    ...group('Statistics', {
      activeWindowDays: {
        name: 'active-days',
        placeholder: 'DAYS',
        default: '30',
        help: 'As the flag of the collector.',
        parse: parseActiveDays,
      },
    }),
  },
  run: ({ database, activeWindowDays }, { stdout, stderr, stop }) =>
    withDatabase(database, 'stats', async ({ db }) => {
      const progress = createProgress(stderr);
      await rebuildStatistics(db, {
        clock: systemClock,
        newId,
        config: { ...DEFAULT_STATISTICS_CONFIG, activeWindowDays },
        signal: stop,
        onProgress: ({ step, done, total }) => progress.show(step === 'facts' ? 'reports' : 'days', done, total),
      });
      progress.end();
      stdout.write('The statistics are rebuilt.\n');
      return 0;
    }),
});

export const eraseCommand = createCommand({
  name: 'erase',
  description:
    'Deletes every report of clusters or Kubermatic clients, and what statistics keep of them. The figures of the days of these reports are ' +
    'computed again by the collector.',
  databases: STORED_DATABASES,
  operands: 'CLUSTER_ID...',
  flags: DATABASE_FLAGS,
  validate: (_values, _env, operands) => (operands.length === 0 ? ['name the ids of the clusters to erase.'] : []),
  run: ({ database }, { operands, stdout, stop }) =>
    withDatabase(database, 'stats', async ({ db }) => {
      for (const clusterId of operands) {
        const reports = await eraseCluster(db, clusterId, { clock: systemClock, newId, signal: stop });
        stdout.write(`${JSON.stringify(clusterId)}: ${countOf(reports, 'report')} deleted\n`);
      }
      return 0;
    }),
});

function newId(): string {
  return randomBytes(16).toString('hex');
}

function parseDay(text: string): string {
  const day = dayIn(text);
  if (day !== undefined) return day;
  throw new Error(`${JSON.stringify(text)} is not a day: use one like 2026-01-31`);
}

/** @returns a day, or the number of days before the last one */
function parseSince(text: string): string | number {
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  return days === undefined ? parseDay(text) : Number(days);
}
