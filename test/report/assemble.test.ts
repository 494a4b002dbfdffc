import { toJson } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { NodeSchema, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { assembleNode, assembleReport, type ReportFacts } from '../../src/report/assemble.ts';
import { isReportId } from '../../src/report/report-id.ts';

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

test('values of a node that are not known are left out', () => {
  const node = assembleNode({ id: 'n', osImage: '', kernelVersion: undefined, cloudProvider: 'unknown', capacity: [] });

  expect(toJson(NodeSchema, node)).toStrictEqual({ id: 'n', cloudProvider: 'unknown' });
});

test('resources are in the byte order of their names', () => {
  const capacity = [
    ['pods', '110'],
    ['hugepages-2Mi', '0'],
    ['cpu', '4'],
    ['hugepages-1Gi', '0'],
    ['alpha.kubernetes.io/nvidia-gpu', '1'],
    ['Zeta', '1'],
  ] as const;

  const node = assembleNode({ capacity: capacity.map(([resource, value]) => ({ resource, value })) });

  expect(node.capacity.map(({ resource }) => resource)).toStrictEqual([
    'Zeta',
    'alpha.kubernetes.io/nvidia-gpu',
    'cpu',
    'hugepages-1Gi',
    'hugepages-2Mi',
    'pods',
  ]);
});

test('a report has the time of observation in whole seconds and as a timestamp', () => {
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

test('a control plane without a version leaves the field out', () => {
  expect(assembleReport({ ...FACTS, masterVersion: '' }).masterVersion).toBeUndefined();
});
