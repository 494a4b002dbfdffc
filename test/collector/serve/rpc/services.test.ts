import { once } from 'node:events';
import http2 from 'node:http2';
import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema, type FileDescriptorProto } from '@bufbuild/protobuf/wkt';
import { Code, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../../../gen/grpc/health/v1/health_pb.js';
import * as v1 from '../../../../gen/grpc/reflection/v1/reflection_pb.js';
import * as v1alpha from '../../../../gen/grpc/reflection/v1alpha/reflection_pb.js';
import {
  CollectorService,
  Outcome,
  type StreamReportsResponse,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Report } from '../../../../gen/spartakus/report/v1/report_pb.js';
import { type LocalCollector, startCollectorOn } from '../../../support/collector.ts';
import { expectNothingLeftOpen } from '../../../support/held.ts';
import { createMemoryStore, type MemoryStore } from '../../../support/memory-store.ts';
import { makeReport } from '../../../support/reports.ts';

expectNothingLeftOpen();

let store: MemoryStore;
let collector: LocalCollector;
let closed: Promise<void> | undefined = Promise.resolve();
const close = (): Promise<void> => (closed ??= collector.close());
const transport = () => createGrpcTransport({ baseUrl: collector.url });

// The tests share a collector, until one of them closes it.
beforeEach(async () => {
  if (closed === undefined) return;
  await closed;
  store = createMemoryStore();
  collector = await startCollectorOn('memory', {}, { openStore: () => Promise.resolve(store) });
  closed = undefined;
});

afterAll(close);

describe('grpc.health.v1', () => {
  test.each(['', 'spartakus.collector.v1.CollectorService', 'grpc.health.v1.Health'])(
    'Check says that "%s" serves',
    async (service) => {
      await expect(createClient(Health, transport()).check({ service })).resolves.toMatchObject({
        status: ServingStatus.SERVING,
      });
    },
  );

  test('Check answers NOT_FOUND for an unknown service', async () => {
    await expect(createClient(Health, transport()).check({ service: 'x' })).rejects.toMatchObject({
      code: Code.NotFound,
    });
  });

  test('Watch sends the current status, and the change when the collector stops', async () => {
    const heard: ServingStatus[] = [];
    for await (const { status } of createClient(Health, transport()).watch({ service: '' })) {
      heard.push(status);
      void close();
    }

    expect(heard).toStrictEqual([ServingStatus.SERVING, ServingStatus.NOT_SERVING]);
  });

  test('Watch sends SERVICE_UNKNOWN for an unknown service, and stays open', async () => {
    const watching = createClient(Health, transport()).watch({ service: 'x' })[Symbol.asyncIterator]();

    await expect(watching.next()).resolves.toMatchObject({ value: { status: ServingStatus.SERVICE_UNKNOWN } });
  });
});

describe.each([
  ['v1', v1],
  ['v1alpha', v1alpha],
] as const)('reflection %s', (_name, { ServerReflection }) => {
  type Ask = {
    case: 'listServices' | 'fileByFilename' | 'fileContainingSymbol' | 'allExtensionNumbersOfType';
    value: string;
  };
  const ask = async (
    messageRequest:
      | Ask
      | { case: 'fileContainingExtension'; value: { containingType: string; extensionNumber: number } },
  ) => {
    const client = createClient(ServerReflection as typeof v1.ServerReflection, transport());
    const requests = async function* () {
      yield await Promise.resolve({ messageRequest });
    };
    for await (const { messageResponse } of client.serverReflectionInfo(requests())) return messageResponse;
    throw new Error('no answer');
  };
  const filesOf = (answer: Awaited<ReturnType<typeof ask>>): FileDescriptorProto[] =>
    answer.case === 'fileDescriptorResponse'
      ? answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes))
      : [];

  test('lists every service', async () => {
    await expect(ask({ case: 'listServices', value: '' })).resolves.toMatchObject({
      value: {
        service: [
          { name: 'spartakus.collector.v1.CollectorService' },
          { name: 'grpc.health.v1.Health' },
          { name: 'grpc.reflection.v1.ServerReflection' },
          { name: 'grpc.reflection.v1alpha.ServerReflection' },
        ],
      },
    });
  });

  test.each([
    'spartakus.collector.v1.CollectorService',
    'spartakus.collector.v1.CollectorService.StreamReports',
    'spartakus.report.v1.Report',
    'spartakus.report.v1.Report.cluster_id',
    'spartakus.options.v1.field_policy',
    'spartakus.options.v1.PRIVACY_KEYED_HASH',
  ])('answers for %s files from which a client can build the whole schema', async (symbol) => {
    const files = filesOf(await ask({ case: 'fileContainingSymbol', value: symbol }));
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: files }));

    expect(files.at(-1)?.package).toBe(symbol.split('.').slice(0, 3).join('.'));
    expect([...registry.files].length).toBe(files.length);
  });

  test('answers a file by its name, and an extension by its number', async () => {
    const byName = filesOf(await ask({ case: 'fileByFilename', value: 'spartakus/report/v1/report.proto' }));
    const byNumber = filesOf(
      await ask({
        case: 'fileContainingExtension',
        value: { containingType: 'google.protobuf.FieldOptions', extensionNumber: 50_701 },
      }),
    );

    expect(byName.at(-1)?.name).toBe('spartakus/report/v1/report.proto');
    expect(byNumber.at(-1)?.name).toBe('spartakus/options/v1/options.proto');
    await expect(
      ask({ case: 'allExtensionNumbersOfType', value: 'google.protobuf.FieldOptions' }),
    ).resolves.toMatchObject({ value: { extensionNumber: [50_701, 50_703] } });
  });

  test.each<Ask>([
    { case: 'fileByFilename', value: 'x.proto' },
    { case: 'fileContainingSymbol', value: 'no.such.Thing' },
    { case: 'allExtensionNumbersOfType', value: 'no.such.Thing' },
  ])('answers NOT_FOUND for $value', async (request) => {
    await expect(ask(request)).resolves.toMatchObject({ case: 'errorResponse', value: { errorCode: Code.NotFound } });
  });
});

