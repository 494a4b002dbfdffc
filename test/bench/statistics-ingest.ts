import { randomBytes } from 'node:crypto';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { createIngest, type Ingest } from '../../src/collector/ingest/ingest.ts';
import { createFactMaker } from '../../src/collector/statistics/facts.ts';
import { createUpdate } from '../../src/collector/statistics/statistics.ts';
import { type DatabaseStore, openMongoStore } from '../../src/collector/store/mongo-store.ts';
import type { Reports } from './statistics-reports.ts';
import {
  createMovedClock,
  load,
  type MovedClock,
  newId,
  rank,
  SETTINGS,
  showProgress,
  timed,
} from './statistics-steps.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const CONCURRENCY = 256;

interface IngestOptions {
  readonly reports: Reports;
  readonly clusters: number;
  readonly reportsEach: number;
  readonly rounds: number;
}

/** Reports a second, of each round. */
export interface IngestRates {
  readonly plain: readonly number[];
  /** With facts, without a roll-up. */
  readonly facts: readonly number[];
  /** With facts, while a roll-up runs. */
  readonly rollUp: readonly number[];
  /** Reports a second of the roll-ups, at the same time. */
  readonly rolledUp: readonly number[];
}

interface Side {
  readonly store: DatabaseStore;
  readonly ingest: Ingest;
}

/**
 * The rate of ingest, from a report in protobuf to its durable document, in alternating rounds on two databases of one engine. The clock
 * moves by a minute per round, so each roll-up reads the reports of the rounds before again, as it does in the collector. A roll-up has
 * so many reports that it takes longer than the round.
 */
export async function measureIngest(uri: string, options: IngestOptions): Promise<IngestRates> {
  const { reports, clusters, reportsEach, rounds } = options;
  const clock = createMovedClock();
  const open = async (name: string, makeFacts?: ReturnType<typeof createFactMaker>): Promise<Side> => {
    const store = await openMongoStore({
      // The path of the engine's address names the database.
      uri: uri.replace(/\/[^/?]*\?/, `/${name}?`),
      appName: 'bench',
      connectTimeoutMs: 5_000,
      storeTimeoutMs: 600_000,
    });
    const ingest = createIngest({
      sink: store,
      clock,
      randomBytes: (count) => randomBytes(count),
      limits: {
        maxPendingReports: 10_000,
        maxPendingBytes: 2 ** 28,
        reportsPerHourPerCluster: 0,
        newClustersPerHourPerAddress: 0,
      },
      ...(makeFacts === undefined ? {} : { makeFacts }),
    });
    const nowMs = clock.now().getTime();
    const times = { fromMs: nowMs - DAY_MS, untilMs: nowMs - 10 * MINUTE_MS };
    await load(store.database(), { reports, clusters, reportsEach: 1, ...times });
    return { store, ingest };
  };
  const plain = await open('plain');
  const counted = await open('counted', createFactMaker());
  try {
    return await alternate(plain, counted, { ...options, clock, reportsEach, rounds });
  } finally {
    await plain.store.close();
    await counted.store.close();
  }
}

async function alternate(
  plain: Side,
  counted: Side,
  { reports, clusters, reportsEach, rounds, clock }: IngestOptions & { readonly clock: MovedClock },
): Promise<IngestRates> {
  const database = (): ReturnType<DatabaseStore['database']> => counted.store.database();
  const logger = { debug: silent, info: silent, warn: silent, error: silent };
  const updateOptions = { database, clock, logger, newId, settings: SETTINGS };
  const { update, status } = createUpdate(updateOptions, new AbortController().signal);
  await update();
  let sent = 0;
  const send = async ({ ingest }: Side): Promise<number> => {
    const bodies = Array.from({ length: reportsEach }, (_, index) => {
      const message = reports.message((sent + index) % clusters, clock.now());
      return toBinary(ReportSchema, { ...message, reportId: '' });
    });
    sent += reportsEach;
    const ms = await timed(() => acceptAll(ingest, bodies));
    return (reportsEach / ms) * 1000;
  };
  const rates = { plain: [] as number[], facts: [] as number[], rollUp: [] as number[], rolledUp: [] as number[] };
  // The first rounds compile the code.
  for (let round = -1; round < rounds; round += 1) {
    clock.move(MINUTE_MS);
    const plainRate = await send(plain);
    // The reports of this round are those of the next one's roll-up.
    const factsRate = await send(counted);
    clock.move(MINUTE_MS);
    const { reports: before } = status();
    const updating = timed(update);
    const rollUpRate = await send(counted);
    const updateMs = await updating;
    if (round < 0) continue;
    rates.rolledUp.push(((status().reports - before) / updateMs) * 1000);
    rates.plain.push(plainRate);
    rates.facts.push(factsRate);
    rates.rollUp.push(rollUpRate);
    showProgress(`ingest: round ${round + 1} of ${rounds}`);
  }
  if (status().failures > 0) throw new Error('a roll-up failed');
  return rates;
}

function silent(): void {
  // A bench prints figures.
}

async function acceptAll(ingest: Ingest, bodies: readonly Uint8Array[]): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    for (;;) {
      const body = bodies[next++];
      if (body === undefined) return;
      const report = fromBinary(ReportSchema, body);
      await ingest.accept({ report }, { origin: { protocol: 'grpc' }, dialect: 'report' });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, run));
}

/** The parts of the plain rate, round by round: the median, the least and the greatest. */
export function ratiosOf(
  plain: readonly number[],
  rates: readonly number[],
): { readonly median: number; readonly least: number; readonly greatest: number } {
  const ratios = rates.map((rate, index) => rate / (plain[index] ?? Number.NaN));
  return { median: rank(ratios, 50), least: Math.min(...ratios), greatest: Math.max(...ratios) };
}
