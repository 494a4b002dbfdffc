import { create, toJson } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { normaliseKubermaticRecord } from '../../../src/report/normalise/normalise-record.ts';

const JSON_OPTIONS = { useProtoFieldName: true };

/** The record as a JSON object, after it was normalised. */
function normalised(shape: Parameters<typeof create<typeof RecordSchema>>[1]) {
  const record = create(RecordSchema, shape);
  normaliseKubermaticRecord(record);
  return toJson(RecordSchema, record, JSON_OPTIONS);
}

test('the words, versions and published regions of Kubermatic stay in a record', () => {
  const record = create(RecordSchema, {
    kind: 'kubermatic',
    kubernetesVersion: 'v1.31.4',
    kubermaticVersion: 'v2.25.0-rc.1',
    kubermaticEdition: 'EE',
    nodes: [{ kubeletVersion: 'v1.31.4', cloudProvider: 'aws' }],
    seeds: [
      { uuid: 's', exposeStrategy: 'NodePort', datacenters: [{ uuid: 'd', provider: 'aws', region: 'eu-central-1' }] },
    ],
    clusters: [
      {
        uuid: 'c',
        exposeStrategy: 'Tunneling',
        kubernetesServerVersion: '1.29.3',
        kubermaticVersion: 'v2.25.0',
        containerRuntime: 'containerd',
        cniPlugin: { type: 'cilium', version: 'v1.14.3' },
        cloud: { providerName: 'hetzner', datacenterUuid: 'd' },
        clusterNetwork: { ipFamily: 'IPv4+IPv6', konnectivityEnabled: true },
      },
    ],
    machineDeployments: [{ os: 'ubuntu', kubeletVersion: 'v1.29.3', numberOfReplicas: 3 }],
  });
  const before = toJson(RecordSchema, record, JSON_OPTIONS);

  normaliseKubermaticRecord(record);

  expect(toJson(RecordSchema, record, JSON_OPTIONS)).toStrictEqual(before);
});

test('any other text is removed from a record, and an own operating system or region is unknown', () => {
  const jane = 'jane.doe';

  expect(
    normalised({
      kind: 'kubermatic',
      kubernetesVersion: jane,
      kubermaticVersion: jane,
      kubermaticEdition: jane,
      nodes: [{ kubeletVersion: jane, cloudProvider: jane }],
      seeds: [
        {
          uuid: 's',
          exposeStrategy: jane,
          datacenters: [
            { uuid: 'd', provider: 'aws', region: jane },
            { uuid: 'e', provider: jane, region: 'eu-central-1' },
            { uuid: 'f', provider: 'openstack' },
          ],
        },
      ],
      clusters: [
        {
          uuid: 'c',
          exposeStrategy: jane,
          kubernetesServerVersion: jane,
          kubermaticVersion: jane,
          containerRuntime: jane,
          cniPlugin: { type: jane, version: jane },
          cloud: { providerName: jane, datacenterUuid: 'd' },
          clusterNetwork: { ipFamily: jane, konnectivityEnabled: true },
        },
      ],
      machineDeployments: [{ os: jane, kubeletVersion: jane, numberOfReplicas: 3 }],
    }),
  ).toStrictEqual({
    kind: 'kubermatic',
    kubernetes_version: 'other',
    nodes: [{ kubelet_version: 'other', cloud_provider: 'unknown' }],
    seeds: [
      {
        uuid: 's',
        datacenters: [
          { uuid: 'd', provider: 'aws', region: 'unknown' },
          { uuid: 'e' },
          { uuid: 'f', provider: 'openstack' },
        ],
      },
    ],
    clusters: [
      { uuid: 'c', cni_plugin: {}, cloud: { datacenter_uuid: 'd' }, cluster_network: { konnectivity_enabled: true } },
    ],
    machine_deployments: [{ os: 'unknown', number_of_replicas: 3 }],
  });
});

test('what a record does not have is not added', () => {
  const shape = {
    kind: 'kubernetes',
    nodes: [{ id: 'n' }],
    seeds: [{ uuid: 's', datacenters: [{ uuid: 'd' }] }],
    clusters: [{ uuid: 'c' }],
    machineDeployments: [{}],
  };

  expect(normalised(shape)).toStrictEqual(toJson(RecordSchema, create(RecordSchema, shape), JSON_OPTIONS));
});

test('the quantities of nodes are rounded, unless exact ones are asked for', () => {
  const make = () => create(RecordSchema, { nodes: [{ capacity: [{ resource: 'memory', value: '15437428Ki' }] }] });
  const [rounded, exact] = [make(), make()];

  normaliseKubermaticRecord(rounded);
  normaliseKubermaticRecord(exact, { exactQuantities: true });

  expect(rounded.nodes[0]?.capacity[0]?.value).toBe('15000000Ki');
  expect(exact.nodes[0]?.capacity[0]?.value).toBe('15437428Ki');
});
