import { toJson } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { readRecord } from '../../src/report/kubermatic-record.ts';

test('the values of records of any agent are read in known forms, in which they are sent', () => {
  const record = readRecord({
    kind: 'kubernetes',
    kubernetes_version: 'v1.31.4-acme',
    nodes: [
      {
        os_image: 'Acme Linux, owner jane.doe@acme.example',
        kernel_version: '6.1.0-jdoe@ci17.acme.example',
        cloud_provider: 'jane.doe',
        capacity: [
          { resource: 'memory', value: '15437428Ki' },
          { resource: 'acme.example/jane', value: '7' },
        ],
      },
    ],
  });

  expect(toJson(RecordSchema, record)).toStrictEqual({
    kind: 'kubernetes',
    kubernetesVersion: 'v1.31.4+custom',
    nodes: [
      {
        osImage: 'other',
        kernelVersion: '6.1.0+custom',
        cloudProvider: 'unknown',
        capacity: [
          { resource: 'memory', value: '15437428Ki' },
          { resource: 'other', value: '1' },
        ],
      },
    ],
  });
});

test('words that Kubermatic does not have are removed from a record, and known ones stay', () => {
  const clusters = ['docker', 'jane.doe'].map((word) => ({
    container_runtime: word,
    cni_plugin: { type: word === 'docker' ? 'cilium' : word, version: 'v1.14.3' },
    cloud: { provider_name: word === 'docker' ? 'hetzner' : word },
    kubernetes_server_version: '1.29.3',
  }));

  const { clusters: read } = readRecord({ kind: 'kubermatic', kubermatic_edition: 'jane', clusters });

  expect(read).toMatchObject([
    {
      containerRuntime: 'docker',
      cniPlugin: { type: 'cilium', version: 'v1.14.3' },
      cloud: { providerName: 'hetzner' },
    },
    { kubernetesServerVersion: '1.29.3' },
  ]);
  expect(
    JSON.stringify(read.map(({ containerRuntime, cniPlugin, cloud }) => [containerRuntime, cniPlugin, cloud])),
  ).not.toContain('jane');
});
