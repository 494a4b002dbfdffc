import { createHash } from 'node:crypto';
import { toBinary, toJsonString } from '@bufbuild/protobuf';
import type { Db } from 'mongodb';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { createFactMaker } from '../../src/collector/statistics/facts.ts';
import type { openEmbeddedStore } from '../../src/collector/store/embedded.ts';
import type { Reports } from './statistics-reports.ts';

/** Fills a database with the daily reports of clusters, and reads what they take. */

const DAY_MS = 86_400_000;
export const BATCH = 100;
export const makeFacts = createFactMaker();

export type Put = Awaited<ReturnType<typeof openEmbeddedStore>>['put'];

/** What was sent. */
export interface Sent {
  readonly nodes: number;
  readonly protobufBytes: number;
  readonly jsonBytes: number;
}

const uuidOf = (text: string): string => {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

/** Ids are random, as those of real clusters: neighbours in the database have nothing in common. */
export function reportOf(reports: Reports, cluster: number, receivedAt: Date): Report {
  const report = reports.message(cluster, receivedAt);
  const nodes = report.nodes.map((node, index) => ({ ...node, id: uuidOf(`${cluster}/${index}`).replaceAll('-', '') }));
  return { ...report, nodes, clusterId: uuidOf(String(cluster)) };
}

export async function insert(put: Put, reports: readonly Report[], receivedAt: Date): Promise<void> {
  const entries = reports.map((report) => ({
    report,
    receivedAt,
    facts: makeFacts(report, { receivedAt, dialect: 'report' }),
  }));
  const outcomes = await put(entries);
  if (outcomes.some(({ status }) => status !== 'stored')) throw new Error('a report was not stored');
}

/** A day's reports, in batches over the day, in the order of time. */
export async function insertDay(put: Put, reports: Reports, clusters: number, startMs: number): Promise<Sent> {
  let [nodes, protobufBytes, jsonBytes] = [0, 0, 0];
  for (let first = 0; first < clusters; first += BATCH) {
    const receivedAt = new Date(startMs + (first / clusters) * DAY_MS);
    const batch = Array.from({ length: Math.min(BATCH, clusters - first) }, (_, index) =>
      reportOf(reports, first + index, receivedAt),
    );
    for (const report of batch) {
      nodes += report.nodes.length;
      protobufBytes += toBinary(ReportSchema, report).length;
      jsonBytes += toJsonString(ReportSchema, report).length;
    }
    await insert(put, batch, receivedAt);
  }
  return { nodes, protobufBytes, jsonBytes };
}

/** In bytes. */
export interface Sizes {
  readonly count: number;
  /** As BSON. */
  readonly size: number;
  /** On disk. */
  readonly storageSize: number;
  readonly indexSizes: Readonly<Record<string, number>>;
}

export async function sizesOf(db: Db, name: string): Promise<Sizes> {
  const [stats] = await db
    .collection(name)
    .aggregate([{ $collStats: { storageStats: {} } }])
    .toArray();
  return stats?.['storageStats'] as Sizes;
}
