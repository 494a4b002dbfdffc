import { readFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';

import { type AggregationCursor, type Collection, type FindCursor, MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { collectorCommand } from '../src/cli/collector.ts';
import type { Command } from '../src/cli/command.ts';
import { flagsTable } from '../src/cli/flags-page.ts';
import { volunteerCommand } from '../src/cli/volunteer.ts';
import type { ReportDocument } from '../src/report/document.ts';
import type { ReportStore } from '../src/report/ports.ts';
import { openStore } from '../src/store/open.ts';
import { makeReport } from './contract/report-sink.ts';
import { makeTestDatabase, type TestDatabase } from './support/database.ts';

const README = new URL('../README.md', import.meta.url);
const readme = await readFile(README, 'utf8');
const COMMANDS: readonly Command[] = [collectorCommand, volunteerCommand];

test('the README lists the flags of every command (npm run docs writes them)', async () => {
  const generated = readme.replaceAll(/(<!-- flags: (\w+) -->\n)[^]*?(<!-- \/flags -->)/g, (_match, start: string, name: string, end: string) => {
    const command = COMMANDS.find((candidate) => candidate.name === name);
    return `${start}\n${flagsTable(command?.flags ?? {})}\n\n${end}`;
  });

  expect([...generated.matchAll(/<!-- flags: (\w+) -->/g)].map(([, name]) => name)).toStrictEqual(COMMANDS.map(({ name }) => name));
  await expect(generated).toMatchFileSnapshot(README.pathname);
});

/** Clusters of which nobody knows whether there are any. */
const HELD = ['held-1', 'held-2'];

let database: TestDatabase;
let store: ReportStore;
let client: MongoClient;
let reports: Collection<ReportDocument>;

beforeAll(async () => {
  database = await makeTestDatabase();
  store = await openStore(database.spec, { appName: 'spartakus-test', storeTimeoutMs: 10_000, stdout: process.stdout });
  client = await new MongoClient(await database.uri()).connect();
  reports = await database.reports();
  const now = Date.now();
  const report = (clusterId: string, masterVersion: string, nodes: readonly string[], daysAgo: number) => {
    const made = makeReport();
    made.clusterId = clusterId;
    made.masterVersion = masterVersion;
    made.nodes = nodes.map((runtime, index) => ({
      $typeName: 'spartakus.report.v1.Node',
      id: `n${index}`,
      containerRuntimeVersion: runtime,
      capacity: [],
    }));
    return { report: made, receivedAt: new Date(now - daysAgo * 24 * 3_600_000) };
  };
  const example = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
  await store.put([
    report(example, 'v1.30.0', ['docker://1'], 3),
    report(example, 'v1.31.4', ['containerd://1', 'containerd://1', 'cri-o://1'], 1),
    report('b', 'v1.31.4', ['containerd://1'], 2),
    report('c', 'v1.29.0', ['docker://1'], 6.9),
    report('gone', 'v1.3.5', ['docker://1'], 8),
    ...HELD.map((clusterId) => ({ ...report(clusterId, 'v9.9.9', ['docker://9'], 1), quarantined: true as const })),
    ...Array.from({ length: 200 }, (_, index) => report(`old-${index}`, 'v1.3.5', [], 30 + index)),
  ]);
});

afterAll(async () => {
  await client.close();
  await database.remove(() => store.close());
});

const RELEASE = 'Somebody who looked at them and found them good releases them, and their clusters are known from then on';

type Query = FindCursor<ReportDocument> | AggregationCursor<ReportDocument>;

/** The queries of the README, as mongosh would run them. */
const queries = [...readme.matchAll(/^([^\n]+):\n\n```js\n([^]*?)```/gm)].map(([, title = '', code = '']) => ({
  title,
  run: (db: { readonly reports: Collection<ReportDocument> }) => runInNewContext(code, { db, Date }) as Query,
})).filter(({ title }) => title !== RELEASE);

const ANSWERS: Readonly<Record<string, unknown>> = {
  'The last report of a cluster': [expect.objectContaining({ masterVersion: 'v1.31.4' })],
  'How many clusters reported in the last seven days': [{ clusters: 3 }],
  'Kubernetes versions by clusters, each cluster by its last report': [
    { _id: 'v1.31.4', clusters: 2 },
    { _id: 'v1.29.0', clusters: 1 },
  ],
  'Container runtimes by nodes, each cluster by its last report': [
    { _id: 'containerd://1', nodes: 3 },
    { _id: 'cri-o://1', nodes: 1 },
    { _id: 'docker://1', nodes: 1 },
  ],
  'stored with `quarantined: true`, and the queries above leave them out. What is held, by the hour in which it came': [
    { _id: expect.any(Date) as Date, reports: 2, clusters: 2 },
  ],
};

test('every query of the README is tested here', () => {
  expect(queries.map(({ title }) => title)).toStrictEqual(Object.keys(ANSWERS));
});

test.each(queries)('$title: the query answers it, by an index', async ({ title, run }) => {
  await expect(run({ reports }).toArray()).resolves.toStrictEqual(ANSWERS[title]);

  const plan = JSON.stringify(await run({ reports }).explain());
  expect(plan).toContain('IXSCAN');
  expect(plan).not.toContain('COLLSCAN');
});

test('what is released is in quarantine no more, and its cluster is known', async () => {
  await expect(store.knows('held-1')).resolves.toBe(false);
  const code = readme.slice(readme.indexOf(RELEASE)).match(/```js\n([^]*?)```/)?.[1] ?? '';

  await (runInNewContext(code, { db: { reports }, Date }) as Promise<unknown>);

  await expect(reports.countDocuments({ quarantined: true })).resolves.toBe(0);
  await expect(store.knows('held-1')).resolves.toBe(true);
  await expect(store.knows('nobody')).resolves.toBe(false);
});
