import type { JsonValue } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import {
  SubmitKubermaticReportRequestSchema,
  SubmitReportRequestSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { findWrongField, withRequestPath } from '../../../../src/collector/serve/rpc/field-path.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';

describe('the field of an error is a path from the request message', () => {
  test.each([
    ['clusterID', 'report.cluster_id'],
    ['nodes[3].osImage', 'report.nodes[3].os_image'],
    ['nodes[12].capacity[0].value', 'report.nodes[12].capacity[0].value'],
    ['nodes[0].labels["a.osImage\\"]"]', 'report.nodes[0].labels["a.osImage\\"]"]'],
    ['nodes[0].labels["osImage"].osImage', 'report.nodes[0].labels["osImage"].osImage'],
    ['nodes[0].no_such.osImage', 'report.nodes[0].no_such.osImage'],
    ['no_such', 'report.no_such'],
  ])('%s is %s', (field, expected) => {
    const error = new SpartakusError('invalid', `${field} is wrong, see ${field}`, { field });

    const converted = withRequestPath(error, SubmitReportRequestSchema, 'report');

    expect(converted.field).toBe(expected);
    expect(converted.message).toBe(`${expected} is wrong, see ${field}`);
  });

  test('also one that has another name there', () => {
    const error = new SpartakusError('invalid', 'clusterID is required', { field: 'clusterID' });

    const { field, message } = withRequestPath(error, SubmitKubermaticReportRequestSchema, 'envelope.records[1]', {
      clusterID: 'clientUUID',
    });

    expect([field, message]).toStrictEqual([
      'envelope.records[1].client_uuid',
      'envelope.records[1].client_uuid is required',
    ]);
  });

  test('with the kind, the cause and the time to wait of the error', () => {
    const cause = new Error('why');
    const error = new SpartakusError('unavailable', 'clusterID', { field: 'clusterID', retryAfterMs: 7, cause });

    expect(withRequestPath(error, SubmitReportRequestSchema, 'report')).toMatchObject({
      kind: 'unavailable',
      retryAfterMs: 7,
      cause,
    });
  });

  test('and an error without a field is the same; of another class, it is internal', () => {
    const error = new SpartakusError('unavailable', 'away');

    expect(withRequestPath(error, SubmitReportRequestSchema, 'report')).toBe(error);
    expect(withRequestPath(new Error('broken'), SubmitReportRequestSchema, 'report')).toMatchObject({
      kind: 'internal',
      message: 'broken',
    });
  });
});

describe('the first wrong field of', () => {
  test.each<[JsonValue, string | undefined]>([
    [{ report: { clusterID: 7 } }, 'report.cluster_id'],
    [{ report: { cluster_id: 7 } }, 'report.cluster_id'],
    [{ report: { nodes: [{ id: 'a' }, { id: 1 }, { id: 2 }] } }, 'report.nodes[1].id'],
    [{ report: { nodes: [{}, null] } }, 'report.nodes[1]'],
    [{ report: { nodes: {} } }, 'report.nodes'],
    [{ report: { nodes: [7] } }, 'report.nodes[0]'],
    [{ report: { observedAt: 'yesterday' } }, 'report.observed_at'],
    [{ report: { workloads: { pods: [{}, { atLeast: 'x' }] } } }, 'report.workloads.pods[1].at_least'],
    [{ report: { workloads: 5 } }, 'report.workloads'],
    [{ noSuchField: 7, validateOnly: 'x', report: 7 }, 'validate_only'],
    [{ noSuchField: 7, report: { clusterID: 'c' } }, undefined],
    [{}, undefined],
    [[], undefined],
    [7, undefined],
    [null, undefined],
  ])('%j is %s', (json, field) => {
    expect(findWrongField(SubmitReportRequestSchema, json)).toBe(field);
  });
});
