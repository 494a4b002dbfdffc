import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { fromJson } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { WAYS_IN } from '../contract/protocols.ts';
import { makeTestDatabase, type TestDatabase } from '../support/database.ts';
import { withFiles } from '../support/files.ts';
import {
  type KubeApi,
  openServiceAccount,
  readFixture,
  type ServiceAccount,
  startKubeApi,
} from '../support/kube-api.ts';
import { type Program, runProgram, startProgram } from '../support/program.ts';

/** Everything real but the cluster: the collector's program on MongoDB's engine, the volunteer's program, TLS, gRPC. */
let database: TestDatabase;
let collector: Program;
let host: string;
let api: KubeApi;
let account: ServiceAccount;

beforeAll(async () => {
  [database, api, account] = await Promise.all([makeTestDatabase(), startKubeApi(), openServiceAccount()]);
  collector = startProgram([
    'collector',
    '--port=0',
    '--console-listen=off',
    '--host=127.0.0.1',
    `--database=${database.spec}`,
  ]);
  const [, url = ''] = await collector.says(/"url":"http:\/\/([^"]+)"/);
  host = url;
});

beforeEach(async () => {
  await (await database.reports()).deleteMany({});
});

afterAll(async () => {
  await database.remove(async () => {
    collector.process.kill('SIGTERM');
    await collector.ended;
  });
  await Promise.all([api.close(), account.close()]);
});

const CLUSTER_ID = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
const volunteer = (...args: string[]) =>
  runProgram(
    ['volunteer', `--cluster-id=${CLUSTER_ID}`, '--period=0', `--service-account-dir=${account.dir}`, ...args],
    { ...api.env },
  );

/** What the original volunteer put on the wire for the same cluster. */
async function originalReport(): Promise<Record<string, unknown>> {
  return JSON.parse((await readFixture('legacy/spartakus-volunteer-report.json')).toString()) as Record<
    string,
    unknown
  >;
}

describe('a volunteer reads a Kubernetes API with its service account and reports to a collector', () => {
  test.each(['grpc', 'http'])(
    'over %s: the nodes in the database are those that the original volunteer reported, ids aside',
    async (scheme) => {
      const { timestamp: _timestamp, nodes, version, ...original } = await originalReport();
      await withFiles(
        { 'extensions.json': '{"example.com/hello": "world", "example.com/foo": "bar"}' },
        async (dir) => {
          const { code, stderr } = await volunteer(
            `--database=${scheme}://${host}`,
            `--extensions=${path.join(dir, 'extensions.json')}`,
          );
          expect(stderr).toContain('The report is stored.');
          expect(code).toBe(0);
        },
      );
      const documents = await (await database.reports()).find().toArray();

      expect(documents).toHaveLength(1);
      const [stored] = documents;
      const storedNodes = stored?.['nodes'] as { id: string }[];
      const withoutIds = (list: unknown) => (list as { id: string }[]).map(({ id: _id, ...fields }) => fields);
      expect(stored).toMatchObject(original);
      expect(withoutIds(storedNodes)).toStrictEqual(withoutIds(nodes));
      expect(Number(stored?.['timestamp'])).toBeCloseTo(Date.now() / 1000, -2);
      expect(storedNodes.filter(({ id }) => !/^[0-9a-f]{32}$/.test(id))).toStrictEqual([]);
      expect(version).toBe('v1.1.0');
      expect(stored?.['version']).toMatch(/^v2\./);
    },
  );

  test('twice: two reports of the same cluster with the same node ids, which tell nothing of the nodes', async () => {
    await volunteer(`--database=grpc://${host}`);
    await volunteer(`--database=grpc://${host}`);
    const documents = await (await database.reports()).find().toArray();

    const ids = documents.map((document) => (document['nodes'] as { id: string }[]).map(({ id }) => id));
    expect(ids).toHaveLength(2);
    expect(ids[0]).toStrictEqual(ids[1]);
    const original = (await originalReport())['nodes'] as { id: string }[];
    expect(ids[0]).not.toContain(original[0]?.id);
  });

  test('without --database it prints the report, and sends nothing', async () => {
    const { code, stdout } = await volunteer();

    expect(code).toBe(0);
    expect(fromJson(ReportSchema, JSON.parse(stdout) as Record<string, string>).nodes).toHaveLength(6);
    await expect((await database.reports()).countDocuments()).resolves.toBe(0);
  });

  test('a one-shot whose report is not stored exits with 1 and says why', async () => {
    const { code, stderr } = await volunteer('--database=grpc://127.0.0.1:1', '--timeout=1s');

    expect(code).toBe(1);
    expect(stderr).toMatch(/No report was stored: .*127\.0\.0\.1:1/);
  });

  test('an API server whose certificate is not from the CA of the service account is not trusted with the token', async () => {
    const stranger = await openServiceAccount('test-token', 'legacy/coreos-report.json');
    const asked = api.requests.length;

    const { code } = await runProgram(
      ['volunteer', '--cluster-id=c', '--period=0', `--service-account-dir=${stranger.dir}`],
      { ...api.env },
    );

    expect(code).toBe(1);
    expect(api.requests).toHaveLength(asked);
    await stranger.close();
  });
});

describe('the README example report', () => {
  const example = async (): Promise<string> => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
    return /```json\n(\{[^`]*"clusterID"[^`]*\})\n```/.exec(readme)?.[1] ?? '';
  };

  test('by curl, it is answered 204 and stored with all its fields', async () => {
    const body = await example();
    const args = [
      '-sS',
      '-w',
      '%{http_code}',
      '-H',
      'Content-Type: application/json',
      '-d',
      body,
      `http://${host}/api/v1`,
    ];

    await expect(promisify(execFile)('curl', args)).resolves.toMatchObject({ stdout: '204' });
    await expect((await database.reports()).findOne()).resolves.toMatchObject(JSON.parse(body) as object);
  });

  test.each(['grpc', 'grpcweb', 'connect'])(
    'by buf curl over %s, without the .proto files, it is stored',
    async (protocol) => {
      const body = await example();
      const url = `http://${host}/spartakus.collector.v1.CollectorService/SubmitReport`;
      const args = ['curl', '--protocol', protocol, '--http2-prior-knowledge', '-d', `{"report": ${body}}`, url];

      const { stdout } = await promisify(execFile)('node_modules/.bin/buf', args);

      expect(JSON.parse(stdout)).toMatchObject({ receipt: { outcome: 'OUTCOME_STORED' } });
      await expect((await database.reports()).findOne()).resolves.toMatchObject(JSON.parse(body) as object);
    },
  );

  test.each(WAYS_IN)('over $name, it is stored', async ({ open }) => {
    const body = await example();
    const client = open(`http://${host}`);

    await expect(
      client.send(fromJson(ReportSchema, JSON.parse(body) as Record<string, string>)),
    ).resolves.toMatchObject({ outcome: 'stored' });
    client.close();
    await expect((await database.reports()).findOne()).resolves.toMatchObject(JSON.parse(body) as object);
  });
});
