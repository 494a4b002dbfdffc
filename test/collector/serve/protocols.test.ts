import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ExtensionSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { toDocument } from '../../../src/report/stored-document.ts';
import { startTestCollector, type TestCollector } from '../../support/collector.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { type Client, type ClientCredentials, PROTOCOL_CLIENTS } from '../../support/protocols.ts';
import { makeReport } from '../../support/reports.ts';
import { TEST_LIMITS } from '../../support/test-limits.ts';

expectNothingLeftOpen();

const TLS_DIR = path.join(import.meta.dirname, '../../fixtures/tls');
const CA = await readFile(path.join(TLS_DIR, 'ca.crt'));

let collector: TestCollector;
let access: ClientCredentials;

const startWithout = async (): Promise<void> => {
  collector = await startTestCollector();
  access = {};
};
const startWithTls = async (): Promise<void> => {
  collector = await startTestCollector({
    tls: { certFile: path.join(TLS_DIR, 'server.crt'), keyFile: path.join(TLS_DIR, 'server.key') },
  });
  access = { tls: { ca: CA } };
};

describe.each([
  { how: 'without TLS', start: startWithout },
  { how: 'with TLS', start: startWithTls },
])('$how', ({ start }) => {
  beforeAll(start);

  afterAll(() => collector.close());

  describe.each(PROTOCOL_CLIENTS)('$name', ({ json, open }) => {
    let client: Client;

    beforeEach(async () => {
      await collector.reports.deleteMany({});
      client = open(collector.url, access);
    });

    afterEach(() => client.close());

    test('a report is stored with all its fields, and the receipt says when the next one is wanted', async () => {
      const report = makeReport();

      await expect(client.send(report)).resolves.toStrictEqual({ outcome: 'stored', nextReportAfterSeconds: 3600 });
      const document = await collector.reports.findOne();
      expect(document).toStrictEqual(toDocument(report, document?.receivedAt ?? new Date(0)));
    });

    test('the same report again is a duplicate, and stands once in the database', async () => {
      const report = makeReport();

      const outcomes = [await client.send(report), await client.send(report)].map(({ outcome }) => outcome);

      expect(outcomes).toStrictEqual(['stored', 'duplicate']);
      await expect(collector.reports.countDocuments()).resolves.toBe(1);
    });

    test('a report without a cluster id is rejected with the field named, and the next one is stored', async () => {
      const bad = makeReport();
      bad.clusterId = '';

      await expect(client.send(bad)).resolves.toMatchObject({
        outcome: 'rejected',
        code: Code.InvalidArgument,
        message: expect.stringContaining('report.cluster_id') as string,
      });
      await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
    });

    test('a report over the size limit is rejected as too large, and the next one is stored', async () => {
      const large = makeReport();
      const limit = json ? TEST_LIMITS.maxJsonBytes : TEST_LIMITS.maxProtobufBytes;
      large.extensions = [create(ExtensionSchema, { name: 'large', value: 'x'.repeat(limit) })];

      await expect(client.send(large)).resolves.toMatchObject({ outcome: 'rejected', code: Code.ResourceExhausted });
      await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
      await expect(collector.reports.countDocuments()).resolves.toBe(1);
    });

    test('a report that just fits is stored', async () => {
      const report = makeReport();
      const limit = json ? TEST_LIMITS.maxJsonBytes : TEST_LIMITS.maxProtobufBytes;
      report.extensions = [create(ExtensionSchema, { name: 'large', value: 'x'.repeat(limit - 1_000) })];

      await expect(client.send(report)).resolves.toMatchObject({ outcome: 'stored' });
    });
  });
});
