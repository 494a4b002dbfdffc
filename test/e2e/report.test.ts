import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { fromJson } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { type CollectorProgram, startCollectorProgram } from '../support/collector-program.ts';
import { makeTestDatabase, type TestDatabase } from '../support/database.ts';
import { withFiles } from '../support/files.ts';
import {
  type KubeApi,
  openServiceAccount,
  readFixture,
  type ServiceAccount,
  startKubeApi,
} from '../support/kube-api.ts';
import { PROGRAM, runProgram } from '../support/program.ts';
import { PROTOCOL_CLIENTS } from '../support/protocols.ts';

/** The programs of the collector and the volunteer, TLS, gRPC and MongoDB's engine; only the Kubernetes API is simulated. */
let database: TestDatabase;
let collector: CollectorProgram;
let host: string;
let api: KubeApi;
let account: ServiceAccount;

beforeAll(async () => {
  [database, api, account] = await Promise.all([makeTestDatabase(), startKubeApi(), openServiceAccount()]);
  collector = await startCollectorProgram([`--database=${database.spec}`]);
  ({ host } = collector);
});

beforeEach(async () => {
  await (await database.reports()).deleteMany({});
});

afterAll(async () => {
  await database.remove(async () => void (await collector.stop()));
  await Promise.all([api.close(), account.close()]);
});

const CLUSTER_ID = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
const volunteer = (...args: string[]) =>
  runProgram(
    ['volunteer', `--cluster-id=${CLUSTER_ID}`, '--period=0', `--service-account-dir=${account.dir}`, ...args],
    { ...api.env },
  );

/** The report of the original volunteer for the same cluster. */
async function originalReport(): Promise<Record<string, unknown>> {
  return JSON.parse((await readFixture('legacy/spartakus-volunteer-report.json')).toString()) as Record<
    string,
    unknown
  >;
}

describe('a volunteer reads a Kubernetes API with its service account and reports to a collector', () => {
  test.each(['grpc', 'http'])(
    'over %s: the stored nodes are those that the original volunteer reported, except for their ids',
    async (scheme) => {
      const {
        timestamp: _timestamp,
        masterVersion: _masterVersion,
        nodes,
        version,
        ...original
      } = await originalReport();
      await withFiles(
        { 'extensions.json': '{"example.com/hello": "world", "example.com/foo": "bar"}' },
        async (dir) => {
          const { code, stderr } = await volunteer(
            `--database=${scheme}://${host}`,
            `--extensions=${path.join(dir, 'extensions.json')}`,
            '--exact-quantities',
          );
          expect(stderr).toContain('The report is stored.');
          expect(code).toBe(0);
        },
      );
      const documents = await (await database.reports()).find().toArray();

      expect(documents).toHaveLength(1);
      const [stored] = documents;
      const storedNodes = stored?.['nodes'] as { id: string }[];
      const withoutIds = (list: unknown) =>
        (list as { id: string }[]).map((node) => JSON.stringify({ ...node, id: undefined })).toSorted();
      expect(stored).toMatchObject(original);
      expect(withoutIds(storedNodes)).toStrictEqual(withoutIds(nodes));
      expect(storedNodes.map(({ id }) => id)).toStrictEqual(storedNodes.map(({ id }) => id).toSorted());
      expect(stored?.['masterVersion']).toBe('v0.0.0-master+custom');
      expect(Date.now() / 1000 - Number(stored?.['timestamp'])).toBeLessThan(3600 + 60);
      expect(Number(stored?.['timestamp']) % 3600).toBe(0);
      expect(storedNodes.filter(({ id }) => !/^[0-9a-f]{32}$/.test(id))).toStrictEqual([]);
      expect(version).toBe('v1.1.0');
      expect(stored?.['version']).toMatch(/^v2\./);
    },
  );

  test('two reports of a cluster have the same node ids, which are not those of the original volunteer', async () => {
    await volunteer(`--database=grpc://${host}`);
    await volunteer(`--database=grpc://${host}`);
    const documents = await (await database.reports()).find().toArray();

    const ids = documents.map((document) => (document['nodes'] as { id: string }[]).map(({ id }) => id));
    expect(ids).toHaveLength(2);
    expect(ids[0]).toStrictEqual(ids[1]);
    const original = (await originalReport())['nodes'] as { id: string }[];
    expect(ids[0]).not.toContain(original[0]?.id);
  });

  test('without --database it prints the report, and sends none', async () => {
    const { code, stdout } = await volunteer();

    expect(code).toBe(0);
    expect(fromJson(ReportSchema, JSON.parse(stdout) as Record<string, string>).nodes).toHaveLength(6);
    await expect((await database.reports()).countDocuments()).resolves.toBe(0);
  });

  test('a one-shot whose report is not stored exits with 1 and says why', async () => {
    const { code, stderr } = await volunteer('--database=grpc://127.0.0.1:1', '--timeout=2s');

    expect(code).toBe(1);
    expect(stderr).toMatch(/No report was stored: .*127\.0\.0\.1:1/);
  });

  test('an API server whose certificate is not from the CA of the service account does not receive the token', async () => {
    const other = await openServiceAccount('test-token', 'legacy/coreos-report.json');
    const asked = api.requests.length;

    const { code } = await runProgram(
      ['volunteer', '--cluster-id=c', '--period=0', '--timeout=1s', `--service-account-dir=${other.dir}`],
      { ...api.env },
    );

    expect(code).toBe(1);
    expect(api.requests).toHaveLength(asked);
    await other.close();
  });
});

