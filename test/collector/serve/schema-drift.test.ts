import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { create, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { Binary, BSON } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CollectorService } from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type Node, NodeSchema, type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { createStdoutStore } from '../../../src/collector/store/stdout.ts';
import { UNKNOWN_FIELDS } from '../../../src/report/stored-document.ts';
import { startTestCollector, type TestCollector } from '../../support/collector.ts';
import { sendLegacy, PROTOCOL_CLIENTS } from '../../support/protocols.ts';
import { makeReport } from '../../support/reports.ts';

let collector: TestCollector;

/** Starts a collector for the tests of a block. Only one embedded engine can run at a time. */
function useCollector(config: Parameters<typeof startTestCollector>[0]): void {
  beforeAll(async () => {
    collector = await startTestCollector(config);
  });
  beforeEach(async () => {
    await collector.reports.deleteMany({});
  });
  afterAll(() => collector.close());
}

/** Fields of a schema that is newer than this one: a text, a number, and a message with a text in it. */
const FUTURE = new BinaryWriter()
  .tag(200, WireType.LengthDelimited)
  .string('a field of tomorrow')
  .tag(201, WireType.Varint)
  .uint32(42)
  .tag(5000, WireType.LengthDelimited)
  .bytes(new BinaryWriter().tag(1, WireType.LengthDelimited).string('nested').finish())
  .finish();

/** A report as a newer client has it: with such fields in itself, in its node, and in that node's capacity. */
function makeFutureReport(): Report {
  const report = fromBinary(ReportSchema, Buffer.concat([toBinary(ReportSchema, makeReport()), FUTURE]));
  const [node] = report.nodes;
  const later = fromBinary(NodeSchema, Buffer.concat([toBinary(NodeSchema, node as Node), FUTURE]));
  for (const resource of later.capacity)
    resource.$unknown = [{ no: 77, wireType: WireType.Varint, data: Uint8Array.of(1) }];
  report.nodes = [later];
  return report;
}

/** The metric of dropped fields. */
async function countDropped(): Promise<number> {
  const metrics = await (await fetch(`${collector.consoleUrl}/metrics`)).text();
  return Number(/^spartakus_collector_unknown_fields_total (\d+)$/m.exec(metrics)?.[1]);
}

const BINARY_CLIENTS = PROTOCOL_CLIENTS.filter(({ json }) => !json);

describe('with --keep-unknown-fields', () => {
  useCollector({ keepUnknownFields: true });

  describe.each(BINARY_CLIENTS)('a newer client over $name', ({ open }) => {
    test('is stored with what this collector knows, and the rest is kept unread, wherever it stands', async () => {
      const client = open(collector.url);
      const report = makeFutureReport();

      await expect(client.send(report)).resolves.toMatchObject({ outcome: 'stored' });
      client.close();
      await expect(collector.reports.findOne()).resolves.toMatchObject({
        _id: report.reportId,
        clusterID: report.clusterId,
        nodes: [
          {
            id: 'n',
            capacity: [{ resource: 'cpu', value: '4', unknownFields: new Binary(Uint8Array.of(0xe8, 0x04, 1)) }],
            unknownFields: new Binary(FUTURE),
          },
        ],
        unknownFields: new Binary(FUTURE),
      });
    });
  });

  test('what was kept can be read by a later release: the bytes are a message of the same type', async () => {
    const client = PROTOCOL_CLIENTS[0]?.open(collector.url);
    await client?.send(makeFutureReport());
    client?.close();
    const kept = (await collector.reports.findOne())?.['unknownFields'] as Binary;

    const reader = new BinaryReader(kept.buffer);
    expect(reader.tag()).toStrictEqual([200, WireType.LengthDelimited]);
    expect(reader.string()).toBe('a field of tomorrow');
    expect(toBinary(ReportSchema, fromBinary(ReportSchema, kept.buffer))).toStrictEqual(FUTURE);
  });
});

test('printed, what was kept is base64, as in the JSON of protobuf', async () => {
  const output = new PassThrough();
  await createStdoutStore(output).put([{ report: makeFutureReport() }]);
  output.end();

  expect(JSON.parse(await text(output))).toMatchObject({ unknownFields: Buffer.from(FUTURE).toString('base64') });
});

