import { readFile } from 'node:fs/promises';
import { create, type JsonObject, type JsonValue, toJson, type UnknownField } from '@bufbuild/protobuf';
import { WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from 'vitest';
import { EnvelopeSchema } from '../../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { NodeSchema, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { readEnvelope, readKubermaticReport } from '../../../src/collector/legacy/kubermatic.ts';
import { parseJson } from '../../../src/report/go-json.ts';
import { isReportId } from '../../../src/report/report-id.ts';
import { toDocument, toKubermaticDocument } from '../../../src/report/stored-document.ts';
import { byKind, type SubmissionByKind } from '../../support/kubermatic-submission.ts';

const TIME = '2024-05-06T00:00:06.071255038Z';
const PLANTED = 'planted-mark';

const sample = async (name: string): Promise<JsonValue> =>
  parseJson(await readFile(new URL(`../../fixtures/kubermatic/${name}.json`, import.meta.url)));
const readCountry = (json: JsonValue, keepCountry: boolean): string | undefined =>
  readKubermaticReport(json, { keepCountry }).country;
const read = (json: JsonValue, keepCountry = false): SubmissionByKind =>
  byKind(readKubermaticReport(json, { keepCountry }));

/** The JSON of the records that an envelope of these becomes, without their ids, which have tests of their own. */
function records(...bare: readonly JsonValue[]): readonly JsonValue[] {
  return read({ client_uuid: 'u', records: [...bare] }).records.map((record) => {
    record.reportId = '';
    return toJson(RecordSchema, record);
  });
}

/** A kubermatic record, and what it becomes. */
const kubermatic = (fields: object) => ({ kind: 'kubermatic', ...fields });

describe('both spellings, and what lies between', () => {
  test.each<[string, object, object]>([
    [
      'released: a cluster',
      { clusters: [{ seed_uuid: 's', project_uuid: 'p' }] },
      { clusters: [{ seedUUID: 's', projectUUID: 'p' }] },
    ],
    [
      'proposal: a cluster',
      { clusters: [{ seedUUID: 's', projectUUID: 'p' }] },
      { clusters: [{ seedUUID: 's', projectUUID: 'p' }] },
    ],
    [
      'neither: a cluster',
      { clusters: [{ seedUuid: 's', PROJECT_uuid: 'p' }] },
      { clusters: [{ seedUUID: 's', projectUUID: 'p' }] },
    ],
    [
      'released: a cloud',
      { clusters: [{ cloud: { provider_name: 'aws', datacenter_uuid: 'd' } }] },
      { clusters: [{ cloud: { provider: 'aws', dcUUID: 'd' } }] },
    ],
    [
      'proposal: a cloud',
      { clusters: [{ cloud: { provider: 'aws', dcUUID: 'd' } }] },
      { clusters: [{ cloud: { provider: 'aws', dcUUID: 'd' } }] },
    ],
    [
      'neither: a cloud',
      { clusters: [{ cloud: { providerName: 'aws', datacenterUUID: 'd' } }] },
      { clusters: [{ cloud: { provider: 'aws', dcUUID: 'd' } }] },
    ],
    [
      'released: the key agent',
      { clusters: [{ user_ssh_key_agent_enabled: true }] },
      { clusters: [{ enableUserSSHKeyAgent: true }] },
    ],
    [
      'proposal: the key agent',
      { clusters: [{ enableUserSSHKeyAgent: true }] },
      { clusters: [{ enableUserSSHKeyAgent: true }] },
    ],
    [
      'released: keys, one owner',
      { ssh_keys: [{ owner_project_uuid: 'p', cluster_uuids: ['c'] }] },
      { sshKeys: [{ ownerProjectUUID: ['p'], clusterUUIDs: ['c'] }] },
    ],
    [
      'proposal: keys, a list of owners',
      { sshKeys: [{ ownerProjectUUID: ['p', 'q'] }] },
      { sshKeys: [{ ownerProjectUUID: ['p', 'q'] }] },
    ],
    ['proposal, its other section: sshkeys', { sshkeys: [{ uuid: 'k' }] }, { sshKeys: [{ uuid: 'k' }] }],
    [
      'a list in the released spelling',
      { ssh_keys: [{ owner_project_uuid: ['p'] }] },
      { sshKeys: [{ ownerProjectUUID: ['p'] }] },
    ],
    [
      'a text in the proposal spelling',
      { sshKeys: [{ ownerProjectUUID: 'p' }] },
      { sshKeys: [{ ownerProjectUUID: ['p'] }] },
    ],
    ['an empty owner is none', { ssh_keys: [{ uuid: 'k', owner_project_uuid: '' }] }, { sshKeys: [{ uuid: 'k' }] }],
    [
      'released: networks',
      { clusters: [{ cluster_network: { ip_family: 'IPv4' }, cni_plugin: { type: '', version: '' } }] },
      { clusters: [{ clusterNetwork: { ipFamily: 'IPv4' }, cniPlugin: { type: '', version: '' } }] },
    ],
    [
      'empty objects stay',
      { clusters: [{ cloud: {}, mla: {}, cluster_network: {}, cni_plugin: {} }] },
      { clusters: [{ cloud: {}, mla: {}, clusterNetwork: {}, cniPlugin: {} }] },
    ],
    [
      'false and zero stay, absent stays absent',
      { users: [{ is_admin: false }, {}], clusters: [{ etcd_cluster_size: 0 }] },
      { users: [{ isAdmin: false }, {}], clusters: [{ etcdClusterSize: 0 }] },
    ],
    [
      'released: MLA',
      { clusters: [{ mla: { monitoring_enabled: true, logging_enabled: false } }] },
      { clusters: [{ mla: { monitoringEnabled: true, loggingEnabled: false } }] },
    ],
    [
      'proposal: MLA of a seed',
      { seeds: [{ userClusterMlaEnabled: false }] },
      { seeds: [{ userClusterMlaEnabled: false }] },
    ],
    [
      'proposal: machines',
      { machineDeployments: [{ os: 'ubuntu', kubeletVersion: 'v1', numberOfReplicas: 3 }] },
      { machineDeployments: [{ os: 'ubuntu', kubeletVersion: 'v1', numberOfReplicas: 3 }] },
    ],
    [
      'edition and version',
      { kubermatic_edition: 'EE', kubermatic_version: '' },
      { kubermaticEdition: 'EE', kubermaticVersion: '' },
    ],
    [
      'null for anything absent',
      { seeds: null, clusters: [{ cloud: null, etcd_cluster_size: null }] },
      { clusters: [{}] },
    ],
    [
      'unknown fields, and nodes, which are of the other kind',
      { x: { y: 1 }, nodes: [{ id: 'n' }], clusters: [{ z: [] }] },
      { clusters: [{}] },
    ],
    ['names of objects in JavaScript', { ['__proto__']: { kind: 'x' }, constructor: 1 }, {}],
    ["Go's zero time is none", { time: '0001-01-01T00:00:00Z' }, {}],
    ['the versions that there are', { version: 'v2' }, { version: 'v2' }],
  ])('%s', (_name, sent, kept) => {
    expect(records(kubermatic(sent) as unknown as JsonValue)).toStrictEqual([
      { kind: 'kubermatic', clientUUID: 'u', ...kept },
    ]);
  });

  test('the two samples of one installation say the same in what both have', async () => {
    const [released, proposed] = await Promise.all(
      ['record-kubermatic-v2', 'record-kubermatic-proposal'].map(async (name) => read(await sample(name)).records[0]),
    );

    expect(proposed?.users).toStrictEqual(released?.users);
    expect(proposed?.projects).toStrictEqual(released?.projects);
    expect(proposed?.clusters.map(({ cloud, mla, seedUuid }) => ({ cloud, mla, seedUuid }))).toStrictEqual(
      released?.clusters.map(({ cloud, mla, seedUuid }) => ({ cloud, mla, seedUuid })),
    );
    expect(proposed?.sshKeys.map(({ ownerProjectUuid }) => ownerProjectUuid)).toStrictEqual(
      released?.sshKeys.map(({ ownerProjectUuid }) => ownerProjectUuid),
    );
  });
});

describe('a record of kind kubernetes', () => {
  test('becomes an ordinary report of the cluster that the client UUID names, without external IPs', () => {
    const node = {
      id: 'n',
      os_image: 'Ubuntu',
      cloud_provider: 'hcloud',
      external_ip: PLANTED,
      capacity: [{ resource: 'cpu', value: '4' }],
    };
    const { reports } = read({
      client_uuid: 'u',
      records: [{ kind: 'kubernetes', time: TIME, kubernetes_version: 'v1.28.7', nodes: [node, {}] }],
    });

    expect(reports.map((report) => toJson(ReportSchema, report))).toStrictEqual([
      {
        clusterID: 'u',
        timestamp: '1714953606',
        observedAt: TIME,
        masterVersion: 'v1.28.7',
        nodes: [
          { id: 'n', osImage: 'Ubuntu', cloudProvider: 'hcloud', capacity: [{ resource: 'cpu', value: '4' }] },
          {},
        ],
        reportID: reports[0]?.reportId,
      },
    ]);
  });

  test("takes the envelope's time where it has none, and no time where neither has one", () => {
    const envelopes: JsonObject[] = [{ time: TIME }, { time: '0001-01-01T00:00:00Z' }, {}];
    const times = envelopes.map(
      (envelope) => read({ client_uuid: 'u', ...envelope, records: [{ kind: 'kubernetes' }] }).reports[0],
    );

    expect(times.map((report) => report?.timestamp)).toStrictEqual(['1714953606', '', '']);
  });
});

test('a record keeps its own client and time, and takes those of its envelope where it has none', () => {
  const envelope = { client_uuid: 'of the envelope', time: '2024-05-07T00:00:00Z' };
  const own = { client_uuid: 'its own', time: TIME };
  const bare = ['kubermatic', 'kubernetes'].flatMap((kind) => [{ kind, ...own }, { kind }]);

  const { reports, records: kept } = read({ ...envelope, records: bare });

  expect(kept.map((record) => toJson(RecordSchema, record))).toMatchObject([
    { clientUUID: 'its own', time: TIME },
    { clientUUID: 'of the envelope', time: '2024-05-07T00:00:00Z' },
  ]);
  expect(reports.map((report) => toJson(ReportSchema, report))).toMatchObject([
    { clusterID: 'its own', observedAt: TIME },
    { clusterID: 'of the envelope', observedAt: '2024-05-07T00:00:00Z' },
  ]);
});

test('the entries are in the order of the records', () => {
  const kinds = ['kubermatic', 'kubernetes', 'kubernetes', 'kubermatic'];
  const { entries } = readKubermaticReport(
    { client_uuid: 'u', records: kinds.map((kind) => ({ kind })) },
    { keepCountry: false },
  );

  expect(entries.map((entry) => ('report' in entry ? 'kubernetes' : 'kubermatic'))).toStrictEqual(kinds);
});

describe('the id of a record', () => {
  const idOf = (record: object, client_uuid = 'u', envelope: object = {}): string | undefined => {
    const {
      reports,
      records: [record0],
    } = read({ client_uuid, ...envelope, records: [record as JsonValue] });
    return reports[0]?.reportId ?? record0?.reportId;
  };
  const record = { kind: 'kubermatic', time: TIME, users: [{ uuid: 'a' }] };

  test('is a UUIDv7 of its time, and the same for the same record in another envelope', () => {
    const id = idOf(record);

    expect(isReportId(id ?? '')).toBe(true);
    expect(Number.parseInt((id ?? '').replaceAll('-', '').slice(0, 12), 16)).toBe(Date.parse(TIME));
    expect(
      idOf({ users: [{ uuid: 'a' }], time: TIME, kind: 'kubermatic' }, 'u', {
        version: 'v2',
        time: '2024-05-07T00:00:00Z',
      }),
    ).toBe(id);
  });

  test('does not change from release to release: a retry across an update is still a retry', () => {
    expect([idOf(record), idOf({ ...record, kind: 'kubernetes', nodes: [{ id: 'n' }] })]).toMatchInlineSnapshot(`
      [
        "018f4b33-53b7-74a9-9a51-253240f0db5d",
        "018f4b33-53b7-7278-87bc-fb55e6c586a6",
      ]
    `);
  });

  test('is another one for another client, time, kind or content', () => {
    const ids = [
      idOf(record),
      idOf(record, 'v'),
      idOf({ ...record, time: '2024-05-06T00:00:06.071255039Z' }),
      idOf({ ...record, kind: 'kubernetes' }),
      idOf({ ...record, users: [] }),
    ];

    expect(new Set(ids).size).toBe(ids.length);
  });

  test('is the one that it brings, where it brings one', () => {
    const reportID = '01890a5d-ac96-774b-bcce-b302099a8057';

    expect(idOf({ ...record, reportID })).toBe(reportID);
    expect(idOf({ ...record, kind: 'kubernetes', reportID })).toBe(reportID);
  });

  test('does not depend on unknown fields, which a collector may drop', () => {
    const idWith = (kind: string, unknown: UnknownField[]): string | undefined => {
      const sent = create(RecordSchema, { kind, clientUuid: 'u', time: { seconds: 1_714_953_606n } });
      sent.nodes = kind === 'kubernetes' ? [create(NodeSchema, { id: 'n' })] : [];
      for (const message of [sent, ...sent.nodes]) message.$unknown = unknown;
      const { reports, records: kept } = byKind(
        readEnvelope(create(EnvelopeSchema, { records: [sent] }), { keepCountry: false }),
      );
      return [...reports, ...kept][0]?.reportId;
    };

    for (const kind of ['kubermatic', 'kubernetes']) {
      expect(isReportId(idWith(kind, []) ?? '')).toBe(true);
      expect(idWith(kind, [{ no: 9_999, wireType: WireType.Varint, data: new Uint8Array([1]) }])).toBe(
        idWith(kind, []),
      );
    }
  });

  test('is none without any time: the same content on two days is two records', () => {
    expect(idOf({ kind: 'kubermatic' })).toBe('');
  });
});

describe('locations', () => {
  const place = {
    city: PLANTED,
    country: 'Planted-mark',
    country_code: 'de',
    ip: PLANTED,
    latitude: 52.5,
    longitude: 13.4,
    region: PLANTED,
    zip: PLANTED,
  };
  const body: JsonObject = {
    client_uuid: 'u',
    client_location: place,
    location: place,
    master_location: { country: 'fr' },
    records: [
      { kind: 'kubernetes', time: TIME, nodes: [{ id: 'n', external_ip: PLANTED, externalIP: PLANTED }] },
      {
        kind: 'kubermatic',
        time: TIME,
        location: PLANTED,
        country: 'DE',
        seeds: [
          { country: 'nl', location: PLANTED, datacenters: [{ country: PLANTED, location: PLANTED, region: 'r' }] },
        ],
      },
    ],
  };
  const documents = ({ reports, records: kept }: SubmissionByKind, country?: string): object[] => [
    ...reports.map((report) => toDocument(report, new Date(0), { country })),
    ...kept.map((record) => toKubermaticDocument(record, new Date(0), { country })),
  ];

  test('are dropped, with every country', () => {
    const stored = documents(read(body));

    expect(JSON.stringify(stored)).not.toMatch(/planted|52\.5|13\.4|country|"DE"|"NL"|"FR"/i);
    expect(readCountry(body, false)).toBeUndefined();
    expect(stored[1]).toMatchObject({ seeds: [{ datacenters: [{ region: 'r' }] }] });
  });

  test('leave the country where the operator keeps it, as two letters', () => {
    const stored = documents(read(body, true), readCountry(body, true));

    expect(stored).toMatchObject([
      { country: 'DE' },
      { country: 'DE', seeds: [{ country: 'NL', datacenters: [{ region: 'r' }] }] },
    ]);
    expect(JSON.stringify(stored)).not.toMatch(/planted|52\.5|13\.4/i);
  });

  test.each<[string, object, string | undefined]>([
    ['the code before the name', { client_location: { country: 'Germany', country_code: 'DE' } }, 'DE'],
    ['a name of two letters', { location: { country: 'se' } }, 'SE'],
    ['no code at all', { client_location: { country: 'Germany', country_code: '' } }, undefined],
    ['the empty one of released clients', { client_location: { country: '' }, master_location: {} }, undefined],
  ])('%s', (_name, envelope, country) => {
    expect(readCountry({ client_uuid: 'u', ...envelope }, true)).toBe(country);
  });
});
