import { createInterface } from 'node:readline';
import { markDirty } from '../collector/statistics/state.ts';
import type { Database } from '../collector/store/database-spec.ts';
import {
  createQuarantineStore,
  type QuarantinedCluster,
  type QuarantineSelection,
  type QuarantineStore,
} from '../collector/store/quarantine-store.ts';
import { systemClock } from '../runtime/clock.ts';
import { createCommand, EXIT_USAGE, type RunOptions } from './command.ts';
import { countOf } from './count-of.ts';
import { type FlagValues, group } from './flags.ts';
import { SHARED_DATABASE_FLAG, STORED_DATABASES, withDatabase } from './stored-database.ts';
import { parseCount, parseDurationMs, SWITCH } from './values.ts';

const OPERANDS = 'CLUSTER_ID...';
const PROGRESS_INTERVAL_MS = 2_000;

const DATABASE_FLAGS = group('Database', { database: SHARED_DATABASE_FLAG });

/** What decides which reports are counted or deleted is given on the command line only. */
const SINCE_FLAG = {
  name: 'since',
  variables: [],
  placeholder: 'TIME',
  help: 'Only reports that were received at this time or later: 2026-11-21T10:00:00Z, or a duration before now, such as 24h.',
  parse: parseSince,
};
const ALL_FLAG = { name: 'all', variables: [], ...SWITCH, help: 'All reports that are in quarantine.' };
const JSON_FLAG = { name: 'json', variables: [], ...SWITCH, help: 'Print JSON, one object per line.' };

const CHANGE_FLAGS = {
  ...group('Reports', { all: ALL_FLAG, since: SINCE_FLAG }),
  ...group('Output', { json: JSON_FLAG }),
  ...DATABASE_FLAGS,
};

export const quarantineListCommand = createCommand({
  name: 'quarantine list',
  description:
    'Lists the clusters whose reports are in quarantine: those of more new clusters from one address than --max-new-clusters of the ' +
    'collector allows in an hour. Statistics ignore these reports until they are released.',
  databases: STORED_DATABASES,
  operands: OPERANDS,
  flags: {
    ...group('Reports', { since: SINCE_FLAG }),
    ...group('Output', {
      limit: {
        name: 'limit',
        variables: [],
        placeholder: 'COUNT',
        default: '100',
        help: 'List at most so many clusters, those with most reports first; 0 for all.',
        parse: (text) => parseCount(text),
      },
      json: JSON_FLAG,
    }),
    ...DATABASE_FLAGS,
  },
  run: ({ database, since, limit, json }, { operands, stdout }) =>
    withQuarantine(database, async (quarantine) => {
      let clusters = 0;
      let reports = 0;
      for await (const cluster of quarantine.list(selectionOf({ since, operands }))) {
        if (!json && clusters === 0) stdout.write(`${HEADINGS}\n`);
        clusters += 1;
        reports += cluster.reports;
        if (limit === 0 || clusters <= limit)
          stdout.write(`${json ? escapeControls(JSON.stringify(cluster)) : toRow(cluster)}\n`);
      }
      if (json) return 0;
      const hidden = limit > 0 && clusters > limit ? ` --limit 0 lists the other ${clusters - limit} too.` : '';
      stdout.write(
        clusters === 0
          ? 'No reports are in quarantine.\n'
          : `\n${countOf(clusters, 'cluster')} with ${countOf(reports, 'report')} in quarantine.${hidden}\n`,
      );
      return 0;
    }),
});

export const quarantineReleaseCommand = createCommand({
  name: 'quarantine release',
  description:
    'Takes reports out of quarantine, so that statistics count them, and further reports of their clusters too. A running collector ' +
    'needs no restart.',
  databases: STORED_DATABASES,
  operands: OPERANDS,
  flags: CHANGE_FLAGS,
  validate: ({ all, since }, _env, operands) => checkSelection({ all, since, operands }),
  run: (values, options) =>
    withSelected(values, options, (quarantine, selection, total) =>
      runBatches('released', quarantine.release(selection, options.stop), { ...values, total }, options),
    ),
});

export const quarantineDropCommand = createCommand({
  name: 'quarantine drop',
  description: 'Deletes reports that are in quarantine. They cannot be restored.',
  databases: STORED_DATABASES,
  operands: OPERANDS,
  flags: {
    ...CHANGE_FLAGS,
    ...group('Reports', {
      yes: {
        name: 'yes',
        variables: [],
        ...SWITCH,
        help: 'Delete without asking. Required where there is no terminal.',
      },
    }),
  },
  validate: ({ all, since }, _env, operands) => checkSelection({ all, since, operands }),
  run: (values, options) =>
    withSelected(values, options, async (quarantine, selection, total) => {
      const answer =
        values.yes || total === 0 ? 'yes' : await ask(`Delete ${countOf(total, 'report')}? Type "yes": `, options);
      if (answer === undefined) {
        options.stderr.write(
          'spartakus quarantine drop: asks before it deletes, and there is no terminal: give --yes\n',
        );
        return EXIT_USAGE;
      }
      if (answer.trim() !== 'yes') {
        options.stderr.write('Nothing was deleted.\n');
        return 1;
      }
      return await runBatches('deleted', quarantine.drop(selection, options.stop), { ...values, total }, options);
    }),
});

