import { readFile } from 'node:fs/promises';
import { type JsonValue, toJson } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { readLegacyBody } from '../../../src/collector/legacy/body.ts';
import { isCoreosReport, readCoreosReport } from '../../../src/collector/legacy/coreos.ts';
import { readSpartakusReport } from '../../../src/collector/legacy/spartakus.ts';
import { parseJson } from '../../../src/report/go-json.ts';
import { toDocument } from '../../../src/report/stored-document.ts';

const spartakus = (text: string): JsonValue =>
  toJson(ReportSchema, readSpartakusReport(parseJson(Buffer.from(text, 'latin1'))));
const coreos = (text: string): JsonValue => toJson(ReportSchema, readCoreosReport(parseJson(Buffer.from(text))));

describe('Spartakus JSON, as Go read it', () => {
  test.each<[string, string, JsonValue]>([
    [
      'keys in any case',
      '{"ClusterId": "c", "NODES": [{"ID": "n", "OsImage": "x"}]}',
      { clusterID: 'c', nodes: [{ id: 'n', osImage: 'x' }] },
    ],
    [
      'keys with letters that Go folds',
      String.raw`{"cluster\u017fID": "c", "masterVer\u017fion": "v"}`,
      { masterVersion: 'v' },
    ],
    ['null for an absent text', '{"clusterID": null, "masterVersion": null}', {}],
    ['null for an absent list', '{"nodes": null, "extensions": null}', {}],
    ['null for an empty node', '{"nodes": [null, {"capacity": [null]}]}', { nodes: [{}, { capacity: [{}] }] }],
    ['null for a report', 'null', {}],
    ['nothing at all', '{}', {}],
    ['duplicate keys: the last wins', '{"clusterID": "a", "clusterID": "b"}', { clusterID: 'b' }],
    ['duplicate keys in two cases: the last wins', '{"clusterID": "a", "CLUSTERID": "b"}', { clusterID: 'b' }],
    ['a duplicate that is null: it leaves what was there', '{"clusterID": "a", "CLUSTERID": null}', { clusterID: 'a' }],
    [
      'unknown fields',
      '{"clusterID": "c", "x": {"y": [1]}, "nodes": [{"id": "n", "z": 1}]}',
      { clusterID: 'c', nodes: [{ id: 'n' }] },
    ],
    [
      'empty texts where a text is optional',
      '{"masterVersion": "", "nodes": [{"osImage": ""}]}',
      { masterVersion: '', nodes: [{ osImage: '' }] },
    ],
    ['bytes that are no UTF-8', '{"clusterID": "a\xffb"}', { clusterID: 'a\ufffdb' }],
    ['half a surrogate pair', String.raw`{"clusterID": "a\ud800b"}`, { clusterID: 'a\ufffdb' }],
    ['names of objects in JavaScript', '{"__proto__": {"clusterID": "x"}, "constructor": 1, "toString": 2}', {}],
    ['white space', ' \n\t{ "clusterID" :\r\n"c" } ', { clusterID: 'c' }],
  ])('%s', (_name, text, expected) => {
    expect(spartakus(text)).toStrictEqual(expected);
  });

  test.each([
    ['a number for a text', '{"clusterID": 7}', 'clusterID: expected a string, got a number'],
    [
      'a boolean for a text',
      '{"nodes": [{"id": "n"}, {"osImage": true}]}',
      'nodes[1].osImage: expected a string, got a boolean',
    ],
    ['a list for a text', '{"masterVersion": ["v1"]}', 'masterVersion: expected a string, got an array'],
    ['an object for a list', '{"nodes": {}}', 'nodes: expected an array, got an object'],
    ['a list for an object', '{"nodes": [[]]}', 'nodes[0]: expected an object, got an array'],
    ['a text for an object', '{"nodes": ["n"]}', 'nodes[0]: expected an object, got a string'],
    [
      'a map for capacity',
      '{"nodes": [{"capacity": {"cpu": "4"}}]}',
      'nodes[0].capacity: expected an array, got an object',
    ],
    [
      'a number deep inside',
      '{"nodes": [{"capacity": [{"resource": "cpu", "value": 4}]}]}',
      'nodes[0].capacity[0].value: expected a string, got a number',
    ],
    [
      'an object for an extension',
      '{"extensions": [{"name": "a", "value": {}}]}',
      'extensions[0].value: expected a string, got an object',
    ],
    ['a list for a report', '[]', 'expected an object, got an array'],
    ['a text for a report', '"{}"', 'expected an object, got a string'],
    ['no JSON', '{"clusterID"', 'the body is not JSON'],
    ['nothing', '', 'the body is not JSON'],
    ['two reports', '{} {}', 'the body is not JSON'],
    ['a byte order mark', '\xef\xbb\xbf{}', 'the body is not JSON'],
    ['a comment', '{} // c', 'the body is not JSON'],
    ['a comma before the closing brace', '{"clusterID": "c",}', 'the body is not JSON'],
  ])('%s is rejected, and the error names the field', (_name, text, message) => {
    expect(() => spartakus(text)).toThrow(
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(message) as string }),
    );
  });
});

