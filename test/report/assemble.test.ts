import { toJson } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { NodeSchema, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { assembleNode, assembleReport, type NodeFacts, type ReportFacts } from '../../src/report/assemble.ts';
import { createNodeIdentifier } from '../../src/report/ids.ts';
import { isReportId } from '../../src/report/report-id.ts';

const identify = createNodeIdentifier('key');

const BARE_NODE: NodeFacts = {
  name: 'node-1',
  machineId: '',
  systemUuid: '',
  operatingSystem: '',
  osImage: '',
  kernelVersion: '',
  architecture: '',
  containerRuntimeVersion: '',
  kubeletVersion: '',
  providerId: '',
  capacity: [],
};

const FACTS: ReportFacts = {
  version: 'v2.0.0',
  clusterId: 'c',
  masterVersion: 'v1.31.4',
  nodes: [],
  extensions: [{ name: 'example.com/hello', value: 'world' }],
  observedAt: new Date('2026-11-21T00:26:49.999Z'),
  sequence: 7,
  random: new Uint8Array(16).fill(9),
};

test('a node of which little is known has only an id and an unknown cloud', () => {
  const node = assembleNode(identify, BARE_NODE);

  expect(node.id).toMatch(/^[0-9a-f]{32}$/);
  expect(toJson(NodeSchema, node)).toStrictEqual({ id: node.id, cloudProvider: 'unknown' });
});

test('resources stand in the byte order of their names', () => {
  const capacity = [
    ['pods', '110'],
    ['hugepages-2Mi', '0'],
    ['cpu', '4'],
    ['hugepages-1Gi', '0'],
    ['alpha.kubernetes.io/nvidia-gpu', '1'],
    ['Zeta', '1'],
  ] as const;

  const node = assembleNode(identify, { ...BARE_NODE, capacity });

  expect(node.capacity.map(({ resource }) => resource)).toStrictEqual([
    'Zeta',
    'alpha.kubernetes.io/nvidia-gpu',
    'cpu',
    'hugepages-1Gi',
    'hugepages-2Mi',
    'pods',
  ]);
});

test('a report says when it was made, in whole seconds and in full', () => {
  const report = assembleReport(FACTS);

  expect(toJson(ReportSchema, report)).toStrictEqual({
    version: 'v2.0.0',
    timestamp: '1795220809',
    clusterID: 'c',
    masterVersion: 'v1.31.4',
    extensions: [{ name: 'example.com/hello', value: 'world' }],
    reportID: report.reportId,
    observedAt: '2026-11-21T00:26:49.999Z',
    sequence: 7,
  });
});

test('a report has an id that is a UUIDv7 of the time of observation', () => {
  const { reportId } = assembleReport(FACTS);

  expect(isReportId(reportId)).toBe(true);
  expect(Number.parseInt(reportId.replaceAll('-', '').slice(0, 12), 16)).toBe(FACTS.observedAt.getTime());
});

test('a control plane that says no version leaves the field out', () => {
  expect(assembleReport({ ...FACTS, masterVersion: '' }).masterVersion).toBeUndefined();
});
