import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { toJsonString } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type Database, parseDatabase } from '../../src/delivery/open-sink.ts';
import { gatherKubernetesRecord } from '../../src/kubermatic/gather/gather-kubernetes.ts';
import { type KubernetesClient, openKubernetesClient } from '../../src/kubernetes/client.ts';
import { PROTOBUF_TYPE } from '../../src/kubernetes/response.ts';
import {
  createClusterId,
  createKubermaticUuids,
  createLegacyKubermaticUuid,
  createLegacyNodeId,
  createNodeIdentifier,
  type NodeIdentifier,
} from '../../src/report/ids.ts';
import { type GatherConfig, gatherReport } from '../../src/volunteer/gather/gather.ts';
import { createIdKeyReader } from '../../src/volunteer/gather/id-key.ts';
import { resolveIds } from '../../src/volunteer/gather/id-scope.ts';
import { listNodes } from '../../src/volunteer/gather/nodes.ts';
import { withFiles } from '../support/files.ts';
import { gatherFrom } from '../support/gather-installation.ts';
import { createJumpingClock } from '../support/jumping-clock.ts';
import {
  FIXTURE_PAGE_SIZE,
  KUBE_SYSTEM_UID,
  type KubeApi,
  openServiceAccount,
  type ServiceAccount,
  startKubeApi,
} from '../support/kube-api.ts';
import { readSampleObjects, startInstallation } from '../support/kubermatic-installation.ts';
import { createKeptLog } from '../support/log.ts';

type NodeIdentity = Parameters<NodeIdentifier>[0];

// The adversary has all reports, and knows everything of the cluster that another system also knows: the uid of kube-system, the name,
// machine id and system UUID of each node, the names of Kubermatic's objects, the cluster id that the administrator chose, the collector.
// Only the secret is unknown.

const SECRET = '/api/v1/namespaces/kubermatic/secrets/spartakus-volunteer';
const CLUSTER_ID = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
const DATABASE = parseDatabase('grpcs://collector.example.com');
const NOW = new Date('2026-11-21T00:26:49.000Z');
/** What any derivation that this project has ever used could contain. */
const LABELS = ['', 'node-id', 'agent-node-id', 'cluster-id', 'kubermatic-uuid', 'spartakus node id v1'];
const closers: (() => void | Promise<void>)[] = [];
let api: KubeApi;
let account: ServiceAccount;
let secrets: Map<string, unknown>;