function withQuarantine(database: Database, act: (quarantine: QuarantineStore) => Promise<number>): Promise<number> {
  return withDatabase(database, 'quarantine', ({ db }) =>
    act(createQuarantineStore(db, { onRelease: (day) => markDirty(db, day) })),
  );
}

/** Counts the selected reports before the change. */
function withSelected(
  values: Omit<Selected, 'operands'> & { readonly database: Database },
  { operands }: RunOptions,
  change: (quarantine: QuarantineStore, selection: QuarantineSelection, total: number) => Promise<number>,
): Promise<number> {
  return withQuarantine(values.database, async (quarantine) => {
    const selection = selectionOf({ ...values, operands });
    return await change(quarantine, selection, await quarantine.count(selection));
  });
}

interface Selected {
  readonly all?: boolean | undefined;
  readonly since?: FlagValues<typeof CHANGE_FLAGS>['since'];
  readonly operands: readonly string[];
}

function checkSelection({ all, since, operands }: Selected): readonly string[] {
  if (all === true && operands.length > 0) return ['--all and cluster ids select different reports: remove one'];
  if (all !== true && since === undefined && operands.length === 0)
    return ['no reports are selected: give cluster ids, --since, or --all'];
  return [];
}

function selectionOf({ since, operands }: Selected): QuarantineSelection {
  return {
    ...(operands.length === 0 ? {} : { clusterIds: operands }),
    ...(since === undefined ? {} : { since: since(systemClock.now()) }),
  };
}

/** Counts the batches, logs the progress of long runs, and prints the result. Returns the exit code. */
async function runBatches(
  done: 'released' | 'deleted',
  batches: AsyncIterable<number>,
  { total, json }: { readonly total: number; readonly json: boolean },
  { stdout, logger, stop }: RunOptions,
): Promise<number> {
  let reports = 0;
  let loggedMs = systemClock.now().getTime();
  for await (const count of batches) {
    reports += count;
    const nowMs = systemClock.now().getTime();
    if (nowMs - loggedMs < PROGRESS_INTERVAL_MS) continue;
    loggedMs = nowMs;
    logger.info({ reports, of: total }, `Reports are being ${done}.`);
  }
  if (stop.aborted && reports < total) logger.warn({ reports, of: total }, `Stopped before all reports were ${done}.`);
  stdout.write(
    json
      ? `${JSON.stringify({ [done]: reports })}\n`
      : `${done === 'released' ? 'Released' : 'Deleted'} ${countOf(reports, 'report')}.\n`,
  );
  return stop.aborted && reports < total ? 1 : 0;
}

/** Resolves with undefined where nobody can answer. */
async function ask(question: string, { openInput, stderr, stop }: RunOptions): Promise<string | undefined> {
  const input = openInput?.();
  if (input?.isTTY !== true) return undefined;
  const lines = createInterface({ input, output: stderr, signal: stop });
  lines.setPrompt(question);
  lines.prompt();
  // Without an answer, as after Ctrl-C or Ctrl-D, nothing is deleted.
  const answer = await new Promise<string>((resolve) => lines.once('line', resolve).once('close', () => resolve('')));
  lines.close();
  return answer;
}

const HEADINGS = toColumns('CLUSTER ID', 'REPORTS', 'FIRST RECEIVED', 'LAST RECEIVED', 'KIND', 'RECEIVED FROM');
const MAX_SHOWN_LENGTH = 256;

function toRow(cluster: QuarantinedCluster): string {
  const { clusterId, kind, reports, firstReceivedAt, lastReceivedAt, receivedFrom = '-' } = cluster;
  const time = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;
  const shown = clusterId.length > MAX_SHOWN_LENGTH ? `${clusterId.slice(0, MAX_SHOWN_LENGTH)}…` : clusterId;
  const columns = [String(reports), time(firstReceivedAt), time(lastReceivedAt), kind, receivedFrom] as const;
  return toColumns(escapeControls(shown), ...columns);
}

function toColumns(id: string, reports: string, first: string, last: string, kind: string, from: string): string {
  return [id.padEnd(36), reports.padStart(8), first.padEnd(20), last.padEnd(20), kind.padEnd(10), from].join('  ');
}

/** Cluster ids are what clients send, and might control a terminal. The escapes are those of JSON. */
function escapeControls(text: string): string {
  return text.replace(/\p{C}/gu, (character) =>
    character.replaceAll(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}

function parseSince(text: string): (now: Date) => Date {
  if (/^\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2}))?$/.test(text) && !Number.isNaN(Date.parse(text)))
    return () => new Date(text);
  try {
    const ms = parseDurationMs(text);
    return (now) => new Date(now.getTime() - ms);
  } catch {
    throw new Error(`${JSON.stringify(text)} is not a time: use one like 2026-11-21T10:00:00Z or 24h`);
  }
}
