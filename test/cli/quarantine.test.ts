import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { quarantineDropCommand, quarantineListCommand, quarantineReleaseCommand } from '../../src/cli/quarantine.ts';
import { createQuarantineStore } from '../../src/collector/store/quarantine-store.ts';
import type { StoredDocument } from '../../src/report/stored-document.ts';
import { startCollectorOn } from '../support/collector.ts';
import { makeTestDatabase, type TestDatabase } from '../support/database.ts';
import { withFiles } from '../support/files.ts';
import { startProgram } from '../support/program.ts';
import { runCommand } from '../support/run-command.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = Math.floor(Date.now() / 1000) * 1000;

let database: TestDatabase;
let collector: Awaited<ReturnType<typeof startCollectorOn>>;

beforeAll(async () => {
  database = await makeTestDatabase();
  collector = await startCollectorOn(database.spec, { limits: { newClustersPerHourPerAddress: 1 } });
});

afterAll(() => database.remove(() => collector.close()));

beforeEach(async () => {
  for (const name of ['reports', 'kubermaticRecords']) await (await database.db()).collection(name).deleteMany({});
});

const run = (command: typeof quarantineListCommand, ...argv: string[]) =>
  runCommand(command, [`--database=${database.spec}`, ...argv]);

/** A report in quarantine that was received so many hours ago; one of Kubermatic's records where `idField` says so. */
const documentOf = (id: string, hoursAgo: number, fields: object = {}, idField = 'clusterID'): StoredDocument => ({
  _id: `${id}-${hoursAgo}`,
  [idField]: id,
  receivedAt: new Date(NOW_MS - hoursAgo * HOUR_MS),
  quarantined: true,
  ...fields,
});

async function fill(): Promise<void> {
  const records = (await database.db()).collection<StoredDocument>('kubermaticRecords');
  await (
    await database.reports()
  ).insertMany([
    documentOf('a', 1, { receivedFrom: '192.0.2.2:1' }),
    documentOf('a', 30, { receivedFrom: '192.0.2.1:1' }),
    documentOf('a', 60),
    documentOf('b', 2),
  ]);
  const { quarantined: _quarantined, ...counted } = documentOf('good', 1);
  await (await database.reports()).insertOne(counted);
  await records.insertOne(documentOf('k', 3, {}, 'clientUUID'));
}

const marked = async (): Promise<unknown[]> =>
  (await (await database.reports()).find({ quarantined: true }).sort({ _id: 1 }).toArray()).map(({ _id }) => _id);

