import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { UnknownSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import type { KubernetesClient } from '../../src/kubernetes/client.ts';
import { JSON_TYPE, type KubernetesResponse, PROTOBUF_TYPE } from '../../src/kubernetes/response.ts';
import { COLLECTABLE } from '../../src/report/field-selection.ts';
import { LEGACY_SCHEMA_VERSION, reportJson } from '../../src/report/schema-version.ts';
import { gatherReport } from '../../src/volunteer/gather/gather.ts';

// Encodes complete objects with the field numbers of staging/src/k8s.io/api/core/v1/generated.proto. Fields that kubernetes.proto does
// not declare must not be read.

const text = (field: number, value: string) =>
  new BinaryWriter().tag(field, WireType.LengthDelimited).string(value).finish();
const message = (field: number, ...parts: Uint8Array[]) =>
  new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(Buffer.concat(parts)).finish();
const entry = (field: number, key: string, value: string) => message(field, text(1, key), text(2, value));

const secret = fc
  .uint8Array({ minLength: 8, maxLength: 8 })
  .map((bytes) => `s3cret-${Buffer.from(bytes).toString('hex')}`);

/** A unique secret for each kind of field that may identify a node or its cluster. */
const planted = fc.record({
  name: secret,
  uid: secret,
  label: secret,
  labelKey: secret,
  annotation: secret,
  podCidr: secret,
  account: secret,
  taint: secret,
  address: secret,
  machineId: secret,
  systemUuid: secret,
  bootId: secret,
  image: secret,
  condition: secret,
  volume: secret,
  clusterUid: secret,
  namespace: secret,
  ownerName: secret,
  manager: secret,
  finalizer: secret,
  extensionFile: secret,
});

type Planted = typeof planted extends fc.Arbitrary<infer Value> ? Value : never;

/** Valid and invalid forms of provider ids. */
const providerId = fc.constantFrom(
  (account: string) => `aws:///${account}/i-0`,
  (account: string) => `gce://${account}/zone/name`,
  (account: string) => `azure:///subscriptions/${account}`,
  (account: string) => `${account}://machine`,
  (account: string) => `aws://${account}://x`,
  (account: string) => `${account}aws://x`,
  (account: string) => account,
);

function nodeBytes(secrets: Planted, providerOf: (account: string) => string): Uint8Array {
  const metadata = message(
    1,
    text(1, secrets.name),
    text(2, secrets.name),
    text(5, secrets.uid),
    entry(11, secrets.labelKey, secrets.label),
    entry(12, secrets.annotation, secrets.annotation),
  );
  const taint = message(5, text(1, secrets.taint), text(2, secrets.taint));
  const spec = message(
    2,
    text(1, secrets.podCidr),
    text(2, secrets.account),
    text(3, providerOf(secrets.account)),
    taint,
  );
  const nodeInfo = message(
    7,
    text(1, secrets.machineId),
    text(2, secrets.systemUuid),
    text(3, secrets.bootId),
    text(4, '6.8.0'),
    text(5, 'Debian GNU/Linux 12 (bookworm)'),
    text(6, 'containerd://1.7.24'),
    text(7, 'v1.31.4'),
    text(8, secrets.label),
    text(9, 'linux'),
    text(10, 'amd64'),
  );
  const status = message(
    3,
    message(1, text(1, 'cpu'), message(2, text(1, '4'))),
    message(2, text(1, secrets.label), message(2, text(1, secrets.label))),
    message(4, text(1, secrets.condition), text(6, secrets.condition)),
    message(5, text(1, 'Hostname'), text(2, secrets.address)),
    nodeInfo,
    message(8, text(1, secrets.image)),
    text(9, secrets.volume),
  );
  return Buffer.concat([metadata, spec, status]);
}

/** Metadata with all fields of ObjectMeta in apimachinery/pkg/apis/meta/v1/generated.proto. */
function metadataBytes(secrets: Planted): Uint8Array {
  const owner = message(
    13,
    text(1, secrets.ownerName),
    text(3, secrets.ownerName),
    text(4, secrets.uid),
    text(5, secrets.ownerName),
  );
  const managed = message(
    17,
    text(1, secrets.manager),
    text(2, secrets.manager),
    message(7, text(1, secrets.manager)),
    text(8, secrets.manager),
  );
  const created = message(8, new BinaryWriter().tag(1, WireType.Varint).int64(-1_000_000).finish());
  return message(
    1,
    text(1, secrets.name),
    text(2, secrets.name),
    text(3, secrets.namespace),
    text(4, secrets.name),
    text(5, secrets.uid),
    text(6, secrets.condition),
    created,
    entry(11, secrets.labelKey, secrets.label),
    entry(12, secrets.annotation, secrets.annotation),
    owner,
    text(14, secrets.finalizer),
    managed,
  );
}

/** A client of a cluster with these nodes and, for each other resource, these objects. Uses no network. */
function clusterOf(nodes: readonly Uint8Array[], objects: readonly Uint8Array[], clusterUid: string): KubernetesClient {
  const respondTo = (path: string): Omit<KubernetesResponse, 'path' | 'status'> => {
    if (path === '/version') return { contentType: JSON_TYPE, body: Buffer.from('{"gitVersion":"v1.31.4"}') };
    // With the list's metadata, but for a continue token.
    const listed = path === '/api/v1/nodes' ? nodes : objects;
    const raw = Buffer.concat([
      message(1, text(1, clusterUid), text(2, clusterUid)),
      ...listed.map((item) => message(2, item)),
    ]);
    const unknown = toBinary(UnknownSchema, create(UnknownSchema, { raw }));
    return { contentType: PROTOBUF_TYPE, body: Buffer.concat([Buffer.from('k8s\0'), unknown]) };
  };
  return {
    get: (target) => {
      const [path = ''] = target.split('?', 1);
      return Promise.resolve({ path, status: 200, ...respondTo(path) });
    },
    create: () => Promise.reject(new Error('Nothing is created.')),
    close: () => undefined,
    isClosed: () => false,
  };
}

test('no name, label, address, image, account or key of a cluster is in a report, in any of its encodings', async () => {
  const nodes = fc.array(fc.tuple(planted, providerId), { minLength: 1, maxLength: 3 });

  await fc.assert(
    fc.asyncProperty(nodes, fc.constantFrom('c', 'auto'), async (drawn, clusterId) => {
      const [first] = drawn;
      const clusterUid = first?.[0].clusterUid ?? '';
      const kube = clusterOf(
        drawn.map(([secrets, providerOf]) => nodeBytes(secrets, providerOf)),
        drawn.map(([secrets]) => metadataBytes(secrets)),
        clusterUid,
      );

      const logged: string[] = [];
      const log = (fields: object, line: string) => void logged.push(JSON.stringify(fields) + line);
      const report = await gatherReport(
        { clusterId, collect: COLLECTABLE, extensions: `/nonexistent/${first?.[0].extensionFile}` },
        {
          kube,
          readKey: () => Promise.resolve(first?.[0].clusterUid ?? ''),
          version: 'v2.0.0',
          now: new Date(0),
          random: new Uint8Array(16),
          sequence: 1,
          logger: { debug: log, info: log, warn: log, error: log },
        },
      );

      const encodings = [
        Buffer.from(toBinary(ReportSchema, report)).toString('latin1'),
        toJsonString(ReportSchema, report),
        JSON.stringify(reportJson(report, LEGACY_SCHEMA_VERSION)),
      ];
      const secrets = drawn.flatMap(([values]) => Object.values<string>(values));
      expect(secrets.filter((value) => encodings.some((encoding) => encoding.includes(value)))).toStrictEqual([]);
      expect(report).toMatchObject({
        namespaces: drawn.length,
        workloads: { jobs: [{}] },
        lifetimes: { podsSeconds: 1_000_000 },
      });
      expect(report.missing).toMatchObject([{ what: 'extensions[]', reason: 'unreadable file' }]);
      // The log contains the name of the extensions file, and nothing of the cluster.
      expect(logged).toHaveLength(1);
      const clusterSecrets = secrets.filter((value) => value !== first?.[0].extensionFile);
      expect(clusterSecrets.filter((value) => logged.some((line) => line.includes(value)))).toStrictEqual([]);
      expect(report.nodes.map(({ osImage }) => osImage)).toStrictEqual(
        drawn.map(() => 'Debian GNU/Linux 12 (bookworm)'),
      );
    }),
  );
});
