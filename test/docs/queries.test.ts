import { readFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type AggregationCursor, type Collection, type FindCursor, MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { parseDatabase } from '../../src/collector/store/database-spec.ts';
import { openStore } from '../../src/collector/store/open.ts';
import type { ReportStore } from '../../src/report/report-sink.ts';
import type { StoredDocument } from '../../src/report/stored-document.ts';
import { makeTestDatabase, type TestDatabase } from '../support/database.ts';
import { makeReport } from '../support/reports.ts';

const page = await readFile(new URL('../../docs/queries.md', import.meta.url), 'utf8');

/** Clusters whose reports are in quarantine. */
const QUARANTINED = ['quarantined-1', 'quarantined-2'];

let database: TestDatabase;
let store: ReportStore;
let client: MongoClient;
let db: Readonly<Record<'reports' | 'kubermaticRecords', Collection<StoredDocument>>>;

beforeAll(async () => {
  database = await makeTestDatabase();
  store = await openStore(parseDatabase(database.spec), {
    appName: 'spartakus-test',
    storeTimeoutMs: 10_000,
    stdout: process.stdout,
  });
  // As `mongosh "$(cat spartakus-data/mongodb-uri)"` connects.
  const uri = await database.uri();
  client = await new MongoClient(uri).connect();
  const opened = client.db(/^mongodb(?:\+srv)?:\/\/[^/?]+\/([^?]+)/.exec(uri)?.[1] ?? 'spartakus');
  db = { reports: opened.collection('reports'), kubermaticRecords: opened.collection('kubermaticRecords') };
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
  const datacenter = (provider: string, region: string) => ({ uuid: `${provider}-${region}`, provider, region });
  const record = (clientUuid: string, daysAgo: number, content: MessageInitShape<typeof RecordSchema>) => ({
    kubermaticRecord: create(RecordSchema, {
      kind: 'kubermatic',
      clientUuid,
      reportId: makeReport().reportId,
      ...content,
    }),
    receivedAt: new Date(now - daysAgo * 24 * 3_600_000),
  });
  const cluster = (version: string, opa: boolean, mla: boolean) => ({
    uuid: version,
    kubernetesServerVersion: version,
    opaIntegrationEnabled: opa,
    mla: { monitoringEnabled: false, loggingEnabled: mla },
  });
  await store.put([
    record('one', 2, {
      kubermaticVersion: 'v2.27.0',
      seeds: [{ uuid: 's', datacenters: [datacenter('gcp', 'gone')] }],
      clusters: [cluster('v1.1.1', true, true)],
    }),
    record('one', 1, {
      kubermaticVersion: 'v2.28.0',
      seeds: [
        { uuid: 's', datacenters: [datacenter('aws', 'eu-central-1'), datacenter('hetzner', 'fsn1')] },
        { uuid: 't', datacenters: [datacenter('aws', 'eu-central-1')] },
      ],
      clusters: [cluster('v1.31.4', true, false), cluster('v1.31.4', false, true), cluster('v1.30.0', false, false)],
      userCount: 40,
      administratorCount: 2,
      projectCount: 7,
      sshKeyCount: 12,
      projectSshKeyCount: 9,
    }),
    record('two', 3, {
      kubermaticVersion: 'v2.28.0',
      seeds: [{ uuid: 'u', datacenters: [datacenter('aws', 'us-east-1')] }],
      users: [
        { uuid: 'a', isAdmin: true },
        { uuid: 'b', isAdmin: false },
      ],
      projects: [{ uuid: 'p' }],
      clusters: [cluster('v1.31.4', true, false)],
    }),
    record('old', 9, {
      kubermaticVersion: 'v2.0.0',
      seeds: [{ uuid: 'v', datacenters: [datacenter('azure', 'x')] }],
      clusters: [cluster('v1.0.0', true, true)],
    }),
    {
      ...record('quarantined', 1, {
        seeds: [{ uuid: 'w', datacenters: [datacenter('fake', 'y')] }],
        clusters: [cluster('v9.9.9', true, true)],
      }),
      quarantined: true as const,
    },
    ...Array.from({ length: 200 }, (_, index) => record(`old-${index}`, 30 + index, {})),
  ]);
  const example = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
  await store.put([
    report(example, 'v1.30.0', ['docker://1'], 3),
    report(example, 'v1.31.4', ['containerd://1', 'containerd://1', 'cri-o://1'], 1),
    report('b', 'v1.31.4', ['containerd://1'], 2),
    report('c', 'v1.29.0', ['docker://1'], 6.9),
    report('gone', 'v1.3.5', ['docker://1'], 8),
    ...QUARANTINED.map((clusterId) => ({
      ...report(clusterId, 'v9.9.9', ['docker://9'], 1),
      quarantined: true as const,
    })),
    ...Array.from({ length: 200 }, (_, index) => report(`old-${index}`, 'v1.3.5', [], 30 + index)),
  ]);
});

afterAll(async () => {
  await client.close();
  await database.remove(() => store.close());
});

const RELEASE = 'After a review, release the reports of the last seven days, which also makes their clusters known';

type Query = FindCursor<StoredDocument> | AggregationCursor<StoredDocument>;

/** The queries of docs/queries.md, as mongosh would run them. */
const queries = [...page.matchAll(/(?<=\n\n)((?:[^\n]+\n)*[^\n]+):\n\n```js\n([^]*?)```/gm)]
  .map(([, title = '', code = '']) => ({
    title: title.replaceAll('\n', ' '),
    run: () => runInNewContext(code, { db, Date }) as Query,
  }))
  .filter(({ title }) => title !== RELEASE);

const ANSWERS: Readonly<Record<string, unknown>> = {
  'The last report of a cluster': [expect.objectContaining({ masterVersion: 'v1.31.4' })],
  'The number of clusters that reported in the last seven days': [{ clusters: 3 }],
  'Kubernetes versions by number of clusters, from the last report of each cluster': [
    { _id: 'v1.31.4', clusters: 2 },
    { _id: 'v1.29.0', clusters: 1 },
  ],
  'Container runtimes by number of nodes, from the last report of each cluster': [
    { _id: 'containerd://1', nodes: 3 },
    { _id: 'cri-o://1', nodes: 1 },
    { _id: 'docker://1', nodes: 1 },
  ],
  'Cloud providers and their regions by number of datacenters': [
    { _id: { provider: 'aws', region: 'eu-central-1' }, datacenters: 2 },
    { _id: { provider: 'aws', region: 'us-east-1' }, datacenters: 1 },
    { _id: { provider: 'hetzner', region: 'fsn1' }, datacenters: 1 },
  ],
  'The share of user clusters with OPA integration, and with monitoring or logging (MLA)': [
    { _id: null, clusters: 4, opa: 0.5, mla: 0.25 },
  ],
  'Kubernetes versions of user clusters by Kubermatic version': [
    { _id: { kubermatic: 'v2.28.0', kubernetes: 'v1.31.4' }, clusters: 3 },
    { _id: { kubermatic: 'v2.28.0', kubernetes: 'v1.30.0' }, clusters: 1 },
  ],
  "The users, administrators, projects and SSH keys of all installations. Kubermatic's own agents send lists and no counts":
    [{ _id: null, installations: 2, users: 42, administrators: 3, projects: 8, sshKeys: 12 }],
  'Reports in quarantine by the hour in which the collector received them': [
    { _id: expect.any(Date) as Date, reports: 2, clusters: 2 },
  ],
};

test('every query of the page has an expected answer', () => {
  expect(queries.map(({ title }) => title)).toStrictEqual(Object.keys(ANSWERS));
});

test.each(queries)('$title: the query gives the answer and uses an index', async ({ title, run }) => {
  await expect(run().toArray()).resolves.toStrictEqual(ANSWERS[title]);

  const plan = JSON.stringify(await run().explain());
  expect(plan).toContain('IXSCAN');
  expect(plan).not.toContain('COLLSCAN');
});

test('the update releases reports from quarantine and makes their clusters known', async () => {
  await expect(store.hasReportsFrom('quarantined-1')).resolves.toBe(false);
  const code = page.slice(page.indexOf(RELEASE)).match(/```js\n([^]*?)```/)?.[1] ?? '';

  await (runInNewContext(code, { db, Date }) as Promise<unknown>);

  await expect(db.reports.countDocuments({ quarantined: true })).resolves.toBe(0);
  await expect(store.hasReportsFrom('quarantined-1')).resolves.toBe(true);
  await expect(store.hasReportsFrom('unknown')).resolves.toBe(false);
});
