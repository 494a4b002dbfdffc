import { expect, test } from 'vitest';
import { Origin, Privacy, Statistic } from '../../gen/spartakus/options/v1/options_pb.js';
import { listFields } from '../../src/report/schema-fields.ts';

test('everything in a report is listed once, under its JSON path', () => {
  const paths = listFields().map(({ path }) => path);
  expect(new Set(paths).size).toBe(paths.length);
  expect(paths).toEqual(
    expect.arrayContaining(['clusterID', 'nodes[]', 'nodes[].capacity[].resource', 'extensions[].value', 'observedAt']),
  );
});

test('a field has the values of its options', () => {
  expect(listFields().find(({ path }) => path === 'nodes[].id')).toMatchObject({
    since: 1,
    origin: Origin.KUBERNETES,
    privacy: Privacy.KEYED_HASH,
    statistic: Statistic.NODES,
    rbac: [{ resource: 'nodes', verbs: ['list'] }],
  });
});
