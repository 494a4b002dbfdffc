import { expect, test } from 'vitest';
import { parseDatabase } from '../../../src/delivery/open-sink.ts';
import { createSentClusterId, type IdConfig, isClusterIdHashed } from '../../../src/volunteer/gather/id-key.ts';
import { resolveIds } from '../../../src/volunteer/gather/id-scope.ts';

const resolve = (database: string, over: Partial<IdConfig> = {}) =>
  resolveIds({ clusterId: 'jane.doe@acme.example PROD', database: parseDatabase(database), ...over });

test.each([
  ['stdout', 'stdout'],
  ['grpc://Collector.Example.com:8080', 'collector.example.com'],
  ['grpcs://collector.example.com.', 'collector.example.com'],
  ['https://collector.example.com/spartakus', 'collector.example.com'],
  ['grpc://[::1]:8080', '::1'],
  // Not of the port or the scheme: a collector that gets TLS is the same recipient.
  ['grpcs://collector.example.com:8443', 'collector.example.com'],
  ['http://collector.example.com', 'collector.example.com'],
])('the scope of %s is %s', (database, scope) => {
  expect(resolve(database).idScope).toBe(scope);
  expect(resolve(database, { idScope: 'mine' }).idScope).toBe('mine');
});

test('a cluster id that is no random UUID is hashed, unless it is for a legacy collector or --cluster-id-verbatim is set', () => {
  const sent = (database: string, over: Partial<IdConfig> = {}) => createSentClusterId(resolve(database, over), 'key');
  const uuid = '2F9C93D3-156c-47aa-8802-578ffca9b50e';

  expect(sent('grpc://c')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(sent('stdout')).not.toBe(sent('grpc://c'));
  expect(sent('grpc://c', { clusterIdVerbatim: true })).toBe('jane.doe@acme.example PROD');
  expect(sent('http://c')).toBe('jane.doe@acme.example PROD');
  expect(sent('grpc://c', { clusterId: uuid })).toBe(uuid);
  // Version 1 contains the address of a network card, and the name in version 5 can be guessed.
  for (const version of ['1', '5']) {
    const clusterId = uuid.replace('-47aa', `-${version}7aa`);
    expect(sent('grpc://c', { clusterId })).not.toBe(clusterId);
  }
  expect(sent('http://c', { clusterId: 'auto' })).not.toBe('auto');
  expect(isClusterIdHashed({ clusterId: '' })).toBe(false);
});
