import { readFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import { create } from '@bufbuild/protobuf';
import type { Collection, FindCursor } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { eraseCommand } from '../../src/cli/stats.ts';
import { parseDatabase } from '../../src/collector/store/database-spec.ts';
import { openStore } from '../../src/collector/store/open.ts';
import type { ReportStore } from '../../src/report/report-sink.ts';
import type { StoredDocument } from '../../src/report/stored-document.ts';
import { makeTestDatabase, type TestDatabase } from '../support/database.ts';
import { makeReport } from '../support/reports.ts';
import { runCommand } from '../support/run-command.ts';

const page = await readFile(new URL('../../docs/privacy.md', import.meta.url), 'utf8');
const EXAMPLE = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
const DAY_MS = 24 * 3_600_000;

let database: TestDatabase;
let store: ReportStore;
let db: Readonly<Record<'reports' | 'kubermaticRecords' | 'clusters', Collection<StoredDocument>>>;

const open = (spec: string): Promise<ReportStore> =>
  openStore(parseDatabase(spec), { appName: 'spartakus-test', storeTimeoutMs: 10_000, stdout: process.stdout });

beforeAll(async () => {
  database = await makeTestDatabase();
  store = await open(database.spec);
  const opened = await database.db();
  db = {
    reports: opened.collection('reports'),
    kubermaticRecords: opened.collection('kubermaticRecords'),
    clusters: opened.collection('clusters'),
  };
});

afterAll(() => database.remove(() => store.close()));

/** The example cluster and another one, each with a new and an old report and record. */
beforeEach(async () => {
  await Promise.all(Object.values(db).map((collection) => collection.deleteMany({})));
  await db.clusters.insertMany([EXAMPLE, 'other'].map((_id) => ({ _id, receivedAt: new Date() })));
  await store.put(
    [EXAMPLE, 'other'].flatMap((id) =>
      [1, 400].flatMap((daysAgo) => {
        const receivedAt = new Date(Date.now() - daysAgo * DAY_MS);
        const report = makeReport();
        report.clusterId = id;
        report.extensions = [{ $typeName: 'spartakus.report.v1.Extension', name: 'example.com/owner', value: 'jane' }];
        const { reportId } = makeReport();
        const kubermaticRecord = create(RecordSchema, { kind: 'kubermatic', clientUuid: id, reportId });
        return [
          { report, receivedAt },
          { kubermaticRecord, receivedAt },
        ];
      }),
    ),
  );
});

/** The commands of each code block, one per line, as mongosh would run them. */
const blocks = [...page.matchAll(/([^\n]+)\n\n```js\n([^]*?)```/g)].map(([, title = '', code = '']) => ({
  title,
  commands: code.trim().split('\n'),
}));

function blockAfter(words: string): readonly string[] {
  const found = blocks.filter(({ title }) => title.includes(words));
  expect(found.map(({ title }) => title)).toHaveLength(1);
  return found[0]?.commands ?? [];
}

const run = (command: string): unknown => runInNewContext(command, { db, Date });
async function runAll(commands: readonly string[]): Promise<void> {
  expect(commands).not.toHaveLength(0);
  for (const command of commands) await run(command);
}

/** The documents of the example cluster and of the other one that are left. */
const left = async (): Promise<Readonly<Record<string, unknown>>> => ({
  example: await db.reports.countDocuments({ clusterID: EXAMPLE }),
  exampleRecords: await db.kubermaticRecords.countDocuments({ clientUUID: EXAMPLE }),
  others: await db.reports.countDocuments({ clusterID: 'other' }),
  otherRecords: await db.kubermaticRecords.countDocuments({ clientUUID: 'other' }),
  clusters: await db.clusters.distinct('_id'),
});

test('every code block of the page is tested', () => {
  expect(blocks).toHaveLength(2);
  expect([...page.matchAll(/^```\w/gm)]).toHaveLength(3);
});

test('access: the commands print all documents of a cluster', async () => {
  const found = await Promise.all(
    blockAfter('Access').map((command) => (run(command) as FindCursor<StoredDocument>).toArray()),
  );

  expect(found.map(({ length }) => length)).toStrictEqual([2, 2, 1]);
  expect(found.flat().every((document) => JSON.stringify(document).includes(EXAMPLE))).toBe(true);
});

test('correction: the command removes the extensions of a cluster', async () => {
  await runAll(blockAfter('Correction'));

  await expect(db.reports.countDocuments({ clusterID: EXAMPLE, extensions: { $exists: true } })).resolves.toBe(0);
  await expect(db.reports.countDocuments({ clusterID: 'other', extensions: { $exists: true } })).resolves.toBe(2);
});

test('erasure: the command deletes all documents of a cluster, and no others', async () => {
  const [, clusterId = ''] = /```sh\nspartakus erase (\S+)\n```/.exec(page) ?? [];
  const { code, stdout } = await runCommand(eraseCommand, [`--database=${database.spec}`, clusterId]);
  expect([code, stdout]).toStrictEqual([0, `"${EXAMPLE}": 4 reports deleted\n`]);

  await expect(left()).resolves.toStrictEqual({
    example: 0,
    exampleRecords: 0,
    others: 2,
    otherRecords: 2,
    clusters: ['other'],
  });
});
