import { toJson } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { NodeSchema, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { assembleNode, assembleReport, type ReportFacts, sortNodes } from '../../src/report/assemble.ts';
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

test('resources are in the byte order of their names, and their quantities are rounded', () => {
  const capacity = [
    ['pods', '110'],
    ['memory', '15437428Ki'],
    ['hugepages-2Mi', '0'],
    ['cpu', '4'],
    ['hugepages-1Gi', '0'],
    ['alpha.kubernetes.io/nvidia-gpu', '1'],
    ['vpc.amazonaws.com/pod-eni', '107'],
    ['acme.example/jane', '1'],
    ['Acme', '12'],
  ] as const;
  const facts = { capacity: capacity.map(([resource, value]) => ({ resource, value })) };

  const node = assembleNode(facts);

  const memoryOf = ({ capacity: resources }: typeof node) => resources.find(({ resource }) => resource === 'memory');
  expect(memoryOf(node)?.value).toBe('15000000Ki');
  expect(memoryOf(assembleNode(facts, { exactQuantities: true }))?.value).toBe('15437428Ki');
  expect(node.capacity.find(({ resource }) => resource === 'other')?.value).toBe('2');
  expect(node.capacity.map(({ resource }) => resource)).toStrictEqual([
    'alpha.kubernetes.io/nvidia-gpu',
    'cpu',
    'hugepages-1Gi',
    'hugepages-2Mi',
    'memory',
    'other',
    'pods',
    'vpc.amazonaws.com/pod-eni',
  ]);
});

test('a report has the hour of observation in seconds and as a timestamp', () => {
  const report = assembleReport(FACTS);

  expect(toJson(ReportSchema, report)).toStrictEqual({
    version: 'v2.0.0',
    timestamp: '1795219200',
    clusterID: 'c',
    masterVersion: 'v1.31.4',
    extensions: [{ name: 'example.com/hello', value: 'world' }],
    reportID: report.reportId,
    observedAt: '2026-11-21T00:00:00Z',
    sequence: 7,
  });
});

test('a report has an id that is a UUIDv7 of the hour of observation, in the order of the reports of a run', () => {
  const { reportId } = assembleReport(FACTS);

  expect(isReportId(reportId)).toBe(true);
  expect(Number.parseInt(reportId.replaceAll('-', '').slice(0, 12), 16)).toBe(
    new Date('2026-11-21T00:00:00.007Z').getTime(),
  );
  expect(assembleReport({ ...FACTS, sequence: 8 }).reportId > reportId).toBe(true);
});

test('nodes are in the order of their ids, or of their content where ids are not sent', () => {
  const orderOf = (nodes: ReturnType<typeof assembleNode>[]) => {
    sortNodes(nodes);
    return nodes.map(({ id, kernelVersion }) => id + kernelVersion);
  };
  const make = (id: string, kernelVersion: string) => assembleNode({ id, kernelVersion });

  expect(orderOf([make('b', '6.1'), make('c', '6.0'), make('a', '6.2')])).toStrictEqual(['a6.2', 'b6.1', 'c6.0']);
  expect(orderOf([make('', '6.2'), make('', '6.1')])).toStrictEqual(orderOf([make('', '6.1'), make('', '6.2')]));
});

test('a control plane without a version leaves the field out', () => {
  expect(assembleReport({ ...FACTS, masterVersion: '' }).masterVersion).toBeUndefined();
});