describe('a name that the original did not have', () => {
  const read = (json: JsonValue) => {
    let dropped = 0;
    const report = readSpartakusReport(json, () => (dropped += 1));
    return { ...(toJson(ReportSchema, report) as object), dropped };
  };

  test.each<[string, JsonValue, number]>([
    ['fits', { sequence: 3, namespaces: 4, workloads: { pods: [{ atLeast: 1, namespaces: 2 }] } }, 0],
    ['is a list for a number', { namespaces: ['a'] }, 1],
    ['is a number for a text', { reportID: 7 }, 1],
    ['is a date that is none', { observedAt: 'yesterday' }, 1],
    ['is no whole number', { sequence: -1 }, 1],
    ['is a text for an object', { workloads: 'many' }, 1],
    ['is a list with one wrong item', { missing: [{ what: 'nodes' }, 7] }, 1],
    [
      'is wrong deep inside: it is dropped as a whole',
      { workloads: { services: [{ atLeast: 1 }], pods: [{ atLeast: 'x' }] } },
      1,
    ],
    ['several are wrong', { NAMESPACES: {}, lifetimes: [], sequence: '1' }, 3],
  ])('%s: %j', (_case, added, dropped) => {
    const given = { clusterID: 'c', nodes: [{ id: 'n' }] };

    expect(read({ ...given, ...(added as object) })).toStrictEqual({
      ...given,
      ...(dropped === 0 ? (added as object) : {}),
      dropped,
    });
  });

  test('is counted where it is dropped from a body', () => {
    const json = { clusterID: 'c', namespaces: ['a'], sequence: -1, workloads: {} };

    expect(readLegacyBody('/api/v1', json, { keepCountry: false })).toMatchObject({
      dialect: 'spartakus',
      unknownFields: 2,
    });
  });

  const NEWER = ['reportID', 'observedAt', 'sequence', 'namespaces', 'workloads', 'lifetimes', 'missing'];

  test.each(NEWER)('%s with any value leaves the rest of the report as it is', (name) => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(read({ clusterID: 'c', nodes: [{ id: 'n' }], [name]: value as JsonValue })).toMatchObject({
          clusterID: 'c',
          nodes: [{ id: 'n' }],
        });
      }),
    );
  });

  test('does not excuse a wrong type of one that it had', () => {
    expect(() => read({ namespaces: ['a'], clusterID: 7 })).toThrow('clusterID: expected a string, got a number');
  });
});