test('no field of the schema has the name under which unknown ones are kept', () => {
  const seen = new Set<string>();
  const namesOf = (schema: DescMessage): string[] => {
    if (seen.has(schema.typeName)) return [];
    seen.add(schema.typeName);
    return schema.fields.flatMap((field) => [
      field.jsonName,
      ...(field.message === undefined ? [] : namesOf(field.message)),
    ]);
  };

  expect([...namesOf(ReportSchema), ...namesOf(RecordSchema)]).not.toContain(UNKNOWN_FIELDS);
});

describe('by default', () => {
  useCollector({ console: { listen: { port: 0, host: '127.0.0.1' } } });

  describe.each(BINARY_CLIENTS)('a newer client over $name', ({ open }) => {
    test('is stored with what this collector knows, and the rest is dropped and counted', async () => {
      const client = open(collector.url);
      const report = makeFutureReport();
      const before = await countDropped();

      await expect(client.send(report)).resolves.toMatchObject({ outcome: 'stored' });
      client.close();
      const document = await collector.reports.findOne();
      expect(document).toMatchObject({
        _id: report.reportId,
        nodes: [{ id: 'n', capacity: [{ resource: 'cpu', value: '4' }] }],
      });
      expect(Buffer.from(BSON.serialize(document ?? {})).toString('latin1')).not.toMatch(
        /unknownFields|tomorrow|nested/,
      );
      // Three in the report, three in its node, one in the node's capacity.
      expect((await countDropped()) - before).toBe(7);
    });
  });

  test('a legacy report that uses a newer name for something else is stored without it, and it is counted', async () => {
    const before = await countDropped();
    const response = await fetch(`${collector.url}/api/v1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"clusterID":"c","namespaces":["a"],"masterVersion":"v1.3.5"}',
    });

    expect(response.status).toBe(204);
    const { _id, receivedAt: _receivedAt, ...stored } = (await collector.reports.findOne()) ?? {};
    expect(stored).toStrictEqual({ clusterID: 'c', masterVersion: 'v1.3.5' });
    expect((await countDropped()) - before).toBe(1);
  });

  describe('a newer client that sends JSON', () => {
    const FUTURE_JSON = {
      clusterID: 'c',
      tomorrow: { a: [1] },
      nodes: [{ id: 'n', tomorrow: 1, capacity: [{ resource: 'cpu', value: '4', tomorrow: null }] }],
    };
    const post = (path: string, body: unknown): Promise<Response> =>
      fetch(collector.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });

    test.each([
      ['plain HTTP', '/api/v1', FUTURE_JSON, 204],
      ['Connect', `/${CollectorService.typeName}/SubmitReport`, { report: FUTURE_JSON, tomorrow: true }, 200],
    ])('over %s is stored with what this collector knows, and nothing else', async (_name, path, body, status) => {
      await expect(post(path, body)).resolves.toMatchObject({ status });

      const {
        _id,
        receivedAt: _receivedAt,
        ...rest
      } = (await collector.reports.findOne()) ?? { _id: undefined, receivedAt: undefined };
      expect(_id).toMatch(/^[0-9a-f-]{36}$/);
      expect(rest).toStrictEqual({ clusterID: 'c', nodes: [{ id: 'n', capacity: [{ resource: 'cpu', value: '4' }] }] });
    });
  });

  describe('an older client, which has none of the fields of today', () => {
    test.each(PROTOCOL_CLIENTS)('over $name is stored as it is, with an id of its own', async ({ open }) => {
      const client = open(collector.url);

      await expect(client.send(create(ReportSchema, { clusterId: 'c' }))).resolves.toMatchObject({ outcome: 'stored' });
      client.close();
      const document = await collector.reports.findOne();
      expect(document).toStrictEqual({ _id: document?._id, receivedAt: document?.receivedAt, clusterID: 'c' });
    });

    test('over plain HTTP too, without so much as a cluster', async () => {
      expect((await sendLegacy(collector.url, create(ReportSchema))).status).toBe(204);

      const document = await collector.reports.findOne();
      expect(document).toStrictEqual({ _id: document?._id, receivedAt: document?.receivedAt });
    });
  });
});
