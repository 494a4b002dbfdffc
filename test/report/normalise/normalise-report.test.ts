import { create, toJson } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { NodeSchema, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import {
  normaliseNodes,
  normaliseNodeTexts,
  normaliseReport,
  normaliseResources,
} from '../../../src/report/normalise/normalise-report.ts';

const CAPACITY = [
  { resource: 'memory', value: '15437428Ki' },
  { resource: 'acme.example/jane', value: '7' },
];

test('each text of a node gets its known form', () => {
  expect(
    normaliseNodeTexts({
      operatingSystem: 'jane',
      osImage: 'Debian GNU/Linux 12 (bookworm) of jane',
      kernelVersion: '6.1.0-jane',
      architecture: 'jane',
      containerRuntimeVersion: 'containerd://1.7.3-jane',
      kubeletVersion: 'v1.31.4-jane',
    }),
  ).toStrictEqual({
    operatingSystem: 'other',
    osImage: 'Debian GNU/Linux 12 (bookworm)',
    kernelVersion: '6.1.0+custom',
    architecture: 'other',
    containerRuntimeVersion: 'containerd://1.7.3+custom',
    kubeletVersion: 'v1.31.4+custom',
  });
});

test('a text that a node does not have stays absent, and no other field is taken', () => {
  const node = { osImage: undefined, kernelVersion: '', id: 'n' };

  expect(normaliseNodeTexts(node)).toStrictEqual({ kernelVersion: '' });
});

test('resources have known names, and rounded quantities unless exact ones are asked for', () => {
  const other = { resource: 'other', value: '1' };

  expect(normaliseResources(CAPACITY)).toStrictEqual([{ resource: 'memory', value: '15000000Ki' }, other]);
  expect(normaliseResources(CAPACITY, {})).toStrictEqual([{ resource: 'memory', value: '15000000Ki' }, other]);
  expect(normaliseResources(CAPACITY, { exactQuantities: true })).toStrictEqual([CAPACITY[0], other]);
});

test('a report of an old client gets the values that new clients send', () => {
  const report = create(ReportSchema, {
    clusterId: 'c',
    masterVersion: 'v1.31.4-jane',
    nodes: [
      { id: 'a', kubeletVersion: 'v1.31.4-jane', cloudProvider: 'aws', capacity: CAPACITY },
      { id: 'b', osImage: 'Acme Linux', cloudProvider: 'jane' },
    ],
  });

  normaliseReport(report);

  expect(toJson(ReportSchema, report)).toStrictEqual({
    clusterID: 'c',
    masterVersion: 'v1.31.4+custom',
    nodes: [
      {
        id: 'a',
        kubeletVersion: 'v1.31.4+custom',
        cloudProvider: 'aws',
        capacity: [
          { resource: 'memory', value: '15000000Ki' },
          { resource: 'other', value: '1' },
        ],
      },
      { id: 'b', osImage: 'other', cloudProvider: 'unknown' },
    ],
  });
});

test('what a report or node does not have is not added', () => {
  const report = create(ReportSchema, { clusterId: 'c', nodes: [{ id: 'a' }] });

  normaliseReport(report);

  expect(toJson(ReportSchema, report)).toStrictEqual({ clusterID: 'c', nodes: [{ id: 'a' }] });
});

test('the quantities of nodes stay exact where that is asked for', () => {
  const node = create(NodeSchema, { capacity: CAPACITY });

  normaliseNodes([node], { exactQuantities: true });

  expect(node.capacity.map(({ value }) => value)).toStrictEqual(['15437428Ki', '1']);
});
