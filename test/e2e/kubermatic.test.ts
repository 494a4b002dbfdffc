import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EnvelopeSchema } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { startTestCollector, type TestCollector } from '../support/collector.ts';
import { HOME_SEED, generateInstallation } from '../support/generated-installation.ts';
import { openServiceAccount, type ServiceAccount } from '../support/kube-api.ts';
import { type Installation, startInstallation } from '../support/kubermatic-installation.ts';
import { type Ended, runProgram } from '../support/program.ts';
import { sampled } from '../support/sampled.ts';

/** The programs, their files, TLS, HTTP and gRPC, the collector and MongoDB's engine; only the clusters are simulated. */
const CLIENT_UUID = '7c0f3c52-5b1e-4d0a-9b0e-3f4f2a9d6e11';

let installation: Installation;
let collector: TestCollector;
let account: ServiceAccount;
let dir: string;

beforeAll(async () => {
  [installation, collector, account] = await Promise.all([
    startInstallation(generateInstallation({ clusters: 40, users: 200 }), { home: HOME_SEED }),
    startTestCollector({
      limits: { maxProtobufBytes: 4 * 2 ** 20, maxJsonBytes: 16 * 2 ** 20, maxBodyBytes: 16 * 2 ** 20 },
    }),
    openServiceAccount(),
  ]);
});

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'spartakus-records-'));
  await Promise.all([collector.reports.deleteMany({}), collector.kubermaticRecords.deleteMany({})]);
});

afterAll(async () => {
  await Promise.all([installation.close(), collector.close(), account.close()]);
});

const agent = (kind: string, ...args: string[]): Promise<Ended> =>
  runProgram(['agent', kind, `--service-account-dir=${account.dir}`, ...args], {
    ...installation.master.env,
    RECORD_DIR: dir,
  });
const report = (transport: string, url: string): Promise<Ended> =>
  runProgram(['reporter', transport], { RECORD_DIR: dir, CLIENT_UUID, URL: url });
const readRecords = async (): Promise<readonly string[]> =>
  Promise.all((await readdir(dir)).toSorted().map((name) => readFile(path.join(dir, name), 'utf8')));
const urlOf = (transport: string): string =>
  transport === 'grpc' ? `grpc://127.0.0.1:${collector.port}` : `${collector.url}/api/kubermatic/v1`;

/** The private texts of the installation. */
const PRIVATE = /planted|example\.com|basement|cluster\d|user\d|project\d|seed-|fra-aws/i;

/** The UUID of the first seed: keyed, or the version 3 of "seed-frankfurt" with the nil namespace. */
const UUIDS = { hmac: /^[0-9a-f-]{14}8[0-9a-f-]{21}$/, md5: /^1c684fa7-ff0e-3a10-b7b2-65ffede034cd$/ } as const;