describe('the envelope of CoreOS', () => {
  test.each<[string, string, JsonValue]>([
    ['a timestamp as a text', '{"metadata": {"timestamp": "1437174715"}, "payload": {}}', { timestamp: '1437174715' }],
    ['a timestamp as a number', '{"metadata": {"timestamp": 1437174715}, "payload": {}}', { timestamp: '1437174715' }],
    ['no timestamp', '{"payload": {"clusterID": "c"}}', { clusterID: 'c' }],
    [
      'keys in any case',
      '{"Payload": {"ClusterID": "c", "Nodes": [{"Status": {"NodeInfo": {"OSImage": "x"}}}]}}',
      { clusterID: 'c', nodes: [{ osImage: 'x' }] },
    ],
    [
      'what the collector of old added is its own',
      '{"metadata": {"received_from": "192.0.2.1", "received_at": "1"}, "payload": {}}',
      {},
    ],
    [
      'capacity becomes a list in the order of the names, numbers become texts',
      '{"payload": {"nodes": [{"status": {"capacity": {"pods": 40, "cpu": "1", "memory": "505020Ki"}}}]}}',
      {
        nodes: [
          {
            capacity: [
              { resource: 'cpu', value: '1' },
              { resource: 'memory', value: '505020Ki' },
              { resource: 'pods', value: '40' },
            ],
          },
        ],
      },
    ],
    [
      'what identifies a machine is dropped',
      '{"payload": {"nodes": [{"metadata": {"name": "secret"}, "status": {"addresses": ["secret"], "nodeInfo": {"machineID": "secret", "systemUUID": "secret", "bootID": "secret", "architecture": "amd64"}}}]}}',
      { nodes: [{ architecture: 'amd64' }] },
    ],
    [
      'nodes without a status are counted',
      '{"payload": {"nodes": [{}, null, {"status": null}]}}',
      { nodes: [{}, {}, {}] },
    ],
  ])('%s', (_name, text, expected) => {
    expect(isCoreosReport(parseJson(Buffer.from(text)))).toBe(true);
    expect(coreos(text)).toStrictEqual(expected);
  });

  test.each([
    ['a list for the payload', '{"payload": []}', 'payload: expected an object, got an array'],
    ['a number for the cluster', '{"payload": {"clusterID": 1}}', 'payload.clusterID: expected a string, got a number'],
    ['an object for the nodes', '{"payload": {"nodes": {}}}', 'payload.nodes: expected an array, got an object'],
    [
      'a list for capacity',
      '{"payload": {"nodes": [{"status": {"capacity": []}}]}}',
      'payload.nodes[0].status.capacity: expected an object, got an array',
    ],
    [
      'a list for a quantity',
      '{"payload": {"nodes": [{"status": {"capacity": {"cpu": []}}}]}}',
      'payload.nodes[0].status.capacity["cpu"]: expected a string, got an array',
    ],
    [
      'a boolean for the timestamp',
      '{"metadata": {"timestamp": true}, "payload": {}}',
      'metadata.timestamp: expected a string, got a boolean',
    ],
  ])('%s is rejected, and the error names the field', (_name, text, message) => {
    expect(() => coreos(text)).toThrow(
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(message) as string }),
    );
  });

  test.each([
    '{}',
    '{"clusterID": "c"}',
    '{"payload": "x"}',
    '{"payload": null}',
    '[]',
    'null',
    '"payload"',
    '{"clusterID":"x","payload":{}}',
    '{"payload":{},"ClusterId":"x"}',
  ])('%s is not one by its shape', (text) => {
    expect(isCoreosReport(parseJson(Buffer.from(text)))).toBe(false);
  });
});

describe('golden files: the body beside the report that it becomes and the document that is stored', () => {
  test.each<[string, (json: JsonValue) => Report]>([
    ['spartakus-volunteer-report', readSpartakusReport],
    ['coreos-report', readCoreosReport],
  ])('%s', async (name, read) => {
    const body = parseJson(await readFile(new URL(`../../fixtures/legacy/${name}.json`, import.meta.url)));
    const report = read(body);
    const asReport = toJson(ReportSchema, report);
    report.reportId = '01890a5d-ac96-774b-bcce-b302099a8057';
    const document = toDocument(report, new Date('2026-11-21T10:00:00Z'));

    await expect(`${JSON.stringify({ body, report: asReport, document }, null, 2)}\n`).toMatchFileSnapshot(
      `../../golden/legacy/${name}.json`,
    );
  });
});
