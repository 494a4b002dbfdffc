import { toJson, toJsonString } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { type KubernetesClient, openKubernetesClient } from '../../../src/kubernetes/client.ts';
import { createNodeIdentifier } from '../../../src/report/ids.ts';
import { LEGACY_SCHEMA_VERSION, reportJson } from '../../../src/report/schema-version.ts';
import { gatherReport } from '../../../src/volunteer/gather/gather.ts';
import legacyReport from '../../fixtures/legacy/spartakus-volunteer-report.json' with { type: 'json' };
import { withFiles } from '../../support/files.ts';
import {
  FIXTURE_PAGE_SIZE,
  type KubeApi,
  openServiceAccount,
  type ServiceAccount,
  startKubeApi,
} from '../../support/kube-api.ts';

let api: KubeApi;
let account: ServiceAccount;
let kube: KubernetesClient;

beforeEach(async () => {
  api = await startKubeApi();
  account = await openServiceAccount();
  kube = await openKubernetesClient({}, { env: api.env, serviceAccountDir: account.dir });
});

afterEach(async () => {
  kube.close();
  await account.close();
  await api.close();
});

function options() {
  return {
    kube,
    readKey: () => Promise.resolve(KEY),
    version: 'v2.0.0',
    now: new Date('2026-11-21T00:26:49.000Z'),
    random: new Uint8Array(16).fill(7),
    sequence: 1,
    pageSize: FIXTURE_PAGE_SIZE,
  };
}

const KEY = 'a key of thirty-two random bytes';
const CLUSTER_ID = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
const EXTENSIONS = { 'extensions.json': '{"example.com/hello": "world", "example.com/foo": "bar"}' };

test('all fields of nodes but their ids equal those of the original volunteer, with exact quantities', async () => {
  await withFiles(EXTENSIONS, async (dir) => {
    const config = { clusterId: CLUSTER_ID, extensions: `${dir}/extensions.json`, exactQuantities: true };
    const report = await gatherReport(config, options());

    const ids = report.nodes.map(({ id }) => id);
    const { nodes: legacyNodes, ...legacyRest } = legacyReport;
    const { nodes, ...rest } = reportJson(report, LEGACY_SCHEMA_VERSION);
    expect(rest).toStrictEqual({
      ...legacyRest,
      version: 'v2.0.0',
      // The start of the hour, and without the commit.
      timestamp: '1795219200',
      masterVersion: 'v0.0.0-master+custom',
    });
    const withoutId = (node: Record<string, unknown>) => JSON.stringify({ ...node, id: undefined });
    const contentOf = (list: unknown) => (list as Record<string, unknown>[]).map(withoutId).toSorted();
    expect(contentOf(nodes)).toStrictEqual(contentOf(legacyNodes));
    expect(ids).toStrictEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(legacyReport.nodes.length);
  });
});

test('the report equals the golden file', async () => {
  await withFiles(EXTENSIONS, async (dir) => {
    const report = await gatherReport({ clusterId: CLUSTER_ID, extensions: dir }, options());

    await expect(`${toJsonString(ReportSchema, report, { prettySpaces: 2 })}\n`).toMatchFileSnapshot(
      '../../golden/gathered-report.json',
    );
  });
});

test('node ids are keyed with the secret key, the cluster id and the scope', async () => {
  const report = await gatherReport({ clusterId: CLUSTER_ID, idScope: 'collector.example.com' }, options());

  expect(report.nodes.map(({ id }) => id)).toContain(
    createNodeIdentifier({ secret: KEY, clusterId: CLUSTER_ID, scope: 'collector.example.com' })({
      name: 'ip-10-0-0-1.ec2.internal',
      machineId: '00000000000000000000000000001eef',
      systemUuid: '00000000000000000000000000019919',
    }),
  );
});

test('the version and the pages of nodes are the only requests', async () => {
  await gatherReport({ clusterId: CLUSTER_ID }, options());

  expect(api.requests.map(({ method, target, accept }) => `${method} ${target} as ${accept}`)).toStrictEqual([
    'GET /version as application/json',
    'GET /api/v1/nodes?limit=3 as application/vnd.kubernetes.protobuf',
    'GET /api/v1/nodes?limit=3&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTA0NjgsInN0YXJ0IjoiaXAtMTAtMC0wLTEwLmVjMi5pbnRlcm5hbFx1MDAwMCJ9 as application/vnd.kubernetes.protobuf',
    'GET /api/v1/nodes?limit=3&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTA0NjgsInN0YXJ0IjoiaXAtMTAtMC0wLTEwMi5lYzIuaW50ZXJuYWxcdTAwMDAifQ as application/vnd.kubernetes.protobuf',
  ]);
  expect(api.connections()).toBe(1);
});

test('a report without extensions has none', async () => {
  const report = await gatherReport({ clusterId: CLUSTER_ID }, options());

  expect(toJson(ReportSchema, report)).not.toHaveProperty('extensions');
});