describe('the README and docs/getting-started.md', () => {
  let dir: string;
  let pages: string;
  let example: string;

  beforeAll(async () => {
    const read = (page: string) => readFile(new URL(`../../${page}`, import.meta.url), 'utf8');
    pages = (await Promise.all(['README.md', 'docs/getting-started.md'].map(read))).join('\n');
    example = /```json\n(\{[^`]*"clusterID"[^`]*\})\n```/.exec(pages)?.[1] ?? '';
    dir = await mkdtemp(path.join(tmpdir(), 'spartakus-readme-'));
    await writeFile(path.join(dir, 'report.json'), example);
  });

  afterAll(() => rm(dir, { recursive: true }));

  /** Runs the first command of the pages that contains a text, in the checkout, against this collector and cluster. */
  const runCommand = async (
    part: string,
    edit: (command: string) => string = (command) => command,
  ): Promise<string> => {
    const commands = [...pages.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, command = '']) => command);
    const [command = ''] = commands.filter((candidate) => candidate.includes(part));
    const adapted = command.replaceAll('report.json', path.join(dir, 'report.json')).replaceAll('localhost:8080', host);
    const env = { ...process.env, ...api.env, SPARTAKUS_SERVICE_ACCOUNT_DIR: account.dir };
    const { stdout } = await promisify(execFile)('sh', ['-ec', edit(adapted)], { env });
    return stdout;
  };
  /** The first volunteer command is run by npm; the others would differ in what npm costs only. */
  const withoutNpm = (command: string): string =>
    command.replace('npm run -s spartakus --', `"${process.execPath}" "${PROGRAM}"`);
  const stored = async (): Promise<unknown> => (await database.reports()).findOne();

  test('the report is answered 204 by curl and stored with all its fields', async () => {
    await expect(runCommand('curl -i')).resolves.toMatch(/^HTTP\/1\.1 204 /);
    await expect(stored()).resolves.toMatchObject(JSON.parse(example) as object);
  });

  test.each(['grpc', 'grpcweb', 'connect'])(
    'the report is stored by buf curl over %s, without the .proto files',
    async (protocol) => {
      const receipt = await runCommand('buf curl', (command) =>
        command.replace('--protocol grpc', `--protocol ${protocol}`),
      );

      expect(JSON.parse(receipt)).toMatchObject({ receipt: { outcome: 'OUTCOME_STORED' } });
      await expect(stored()).resolves.toMatchObject(JSON.parse(example) as object);
    },
  );

  test('the first volunteer command prints the report of the cluster and sends nothing', async () => {
    const report = fromJson(ReportSchema, JSON.parse(await runCommand('Print the report')) as Record<string, string>);

    expect(report.nodes).toHaveLength(6);
    await expect(stored()).resolves.toBeNull();
  });

  test('the second volunteer command sends the report of the cluster', async () => {
    await runCommand('Send one report', withoutNpm);

    await expect(stored()).resolves.toMatchObject({ masterVersion: expect.any(String) as string, sequence: 1 });
  });

  test('volunteer explain prints the fields, and with --format yaml the smallest ClusterRole', async () => {
    await expect(runCommand('volunteer explain', withoutNpm)).resolves.toContain('nodes[].kubeletVersion');
    const asYaml = (command: string): string => `${withoutNpm(command).trimEnd()} --format yaml`;
    await expect(runCommand('volunteer explain', asYaml)).resolves.toContain('kind: ClusterRole');
  });

  test('volunteer doctor finds no problem', async () => {
    const checks = await runCommand('volunteer doctor', withoutNpm);

    expect(checks.trimEnd().split('\n').length).toBeGreaterThan(5);
    expect(checks).not.toContain('FAIL');
  });

  test.each(PROTOCOL_CLIENTS)('the report is stored over $name', async ({ open }) => {
    const client = open(`http://${host}`);

    await expect(
      client.send(fromJson(ReportSchema, JSON.parse(example) as Record<string, string>)),
    ).resolves.toMatchObject({ outcome: 'stored' });
    client.close();
    await expect(stored()).resolves.toMatchObject(JSON.parse(example) as object);
  });
});