beforeEach(async () => {
  secrets = new Map();
  account = await openServiceAccount();
  api = await startKubeApi({ secrets });
  closers.push(
    () => account.close(),
    () => api.close(),
  );
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function open(): Promise<KubernetesClient> {
  const clock = createJumpingClock(NOW);
  const kube = await openKubernetesClient({}, { env: api.env, serviceAccountDir: account.dir, clock });
  closers.push(() => kube.close());
  return kube;
}

let seed = 0;
const randomBytes = (length: number) => new Uint8Array(length).fill((seed += 1));

/** The ids in the report of a volunteer that has just started: the cluster's, then those of the nodes. */
async function reportIds(over: Partial<GatherConfig & { database: Database }> = {}): Promise<readonly string[]> {
  const kube = await open();
  const config = resolveIds({ clusterId: 'auto', idSecret: 'spartakus-volunteer', database: DATABASE, ...over });
  const { clusterId, nodes } = await gatherReport(config, {
    kube,
    readKey: createIdKeyReader(config, { kube, randomBytes, logger: createKeptLog().logger }),
    version: 'v2.0.0',
    now: NOW,
    random: new Uint8Array(16),
    sequence: 1,
    pageSize: FIXTURE_PAGE_SIZE,
  });
  return [clusterId, ...nodes.map(({ id }) => id)];
}

/** The ids of nodes in the record of an agent. */
async function recordNodeIds(over: { idKeyFile?: string; idScope?: string } = {}): Promise<readonly string[]> {
  const { nodes } = await gatherKubernetesRecord(
    { uuid: 'hmac', idSecret: 'spartakus-volunteer', ...over },
    { kube: await open(), now: NOW, randomBytes, logger: createKeptLog().logger, signal: new AbortController().signal },
  );
  return nodes.map(({ id }) => id);
}

/** What the Kubernetes API tells about the nodes. */
async function knownNodes(): Promise<readonly NodeIdentity[]> {
  const known: NodeIdentity[] = [];
  await listNodes(
    await open(),
    (node) => {
      known.push(node);
      return String(known.length);
    },
    { pageSize: FIXTURE_PAGE_SIZE },
  );
  return known;
}

const shared = (...lists: readonly (readonly string[])[]) =>
  lists.flatMap((list, index) => list.filter((id) => lists.slice(index + 1).some((other) => other.includes(id))));

const digits = (id: string) => id.replaceAll('-', '');

/** A UUID without its version and variant, as which a digest may be disguised. */
const withoutVersion = (hex: string) => `${hex.slice(0, 12)}${hex.slice(13, 16)}${hex.slice(17, 32)}`;

test('whoever knows all names, UUIDs, the uid of kube-system, the cluster id and the collector computes no id', async () => {
  const ids = [...(await reportIds()), ...(await reportIds({ clusterId: 'production' })), ...(await recordNodeIds())];
  const nodes = await knownNodes();
  const facts = new Set([
    KUBE_SYSTEM_UID,
    CLUSTER_ID,
    'production',
    'auto',
    'collector.example.com',
    'kubermatic',
    'spartakus-volunteer',
    ...LABELS,
    ...nodes.flatMap(({ name, machineId, systemUuid }) => [name, machineId, systemUuid]),
  ]);
  const clusterIds = new Set(['', 'auto', 'production', CLUSTER_ID, ...ids.filter((id) => id.includes('-'))]);
  const scopes = ['', 'stdout', 'kubermatic', 'collector.example.com'];

  const guesses = new Set<string>();
  const guess = (id: string) => void guesses.add(withoutVersion(digits(id)));
  for (const secret of facts) {
    // This project's own functions, with each fact in place of the secret.
    for (const scope of scopes) {
      guess(createClusterId({ secret, scope }));
      guess(createClusterId({ secret, scope }, 'production'));
      for (const clusterId of clusterIds) {
        for (const kind of ['node-id', 'agent-node-id'] as const) {
          const identify = createNodeIdentifier({ secret, scope, clusterId }, kind);
          for (const node of nodes) guess(identify(node));
        }
      }
    }
    // Digests, keyed digests and derivations of each fact, alone and with each label.
    for (const fact of facts) {
      for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512']) {
        guess(createHash(algorithm).update(secret).update(fact).digest('hex'));
        guess(createHmac(algorithm, secret).update(fact).digest('hex'));
      }
      guess(Buffer.from(hkdfSync('sha256', secret, '', fact, 32)).toString('hex'));
    }
  }
  for (const node of nodes) guess(createLegacyNodeId(node));

  expect(ids).toHaveLength(20);
  expect(guesses.size).toBeGreaterThan(10_000);
  expect(ids.filter((id) => guesses.has(withoutVersion(digits(id))))).toStrictEqual([]);
});

test('the adversary of these tests computes the ids of --id-key=kube-system, and those of md5', async () => {
  const [first] = await knownNodes();
  const node = first ?? { name: '', machineId: '', systemUuid: '' };
  const [clusterId = '', ...ids] = await reportIds({ idKey: 'kube-system' });
  const [, ...legacy] = await reportIds({ nodeId: 'md5' });
  const scope = 'collector.example.com';

  expect(clusterId).toBe(createClusterId({ secret: KUBE_SYSTEM_UID, scope }));
  expect(ids).toContain(createNodeIdentifier({ secret: KUBE_SYSTEM_UID, scope, clusterId })(node));
  expect(legacy).toContain(createLegacyNodeId(node));
});

test('by default the uid of kube-system is not requested', async () => {
  await reportIds();
  await recordNodeIds();

  expect(api.requests.filter(({ target }) => target.includes('kube-system'))).toStrictEqual([]);
});

test('ids change with the secret, and with nothing else of the cluster', async () => {
  await withFiles({ a: 'a'.repeat(32), b: 'b'.repeat(32) }, async (dir) => {
    const [first, again, other] = [
      await reportIds({ idKeyFile: `${dir}/a` }),
      await reportIds({ idKeyFile: `${dir}/a` }),
      await reportIds({ idKeyFile: `${dir}/b` }),
    ];

    expect(again).toStrictEqual(first);
    expect(shared(first, other)).toStrictEqual([]);
    expect(new Set([...first, ...other]).size).toBe(14);
  });
});

test('the reports of one cluster to two collectors share no id', async () => {
  const reports = [
    await reportIds(),
    await reportIds({ database: parseDatabase('https://collector.example.org') }),
    await reportIds({ database: parseDatabase('stdout') }),
    await reportIds({ idScope: 'another' }),
  ];

  expect(shared(...reports)).toStrictEqual([]);
});

test('two cluster ids of one cluster share no id of a node', async () => {
  const reports = [
    await reportIds(),
    await reportIds({ clusterId: CLUSTER_ID }),
    await reportIds({ clusterId: 'production' }),
    await reportIds({ clusterId: 'production', clusterIdVerbatim: true }),
  ];

  expect(shared(...reports)).toStrictEqual([]);
});

test('an agent and a volunteer with one secret and one scope share no id of a node', async () => {
  await withFiles({ key: 'k'.repeat(32) }, async (dir) => {
    const config = { idKeyFile: `${dir}/key`, idScope: 'collector.example.com' };
    const [report, record] = [await reportIds(config), await recordNodeIds(config)];

    expect(record).toHaveLength(6);
    expect(shared(report, record)).toStrictEqual([]);
    expect(shared(record, await recordNodeIds({ ...config, idScope: 'another' }))).toStrictEqual([]);
  });
});

test('deleting the Secret is a new identity', async () => {
  const before = await reportIds();
  await expect(reportIds()).resolves.toStrictEqual(before);
  expect(secrets.delete(SECRET)).toBe(true);

  expect(shared(before, await reportIds())).toStrictEqual([]);
});

test('the secret is in no report, no record and no log', async () => {
  await withFiles({ key: 'the-secret-of-this-cluster-0123456789' }, async (dir) => {
    const installation = await startInstallation(await readSampleObjects());
    closers.push(() => installation.close());
    const { record, log } = await gatherFrom(installation, { idKeyFile: `${dir}/key` });

    const texts = [toJsonString(RecordSchema, record), JSON.stringify(log.lines), ...(await reportIds())];
    expect(texts.filter((text) => text.includes('secret-of-this-cluster'))).toStrictEqual([]);
  });
});

test("the UUIDs of Kubermatic's objects cannot be computed from their names, and differ by secret and scope", async () => {
  const objects = await readSampleObjects();
  const installation = await startInstallation(objects);
  closers.push(() => installation.close());
  const names =
    JSON.stringify(objects)
      .match(/"name":"[^"]+"/g)
      ?.map((text) => text.slice(8, -1)) ?? [];
  const uuids = async (key: string, idScope?: string): Promise<readonly string[]> => {
    const { record } = await gatherFrom(installation, { idKeyFile: key, idScope });
    const text = toJsonString(RecordSchema, { ...record, reportId: '' });
    return [...new Set(text.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g))];
  };
  await withFiles({ a: 'a'.repeat(32), b: 'b'.repeat(32) }, async (dir) => {
    const first = await uuids(`${dir}/a`);

    await expect(uuids(`${dir}/a`)).resolves.toStrictEqual(first);
    expect(first.length).toBeGreaterThan(10);
    expect(shared(first, await uuids(`${dir}/b`), await uuids(`${dir}/a`, 'another'))).toStrictEqual([]);
    const guesses = new Set(
      names.flatMap((name) => [
        createLegacyKubermaticUuid(name),
        ...[KUBE_SYSTEM_UID, name, 'kubermatic', ''].flatMap((secret) =>
          (['seed', 'datacenter', 'cluster', 'project', 'user', 'ssh key'] as const).map((kind) =>
            createKubermaticUuids({ secret, clusterId: '', scope: 'kubermatic' })(kind, name),
          ),
        ),
      ]),
    );
    expect(names.length).toBeGreaterThan(10);
    expect(first.filter((uuid) => guesses.has(uuid))).toStrictEqual([]);
  });
});

test('nodes are requested as protobuf, and no Secret but the own one is', async () => {
  await reportIds();

  expect(api.requests.map(({ method, target }) => `${method} ${target.split('?', 1)[0]}`)).toStrictEqual([
    'GET /version',
    `GET ${SECRET}`,
    'POST /api/v1/namespaces/kubermatic/secrets',
    'GET /api/v1/nodes',
    'GET /api/v1/nodes',
    'GET /api/v1/nodes',
  ]);
  expect(api.requests.filter(({ accept }) => accept === PROTOBUF_TYPE)).toHaveLength(3);
});