describe('list', () => {
  test('shows each cluster with its reports, times, kind and recorded address', async () => {
    await fill();

    const { code, stdout } = await run(quarantineListCommand);

    expect(code).toBe(0);
    const rows = stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
    const at = (hoursAgo: number): string => `${new Date(NOW_MS - hoursAgo * HOUR_MS).toISOString().slice(0, 19)}Z`;
    expect(rows).toStrictEqual([
      ['CLUSTER ID', 'REPORTS', 'FIRST RECEIVED', 'LAST RECEIVED', 'KIND', 'RECEIVED FROM'],
      ['a', '3', at(60), at(1), 'report', '192.0.2.2:1'],
      ['b', '1', at(2), at(2), 'report', '-'],
      ['k', '1', at(3), at(3), 'kubermatic', '-'],
      [''],
      ['3 clusters with 5 reports in quarantine.'],
      [''],
    ]);
  });

  test('prints JSON, a part of the clusters, or those of some ids and some time', async () => {
    await fill();

    const json = await run(quarantineListCommand, '--json', '--since=24h', 'a');
    const part = await run(quarantineListCommand, '--limit', '1');

    expect(JSON.parse(json.stdout)).toStrictEqual({
      clusterId: 'a',
      kind: 'report',
      reports: 1,
      firstReceivedAt: new Date(NOW_MS - HOUR_MS).toISOString(),
      lastReceivedAt: new Date(NOW_MS - HOUR_MS).toISOString(),
      receivedFrom: '192.0.2.2:1',
    });
    expect(part.stdout).toContain('3 clusters with 5 reports in quarantine. --limit 0 lists the other 2 too.');
    expect(part.stdout.split('\n')).toHaveLength(5);
  });

  test('an empty quarantine is said, and a cluster id cannot control the terminal', async () => {
    await expect(run(quarantineListCommand)).resolves.toMatchObject({ stdout: 'No reports are in quarantine.\n' });
    const id = 'x\u001b[2J\u009b1m\u202e\r\n';
    await (await database.reports()).insertOne(documentOf(id, 1));

    const shown = await run(quarantineListCommand);
    const json = await run(quarantineListCommand, '--json');

    expect(shown.stdout).toContain(String.raw`x\u001b[2J\u009b1m\u202e\u000d\u000a  `);
    expect(`${shown.stdout}${json.stdout}`.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
    expect((JSON.parse(json.stdout) as { clusterId: string }).clusterId).toBe(id);
  });
});

describe('release', () => {
  test('counts the reports of the clusters that are named, and again none', async () => {
    await fill();

    const first = await run(quarantineReleaseCommand, 'a', 'k', 'unknown');
    const second = await run(quarantineReleaseCommand, 'a', '--json');

    expect(first).toMatchObject({ code: 0, stdout: 'Released 4 reports.\n' });
    expect(second).toMatchObject({ code: 0, stdout: '{"released":0}\n' });
    await expect(marked()).resolves.toStrictEqual(['b-2']);
  });

  test('counts what was received since a time, or all, and works in batches', async () => {
    await fill();
    await expect(run(quarantineReleaseCommand, '--since', '24h')).resolves.toMatchObject({
      stdout: 'Released 3 reports.\n',
    });
    await expect(marked()).resolves.toStrictEqual(['a-30', 'a-60']);
    const many = Array.from({ length: 2_500 }, (_, index) => documentOf(`many-${index}`, 1));
    await (await database.reports()).insertMany(many);
    const batches: number[] = [];
    const store = createQuarantineStore(await database.db());
    for await (const count of store.release({}, new AbortController().signal)) batches.push(count);

    expect(batches).toStrictEqual([1_000, 1_000, 502]);
    const stopped = store.drop({}, AbortSignal.abort());
    await expect(stopped.next()).resolves.toMatchObject({ done: true });
    await expect(run(quarantineReleaseCommand, '--all')).resolves.toMatchObject({ stdout: 'Released 0 reports.\n' });
  });

  test('a cluster that is released counts from its next report on, with the collector running', async () => {
    const send = async (clusterID: string): Promise<unknown> => {
      const body = JSON.stringify({ clusterID });
      const headers = { 'content-type': 'application/json' };
      await fetch(`${collector.url}/api/v1`, { method: 'POST', headers, body });
      const newest = await (await database.reports()).find({ clusterID }).sort({ receivedAt: -1 }).limit(1).toArray();
      return newest[0]?.quarantined;
    };
    await send('first');
    await expect(send('late')).resolves.toBe(true);

    await run(quarantineReleaseCommand, 'late');

    await expect(send('late')).resolves.toBeUndefined();
    await expect(marked()).resolves.toStrictEqual([]);
  });
});

describe('drop', () => {
  const dropOn = (answer: string | undefined, ...argv: string[]) =>
    runCommand(quarantineDropCommand, [`--database=${database.spec}`, ...argv], {}, () =>
      Object.assign(new PassThrough().end(answer), { isTTY: answer !== undefined }),
    );

  test('deletes after "yes" on a terminal, or with --yes, and only what is in quarantine', async () => {
    await fill();

    const declined = await dropOn('y\n', '--all');
    const ended = await dropOn('', '--all');
    const nobody = await dropOn(undefined, '--all');
    expect([declined.code, ended.code, nobody.code]).toStrictEqual([1, 1, 2]);
    expect(declined.stderr).toContain('Delete 5 reports? Type "yes": Nothing was deleted.');
    expect(nobody.stderr).toMatch(/give --yes/);
    await expect(marked()).resolves.toHaveLength(4);

    await expect(dropOn('yes\n', 'b')).resolves.toMatchObject({ code: 0, stdout: 'Deleted 1 report.\n' });
    await expect(run(quarantineDropCommand, '--all', '--yes', '--json')).resolves.toMatchObject({
      code: 0,
      stdout: '{"deleted":4}\n',
    });
    await expect(run(quarantineDropCommand, '--all')).resolves.toMatchObject({ stdout: 'Deleted 0 reports.\n' });
    await expect((await database.reports()).distinct('clusterID')).resolves.toStrictEqual(['good']);
  });
});

test.each([
  [[], /no reports are selected: give cluster ids, --since, or --all/],
  [['--all', 'a'], /--all and cluster ids select different reports/],
  [['--since=yesterday'], /"yesterday" is not a time/],
  [['--database=stdout', '--all'], /stdout: stores nothing/],
])('flags that make no sense are errors: %j', async (argv, message) => {
  const { code, stderr } = await runCommand(quarantineReleaseCommand, argv);

  expect(code).toBeGreaterThan(0);
  expect(stderr).toMatch(message);
});

test('environment variables do not select reports', async () => {
  const env = { SPARTAKUS_ALL: 'true', SPARTAKUS_YES: 'true', SPARTAKUS_SINCE: '1h' };

  await expect(runCommand(quarantineDropCommand, [], env)).resolves.toMatchObject({ code: 2 });
});

test('a directory without a database is an error, and stays empty', async () => {
  await withFiles({ 'other/notes.txt': '' }, async (dir) => {
    const { code, stderr } = await runCommand(quarantineListCommand, [`--database=embedded:${dir}/other`]);

    expect(code).toBe(1);
    expect(stderr).toMatch(/there is no database in this directory/);
  });
});

test('without a collector, the command opens the embedded engine itself, and closes it', async () => {
  const other = await makeTestDatabase();
  const runProgram = async (...args: string[]): Promise<string> => {
    const { ended } = startProgram([...args, '--database', other.spec]);
    const { code, stdout, stderr } = await ended;
    return code === 0 ? stdout : stderr;
  };
  const program = startProgram([
    'collector',
    '--port=0',
    '--console-listen=off',
    '--max-new-clusters=1',
    '--database',
    other.spec,
  ]);
  const [, url = ''] = await program.says(/"url":"([^"]+)"/);
  for (const clusterID of ['a', 'b', 'c'])
    await fetch(`${url}/api/v1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ clusterID }),
    });
  // The file mongodb-uri stays, and leads nowhere.
  program.process.kill('SIGKILL');
  await program.ended;

  await expect(runProgram('quarantine', 'list')).resolves.toMatch(/\n\n2 clusters with 2 reports in quarantine\.\n$/);
  await other.remove(() => Promise.resolve());
});
