import { timestampNow } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eraseCommand, statsCommand, statsRebuildCommand } from '../../src/cli/stats.ts';
import type { DayPoint } from '../../src/collector/statistics/day-point.ts';
import { POINTS } from '../../src/collector/statistics/point-store.ts';
import { startCollectorOn } from '../support/collector.ts';
import { makeTestDatabase, type TestDatabase } from '../support/database.ts';
import { PROTOCOL_CLIENTS } from '../support/protocols.ts';
import { makeReport } from '../support/reports.ts';
import { runCommand } from '../support/run-command.ts';

const CLUSTERS = 12;

let database: TestDatabase;
let collector: Awaited<ReturnType<typeof startCollectorOn>>;

const run = (command: typeof statsCommand, ...argv: string[]) =>
  runCommand(command, [`--database=${database.spec}`, ...argv]);

beforeAll(async () => {
  database = await makeTestDatabase();
  // Statistics are computed by the commands alone.
  collector = await startCollectorOn(database.spec);
  const [protocol] = PROTOCOL_CLIENTS;
  const client = protocol!.open(collector.url);
  for (let index = 0; index < CLUSTERS; index += 1)
    await client.send({
      ...makeReport(),
      clusterId: `cluster-${index}`,
      masterVersion: 'v1.37.1',
      // The commands count the days until today.
      observedAt: timestampNow(),
    });
  client.close();
});

afterAll(() => database.remove(() => collector.close()));

/** The last one that was rebuilt. */
let lastDay: string | undefined;

describe('spartakus stats', () => {
  test('says where there are no statistics yet', async () => {
    const { code, stdout } = await run(statsCommand);
    expect([code, stdout]).toStrictEqual([
      0,
      'There are no statistics yet: they are computed a minute after the first report.\n',
    ]);
  });

  test('rebuild counts the stored reports beside a running collector', async () => {
    const { code, stdout, stderr } = await run(statsRebuildCommand);
    expect([code, stdout]).toStrictEqual([0, 'The statistics are rebuilt.\n']);
    expect(stderr).toMatch(/^[\d,]+ of 12 reports\n/);
    const points = (await database.db()).collection<DayPoint>(POINTS);
    const last = await points.findOne({}, { sort: { _id: -1 } });
    expect(last?.clusters).toBe(CLUSTERS);
    lastDay = last?._id;
  });

  test('prints a question as a table', async () => {
    const { stdout } = await run(statsCommand, 'masterVersion');
    expect(stdout).toContain(
      'Which versions of Kubernetes are in use? (masterVersion)\n  12 of 12 clusters report this.\n',
    );
    expect(stdout).toMatch(/^ {2}1\.37 +12 +100%$/m);
  });

  test('--fine prints whole versions, and --smallest-group hides larger groups', async () => {
    expect((await run(statsCommand, 'masterVersion', '--fine')).stdout).toMatch(/^ {2}v1\.37\.1 +12 +100%$/m);
    expect((await run(statsCommand, 'masterVersion', '--smallest-group=13')).stdout).toContain(
      'Fewer than 13 clusters report this.',
    );
  });

  test('--json prints the response of the service', async () => {
    const { stdout } = await run(statsCommand, 'masterVersion', '--json', '--since=30d');
    const { answers, days } = JSON.parse(stdout) as { days: string[]; answers: { groups: { value: string }[] }[] };
    expect([days.at(-1), answers[0]?.groups[0]?.value]).toStrictEqual([lastDay, '1.37']);
  });

  test('--list names every question', async () => {
    expect((await run(statsCommand, '--list')).stdout).toMatch(/^nodes\.osImage +Which distributions do nodes run\?$/m);
  });

  test.each([
    [['nodes.name'], 1, 'there is no question "nodes.name"'],
    [['--since=yesterday'], 2, '--since "yesterday" is not a day'],
    [['--smallest-group=2'], 2, '--smallest-group "2" is not a number: use a whole one from 3'],
  ])('rejects %j', async (argv, code, message) => {
    const said = await run(statsCommand, ...argv);
    expect(said.code).toBe(code);
    expect(said.stderr).toContain(message);
  });
});

describe('spartakus erase', () => {
  test('deletes every report of a cluster', async () => {
    const { code, stdout } = await run(eraseCommand, 'cluster-3', 'nobody');
    expect([code, stdout]).toStrictEqual([0, '"cluster-3": 1 report deleted\n"nobody": 0 reports deleted\n']);
    await expect((await database.reports()).countDocuments({ clusterID: 'cluster-3' })).resolves.toBe(0);
    await run(statsRebuildCommand);
    expect((await run(statsCommand, 'masterVersion')).stdout).toContain('11 of 11 clusters report this.');
  });

  test('needs the id of a cluster', async () => {
    const { code, stderr } = await run(eraseCommand);
    expect(code).toBe(2);
    expect(stderr).toContain('name the ids of the clusters to erase');
  });
});