describe('agents -> files -> reporter -> collector -> MongoDB', () => {
  const PAIRS = [
    ['hmac', 'http', 40],
    ['md5', 'grpc', 0],
    ['hmac', 'grpc', 0],
    ['md5', 'http', 0],
  ] as const;

  test.each(PAIRS.slice(0, sampled(2, 4)))(
    'with --uuid=%s over %s',
    async (uuid, transport, machines) => {
      const more = machines > 0 ? ['--machine-deployments', '--collect=users,projects,ssh-keys'] : [];
      const ran = [await agent('kubernetes', `--uuid=${uuid}`), await agent('kubermatic', `--uuid=${uuid}`, ...more)];
      expect(ran.map(({ code }) => code)).toStrictEqual([0, 0]);
      expect(
        (await readdir(dir)).filter((name) => !/^record-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-[a-z0-9]{6}\.json$/.test(name)),
      ).toStrictEqual([]);
      const texts = await readRecords();

      // The files are JSON of the schema: every field is parsed, in its original spelling and in its JSON name.
      expect(texts).toHaveLength(2);
      for (const text of texts) {
        const json = JSON.parse(text) as JsonValue;
        const record = fromJson(RecordSchema, json);
        expect(toJson(RecordSchema, record, { useProtoFieldName: true })).toStrictEqual(json);
        expect(fromJson(RecordSchema, toJson(RecordSchema, record))).toStrictEqual(record);
      }
      expect(texts.join('')).not.toMatch(PRIVATE);
      expect(ran.map((ended) => ended.stderr).join('')).not.toMatch(PRIVATE);

      const { code, stderr } = await report(transport, urlOf(transport));
      expect({ code, stderr }).toMatchObject({
        code: 0,
        stderr: expect.stringContaining('The records are stored.') as string,
      });
      await expect(readdir(dir)).resolves.toStrictEqual([]);

      expect(stderr).not.toMatch(PRIVATE);

      const [stored] = await collector.kubermaticRecords.find().toArray();
      expect(JSON.stringify(stored)).not.toMatch(PRIVATE);
      const seeds = stored?.['seeds'] as { uuid: string }[];
      const clusters = stored?.['clusters'] as {
        uuid: string;
        seedUUID: string;
        projectUUID?: string;
        cloud: { dcUUID: string };
      }[];
      expect(stored).toMatchObject({
        kind: 'kubermatic',
        clientUUID: CLIENT_UUID,
        kubermaticEdition: 'EE',
        kubermaticVersion: 'v2.28.0',
        time: expect.any(Date) as Date,
      });
      expect([seeds.length, clusters.length]).toStrictEqual([3, 40]);
      expect(stored).toMatchObject({
        userCount: 200,
        administratorCount: 3,
        projectCount: 10,
        sshKeyCount: 20,
        projectSshKeyCount: 20,
      });
      for (const [list, length] of [
        ['users', 200],
        ['projects', 10],
        ['sshKeys', 20],
      ] as const)
        expect((stored?.[list] as object[] | undefined) ?? []).toHaveLength(machines > 0 ? length : 0);
      expect((stored?.['machineDeployments'] as object[] | undefined) ?? []).toHaveLength(machines);
      expect(stored).not.toHaveProperty('missing');
      expect(new Set(clusters.map(({ seedUUID }) => seedUUID))).toStrictEqual(new Set(seeds.map((seed) => seed.uuid)));
      expect(clusters.filter(({ projectUUID }) => Boolean(projectUUID))).toHaveLength(machines);
      expect(seeds.filter((seed) => UUIDS[uuid].test(seed.uuid))).toHaveLength(uuid === 'hmac' ? 3 : 1);
      const reports = await collector.reports.find().toArray();
      expect(reports).toMatchObject([
        { clusterID: CLIENT_UUID, nodes: expect.objectContaining({ length: 6 }) as object },
      ]);
    },
    60_000,
  );
});

test('reporter stdout prints the envelope as JSON of the schema, and removes no record', async () => {
  await agent('kubernetes');
  const { code, stdout } = await report('stdout', '');

  expect(code).toBe(0);
  const envelope = fromJson(EnvelopeSchema, JSON.parse(stdout) as JsonValue);
  expect(envelope).toMatchObject({
    version: 'v2',
    clientUuid: CLIENT_UUID,
    records: [{ kind: 'kubernetes', nodes: { length: 6 } }],
  });
  expect(Object.keys(JSON.parse(stdout) as object)).toContain('client_uuid');
  await expect(readdir(dir)).resolves.toHaveLength(1);
  await rm(dir, { recursive: true });
});

test('a reporter without a collector keeps the records, exits with 1, and sends them at its next run', async () => {
  await agent('kubermatic');
  const failed = await runProgram(['reporter', 'http', '--timeout=1s'], {
    RECORD_DIR: dir,
    CLIENT_UUID,
    URL: 'http://127.0.0.1:1/api/v1',
  });
  const names = (await readdir(dir)).filter((name) => name.startsWith('record-'));
  const { code } = await report('http', `${collector.url}/api/v1`);

  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('the next run sends the rest');
  expect(names).toHaveLength(1);
  expect(code).toBe(0);
  await expect(readdir(dir)).resolves.toStrictEqual([]);
  await expect(collector.kubermaticRecords.countDocuments()).resolves.toBe(1);
});
