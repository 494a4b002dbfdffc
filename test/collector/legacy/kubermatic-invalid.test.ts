import { readFile } from 'node:fs/promises';
import type { JsonValue } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { isKubermaticReport, readKubermaticReport } from '../../../src/collector/legacy/kubermatic.ts';
import { parseJson } from '../../../src/report/go-json.ts';

const SAMPLES = ['report-v1', 'report-v1-location', 'report-v2', 'record-kubermatic-v2', 'record-kubermatic-proposal'];

const fixture = async (path: string): Promise<JsonValue> =>
  parseJson(await readFile(new URL(`../../fixtures/${path}.json`, import.meta.url)));

describe('an invalid body is rejected, with the field named', () => {
  test.each<[string, JsonValue, string]>([
    ['a list', [], 'expected an object, got an array'],
    ['nothing of an envelope', {}, 'expected client_uuid and records, as in an envelope, or a kind, as in a record'],
    ['a report of Spartakus', { clusterID: 'c' }, 'expected client_uuid and records'],
    ['a number for the client', { client_uuid: 1 }, 'clientUUID: expected a string, got a number'],
    ['an object for the records', { client_uuid: 'u', records: {} }, 'records: expected an array, got an object'],
    ['a text for a record', { client_uuid: 'u', records: ['x'] }, 'records[0]: expected an object, got a string'],
    [
      'more records than anybody has',
      { records: Array.from({ length: 1001 }, () => ({ kind: 'kubermatic' })) },
      'records: expected at most 1000, got 1001',
    ],
    ['a text for a location', { client_uuid: 'u', location: 'Berlin' }, 'location: expected an object, got a string'],
    ['an envelope of another version', { client_uuid: 'u', version: 'v3' }, 'version: expected "v1" or "v2"'],
    [
      'a record without a kind',
      { client_uuid: 'u', records: [{}] },
      'records[0].kind: expected "kubernetes" or "kubermatic"',
    ],
    ['a record that is null', { client_uuid: 'u', records: [null] }, 'records[0].kind: '],
    [
      'a record of another kind',
      { records: [{ kind: 'kubernetes' }, { kind: 'k3s' }] },
      'records[1].kind: expected "kubernetes" or "kubermatic"',
    ],
    ['a bare record of another kind', { kind: 'k3s' }, 'kind: expected "kubernetes" or "kubermatic"'],
    [
      'a record of another version',
      { records: [{ kind: 'kubermatic', version: '2' }] },
      'records[0].version: expected "v1" or "v2"',
    ],
    ['a date that is none', { records: [{ kind: 'kubermatic', time: 'yesterday' }] }, 'records[0].time: '],
    [
      'a date before 1970',
      { records: [{ kind: 'kubermatic', time: '1969-12-31T23:59:59Z' }] },
      'records[0].time: expected a date from 1970 to 9999',
    ],
    [
      'an id that is no UUIDv7',
      { records: [{ kind: 'kubermatic', reportID: 'x' }] },
      'records[0].reportID: expected a UUIDv7',
    ],
    [
      'a text for a boolean',
      { kind: 'kubermatic', users: [{ is_admin: 'yes' }] },
      'users[0].isAdmin: expected a boolean, got a string',
    ],
    [
      'a text for a number',
      { kind: 'kubermatic', clusters: [{}, { etcd_cluster_size: '3' }] },
      'clusters[1].etcdClusterSize: expected a whole number',
    ],
    [
      'a fraction',
      { kind: 'kubermatic', clusters: [{ etcdClusterSize: 2.5 }] },
      'clusters[0].etcdClusterSize: expected a whole number from 0 to 4294967295, got 2.5',
    ],
    [
      'a number of more than 32 bits',
      { kind: 'kubermatic', clusters: [{ etcdClusterSize: 4_294_967_296 }] },
      'clusters[0].etcdClusterSize: expected a whole number from 0 to 4294967295, got 4294967296',
    ],
    [
      'a negative number',
      { kind: 'kubermatic', machineDeployments: [{ numberOfReplicas: -1 }] },
      'machineDeployments[0].numberOfReplicas: ',
    ],
    [
      'a number for an owner',
      { kind: 'kubermatic', ssh_keys: [{ owner_project_uuid: 7 }] },
      'sshKeys[0].ownerProjectUUID: expected an array, got a number',
    ],
    [
      'a list for a cloud',
      { kind: 'kubermatic', clusters: [{ cloud: [] }] },
      'clusters[0].cloud: expected an object, got an array',
    ],
    [
      'a number deep inside',
      { records: [{ kind: 'kubernetes', nodes: [{ capacity: [{ value: 4 }] }] }] },
      'records[0].nodes[0].capacity[0].value: expected a string, got a number',
    ],
  ])('%s', (_name, body, message) => {
    expect(() => readKubermaticReport(body, { keepCountry: false })).toThrow(
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(message) as string }),
    );
  });
});

describe('the largest that is allowed is read', () => {
  test('1000 records', () => {
    const records = Array.from({ length: 1_000 }, () => ({ kind: 'kubermatic' }));

    expect(readKubermaticReport({ records }, { keepCountry: false }).entries).toHaveLength(1_000);
  });

  test('a number of 32 bits', () => {
    const body = { kind: 'kubermatic', clusters: [{ etcdClusterSize: 4_294_967_295 }] };

    expect(readKubermaticReport(body, { keepCountry: false }).entries).toMatchObject([
      { kubermaticRecord: { clusters: [{ etcdClusterSize: 4_294_967_295 }] } },
    ]);
  });
});

describe('by its shape', () => {
  test.each(SAMPLES)('%s is of Kubermatic', async (name) => {
    expect(isKubermaticReport(await fixture(`kubermatic/${name}`))).toBe(true);
  });

  test.each<JsonValue>([
    {},
    null,
    [],
    'records',
    { clusterID: 'c', records: [] },
    { clusterId: 'c', client_uuid: 'u' },
    { kind: 'List' },
    { records: {} },
    { client_uuid: 1 },
  ])('%j is not', (json) => {
    expect(isKubermaticReport(json)).toBe(false);
  });

  test.each(['spartakus-volunteer-report', 'coreos-report'])('nor is %s', async (name) => {
    expect(isKubermaticReport(await fixture(`legacy/${name}`))).toBe(false);
  });
});
