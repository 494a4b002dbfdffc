import { create, toBinary, toJson, toJsonString } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { PartialObjectMetadataSchema, UnknownSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { Origin, Privacy } from '../../gen/spartakus/options/v1/options_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { encodeFrame } from '../../src/delivery/spool/frame.ts';
import { gatherKubernetesRecord } from '../../src/kubermatic/gather/gather-kubernetes.ts';
import type { KubernetesClient } from '../../src/kubernetes/client.ts';
import { JSON_TYPE, type KubernetesResponse, PROTOBUF_TYPE } from '../../src/kubernetes/response.ts';
import { COLLECTABLE } from '../../src/report/field-selection.ts';
import { parseOmissions } from '../../src/report/omitted-fields.ts';
import { listFields } from '../../src/report/schema-fields.ts';
import { LEGACY_SCHEMA_VERSION, reportJson } from '../../src/report/schema-version.ts';
import { toDocument, toKubermaticDocument } from '../../src/report/stored-document.ts';
import { gatherReport } from '../../src/volunteer/gather/gather.ts';
import { wrap } from '../support/kube-api.ts';
import { sampled } from '../support/sampled.ts';

// Encodes complete objects with the field numbers of staging/src/k8s.io/api/core/v1/generated.proto. Fields that kubernetes.proto does
// not declare must not be read.

const text = (field: number, value: string) =>
  new BinaryWriter().tag(field, WireType.LengthDelimited).string(value).finish();
const message = (field: number, ...parts: Uint8Array[]) =>
  new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(Buffer.concat(parts)).finish();
const entry = (field: number, key: string, value: string) => message(field, text(1, key), text(2, value));

/** Forms of private values: a word, a mail address, a host, a password, a serial, an id. Each contains a unique mark. */
const secret = fc
  .tuple(
    fc.uint8Array({ minLength: 8, maxLength: 8 }),
    fc.constantFrom(
      (mark: string) => `s3cret-${mark}`,
      (mark: string) => `jane.${mark}@acme.example`,
      (mark: string) => `db-${mark}.payments.acme.example`,
      (mark: string) => `password=${mark}`,
      (mark: string) => `C02${mark.toUpperCase()}`,
      (mark: string) => mark,
    ),
  )
  .map(([bytes, formOf]) => formOf(Buffer.from(bytes).toString('hex')));

/** The mark of a secret: a part of it would be found as well. */
function markOf(value: string): string {
  return /[0-9a-f]{16}/i.exec(value)?.[0].toLowerCase() ?? value;
}

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

/** Texts of a node that are sent in a known form, with a secret at any place of them. */
const placed = fc.record({
  kernelVersion: placeIn('6.8.0', '6.1.0-13-amd64', '5.15.0-1064-azure', '10.0.20348.2402'),
  osImage: placeIn(
    'Debian GNU/Linux 12 (bookworm)',
    'Ubuntu 24.04.1 LTS',
    'Talos (v1.7.0)',
    'Windows Server 2022 Datacenter',
  ),
  runtime: placeIn('containerd://1.7.24', 'cri-o://1.29.1', 'docker://24.0.7'),
  kubelet: placeIn('v1.31.4', 'v1.29.0-eks-5e0fdde', 'v1.30.4+k3s1', 'v1.28.3-gke.1203001'),
  operatingSystem: placeIn('linux', 'windows'),
  architecture: placeIn('amd64', 'arm64'),
  gitVersion: placeIn('v1.31.4', 'v1.31.4-eks-a737599', 'v1.30.4+rke2r1', '1.29'),
  resource: placeIn(
    'cpu',
    'nvidia.com/gpu',
    'hugepages-2Mi',
    'attachable-volumes-csi-',
    'smarter-devices/',
    'intel.com/',
  ),
  quantity: placeIn('4', '15437428Ki', '1e3'),
});

function placeIn(...texts: readonly string[]): fc.Arbitrary<readonly [text: string, planted: string]> {
  const join = fc.constantFrom('', '-', '.', '+', ' ', '/', '_', ', owner ', ' (', '://', '-g', '+git.', '~');
  return fc.tuple(fc.constantFrom(...texts), secret, join, fc.nat({ max: 40 })).map(([known, value, separator, at]) => {
    const head = known.slice(0, at);
    return [`${head}${separator}${value}${known.slice(head.length)}`, value];
  });
}

type Placed = typeof placed extends fc.Arbitrary<infer Value> ? Value : never;

/** Valid and invalid forms of provider ids. */
const providerId = fc.constantFrom(
  (account: string) => `aws:///${account}/i-0`,
  (account: string) => `gce://${account}/zone/name`,
  (account: string) => `azure:///subscriptions/${account}`,
  (account: string) => `${account}://machine`,
  (account: string) => `aws://${account}://x`,
  (account: string) => `${account}aws://x`,
  (account: string) => account,
  (account: string) => `cn-hangzhou.i-${account}`,
  (account: string) => `ocid1.instance.oc1.eu-frankfurt-1.${account}`,
);

/** Fields of later releases of Kubernetes. */
const laterFields = (value: string) => [20, 21, 22, 23].map((field) => text(field, value));

function nodeBytes(secrets: Planted, { ...forms }: Placed, providerOf: (account: string) => string): Uint8Array {
  const metadata = message(
    1,
    text(1, secrets.name),
    text(2, secrets.name),
    text(5, secrets.uid),
    entry(11, secrets.labelKey, secrets.label),
    entry(12, secrets.annotation, secrets.annotation),
    ...laterFields(secrets.label),
  );
  const taint = message(5, text(1, secrets.taint), text(2, secrets.taint));
  const spec = message(
    2,
    text(1, secrets.podCidr),
    text(2, secrets.account),
    text(3, providerOf(secrets.account)),
    taint,
    ...laterFields(secrets.account),
  );
  const nodeInfo = message(
    7,
    text(1, secrets.machineId),
    text(2, secrets.systemUuid),
    text(3, secrets.bootId),
    text(4, forms.kernelVersion[0]),
    text(5, forms.osImage[0]),
    text(6, forms.runtime[0]),
    text(7, forms.kubelet[0]),
    text(8, secrets.label),
    text(9, forms.operatingSystem[0]),
    text(10, forms.architecture[0]),
    ...laterFields(secrets.bootId),
  );
  const resource = (name: string, value: string) => message(1, text(1, name), message(2, text(1, value)));
  const status = message(
    3,
    resource('cpu', '4'),
    resource('memory', forms.quantity[0]),
    resource(forms.resource[0], '1'),
    resource(secrets.account, secrets.account),
    resource(`nvidia.com/${secrets.volume}`, '7'),
    resource(`${secrets.volume}/gpu`, '7'),
    text(3, secrets.condition),
    message(2, text(1, secrets.label), message(2, text(1, secrets.label))),
    message(4, text(1, secrets.condition), text(6, secrets.condition)),
    message(5, text(1, 'Hostname'), text(2, secrets.address)),
    nodeInfo,
    message(8, text(1, secrets.image)),
    text(9, secrets.volume),
    ...laterFields(secrets.volume),
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
function clusterOf(
  nodes: readonly Uint8Array[],
  objects: readonly Uint8Array[],
  { clusterUid = '', version }: { readonly clusterUid?: string | undefined; readonly version: object },
): KubernetesClient {
  const respondTo = (path: string): Omit<KubernetesResponse, 'path' | 'status'> => {
    if (path === '/version') return { contentType: JSON_TYPE, body: Buffer.from(JSON.stringify(version)) };
    if (path === '/api/v1/namespaces/kube-system') {
      const metadata = create(PartialObjectMetadataSchema, { metadata: { name: 'kube-system', uid: clusterUid } });
      return { contentType: PROTOBUF_TYPE, body: wrap(PartialObjectMetadataSchema, metadata) };
    }
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
    update: () => Promise.reject(new Error('Nothing is updated.')),
    close: () => undefined,
    isReady: () => Promise.resolve(true),
    isClosed: () => false,
  };
}

/** Every form in which the values of a report or a record leave the program. */
function encodingsOf(report: Report, record: KubermaticRecord): readonly string[] {
  const receivedAt = new Date(0);
  return [
    Buffer.from(toBinary(ReportSchema, report)).toString('latin1'),
    toJsonString(ReportSchema, report),
    JSON.stringify(reportJson(report, LEGACY_SCHEMA_VERSION)),
    encodeFrame(report).toString('latin1'),
    JSON.stringify(toDocument(report, receivedAt)),
    Buffer.from(toBinary(RecordSchema, record)).toString('latin1'),
    toJsonString(RecordSchema, record, { useProtoFieldName: true }),
    JSON.stringify(toKubermaticDocument(record, receivedAt)),
  ].map((encoding) => encoding.toLowerCase());
}

test('no text of a node, a version or any object is in a report or record, in any encoding, but in a known form', async () => {
  const nodes = fc.array(fc.tuple(planted, placed, providerId), { minLength: 1, maxLength: 3 });

  await fc.assert(
    fc.asyncProperty(nodes, fc.constantFrom('c', 'auto'), async (drawn, clusterId) => {
      const [[first, { gitVersion }]] = drawn as [(typeof drawn)[number]];
      const kube = clusterOf(
        drawn.map(([secrets, forms, providerOf]) => nodeBytes(secrets, forms, providerOf)),
        drawn.flatMap(([secrets]) => Array.from({ length: 8 }, () => metadataBytes(secrets))),
        {
          clusterUid: first.clusterUid,
          version: {
            gitVersion: gitVersion[0],
            gitCommit: first.label,
            platform: first.label,
            [first.name]: first.name,
          },
        },
      );
      const logged: string[] = [];
      const log = (fields: object, line: string) => void logged.push((JSON.stringify(fields) + line).toLowerCase());
      const options = {
        kube,
        now: new Date(0),
        random: new Uint8Array(16),
        logger: { debug: log, info: log, warn: log, error: log },
      };

      const report = await gatherReport(
        { clusterId, collect: COLLECTABLE, extensions: `/nonexistent/${first.extensionFile}` },
        { ...options, readKey: () => Promise.resolve(first.clusterUid), version: 'v2.0.0', sequence: 1 },
      );
      const { signal } = new AbortController();
      const record = await gatherKubernetesRecord(
        { uuid: 'hmac', idKey: 'kube-system' },
        { ...options, signal, randomBytes: () => new Uint8Array(16) },
      );

      const encodings = encodingsOf(report, record);
      const marks = drawn
        .flatMap(([secrets, forms]) => [
          ...Object.values<string>(secrets),
          ...Object.values(forms).map(([, each]) => each),
        ])
        .map(markOf);
      expect(marks.filter((mark) => encodings.some((encoding) => encoding.includes(mark)))).toStrictEqual([]);
      expect(report).toMatchObject({
        namespaces: 8 * drawn.length,
        workloads: { jobs: [{}] },
        lifetimes: { podsAtLeastHours: 256 },
      });
      expect(report.missing).toMatchObject([{ what: 'extensions[]', reason: 'unreadable file' }]);
      // The log contains the name of the extensions file, and nothing of the cluster.
      expect(logged).toHaveLength(1);
      const clusterMarks = marks.filter((mark) => mark !== markOf(first.extensionFile));
      expect(clusterMarks.filter((mark) => logged.some((line) => line.includes(mark)))).toStrictEqual([]);
      for (const { capacity } of [...report.nodes, ...record.nodes])
        expect(capacity).toContainEqual(expect.objectContaining({ resource: 'other' }));
    }),
    { numRuns: sampled(80, 300) },
  );
});

test('the order of the nodes in the Kubernetes API, which is that of their names, is not in a report', async () => {
  const nodes = fc.array(fc.tuple(planted, placed), { minLength: 2, maxLength: 6 });

  await fc.assert(
    fc.asyncProperty(nodes, fc.constantFrom([], parseOmissions('id')), async (drawn, omit) => {
      const encoded = drawn.map(([secrets, forms]) => nodeBytes(secrets, forms, (account) => `aws:///${account}`));
      const gather = (list: readonly Uint8Array[]) =>
        gatherReport(
          { clusterId: 'c', omit },
          {
            kube: clusterOf(list, [], { clusterUid: 'uid', version: { gitVersion: 'v1.31.4' } }),
            readKey: () => Promise.resolve('key'),
            version: 'v2.0.0',
            now: new Date(0),
            random: new Uint8Array(16),
            sequence: 1,
          },
        );

      expect(await gather(encoded.toReversed())).toStrictEqual(await gather(encoded));
    }),
  );
});

const SENTINEL = 'x-planted@acme.example';
const KNOWN = placed.map((forms) => Object.fromEntries(Object.keys(forms).map((name) => [name, [SENTINEL, SENTINEL]])));

test('every field of a report with the treatment "normalised" goes through its normaliser', async () => {
  const [forms] = fc.sample(KNOWN, 1) as unknown as [Placed];
  const [secrets] = fc.sample(planted, 1) as [Planted];
  const kube = clusterOf([nodeBytes(secrets, forms, () => SENTINEL)], [], {
    clusterUid: 'uid',
    version: { gitVersion: SENTINEL },
  });
  const readKey = () => Promise.resolve('key');
  const options = { kube, readKey, version: 'v2', now: new Date(0), random: new Uint8Array(16), sequence: 1 };

  const json = toJson(ReportSchema, await gatherReport({ clusterId: 'c' }, options));

  const normalised = listFields().filter(({ privacy }) => privacy === Privacy.NORMALISED);
  expect(normalised.length).toBeGreaterThan(8);
  const found = normalised.map(({ path }) => [path, valuesAt(json, path.replaceAll('[]', '').split('.'))] as const);
  expect(found.filter(([, values]) => values.length === 0)).toStrictEqual([]);
  const isKnown = (value: unknown) => /^(?:other|nvidia\.com\/other|cpu|memory|\d+)$/.test(String(value));
  expect(found.filter(([, values]) => !values.every(isKnown))).toStrictEqual([]);
});

function valuesAt(value: unknown, [name, ...rest]: readonly string[]): unknown[] {
  if (Array.isArray(value))
    return value.flatMap((item) =>
      valuesAt(
        item,
        [name, ...rest].flatMap((each) => each ?? []),
      ),
    );
  if (name === undefined) return [value];
  const member: unknown = Reflect.get(value as object, name);
  return member === undefined ? [] : valuesAt(member, rest);
}

test('what was read from the Kubernetes API is never sent verbatim', () => {
  const verbatim = [ReportSchema, RecordSchema].flatMap((schema) =>
    listFields(schema).filter(({ privacy, origin }) => privacy === Privacy.VERBATIM && origin === Origin.KUBERNETES),
  );
  expect(verbatim.map(({ path }) => path)).toStrictEqual([]);
});