describe('StreamReports', () => {
  /** A stream whose requests are given one by one. */
  const openStream = () => {
    const given: (Report | undefined)[] = [];
    let more = Promise.withResolvers<void>();
    const give = (report: Report | undefined): void => {
      given.push(report);
      more.resolve();
    };
    const requests = async function* () {
      while (true) {
        await more.promise;
        more = Promise.withResolvers();
        for (const report of given.splice(0)) {
          if (report === undefined) return;
          yield { report };
        }
      }
    };
    const answers = createClient(CollectorService, transport()).streamReports(requests())[Symbol.asyncIterator]();
    return { send: give, end: () => give(undefined), answers };
  };
  const collect = async (answers: AsyncIterator<StreamReportsResponse>) => {
    const receipts = [];
    for (let next = await answers.next(); next.done !== true; next = await answers.next())
      receipts.push(next.value.receipt);
    return receipts;
  };

  test('answers a thousand reports with a receipt each, and stores each once', async () => {
    const reports = Array.from({ length: 1000 }, makeReport);
    const stream = openStream();
    for (const report of reports) stream.send(report);
    stream.end();

    const receipts = await collect(stream.answers);

    expect(receipts).toHaveLength(1000);
    expect(new Set(receipts.map((receipt) => receipt?.reportId))).toStrictEqual(
      new Set(reports.map(({ reportId }) => reportId)),
    );
    expect(new Set(receipts.map((receipt) => receipt?.outcome))).toStrictEqual(new Set([Outcome.STORED]));
    for (const { reportId } of reports) expect(store.documents.has(reportId)).toBe(true);
  });

  test('answers a report while the stream is open', async () => {
    const stream = openStream();
    const [first, second] = [makeReport(), makeReport()];

    stream.send(first);
    await expect(stream.answers.next()).resolves.toMatchObject({
      value: { receipt: { reportId: first.reportId, outcome: Outcome.STORED } },
    });
    stream.send(second);
    await expect(stream.answers.next()).resolves.toMatchObject({ value: { receipt: { reportId: second.reportId } } });
    stream.end();
    await expect(stream.answers.next()).resolves.toMatchObject({ done: true });
  });

  test('a rejected report does not end the stream', async () => {
    const stream = openStream();
    const bad = makeReport();
    bad.clusterId = '';
    stream.send(bad);
    stream.send(makeReport());
    stream.end();

    const receipts = await collect(stream.answers);

    expect(new Set(receipts.map((receipt) => receipt?.outcome))).toStrictEqual(
      new Set([Outcome.STORED, Outcome.REFUSED]),
    );
    expect(receipts.find((receipt) => receipt?.outcome === Outcome.REFUSED)).toMatchObject({
      reportId: bad.reportId,
      refusal: { code: Code.InvalidArgument, field: 'report.cluster_id' },
    });
  });

  test('when the collector stops, an open stream gets the receipts of what was read, and ends with UNAVAILABLE', async () => {
    const stream = openStream();
    const report = makeReport();
    stream.send(report);
    await expect(stream.answers.next()).resolves.toMatchObject({ value: { receipt: { reportId: report.reportId } } });

    void close();

    await expect(stream.answers.next()).rejects.toMatchObject({ code: Code.Unavailable });
    await close();
  });
});

test.each([
  ['before it is answered', http2.constants.NGHTTP2_INTERNAL_ERROR, false],
  ['without a reason', http2.constants.NGHTTP2_NO_ERROR, false],
  ['while a response is being sent', http2.constants.NGHTTP2_INTERNAL_ERROR, true],
])('a client that goes away in a Connect stream is no error: %s', async (_what, code, answered) => {
  const session = http2.connect(collector.url);
  if (!answered) store.hold();
  const stream = session.request({
    ':method': 'POST',
    ':path': `/${CollectorService.typeName}/StreamReports`,
    'content-type': 'application/connect+json',
    'connect-protocol-version': '1',
  });
  stream.on('error', () => undefined);
  const message = Buffer.from('{"report":{"clusterID":"c"}}');
  const responded = answered ? once(stream, 'data') : undefined;
  stream.write(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
  await responded;
  await new Promise((resolve) => session.ping(resolve));
  stream.close(code);
  await new Promise((resolve) => session.ping(resolve));
  store.release();
  await close();
  session.destroy();

  expect(collector.complaints).toStrictEqual([]);
});
