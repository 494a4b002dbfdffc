import { getEventListeners } from 'node:events';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, createClient, createRouterTransport, type Interceptor } from '@connectrpc/connect';
import { describe, expect, test } from 'vitest';
import { ServerReflection } from '../../../../gen/grpc/reflection/v1/reflection_pb.js';
import { file_spartakus_collector_v1_collector_service } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { convertErrors } from '../../../../src/collector/serve/rpc/convert-errors.ts';
import { createReflectionService } from '../../../../src/collector/serve/rpc/reflection-service.ts';

/** More than may wait for clients at a time. */
const REQUESTS = 40;

test('responses that are sent are given back, and leave no listener on their stream', async () => {
  const signals: AbortSignal[] = [];
  const keepSignal: Interceptor = (next) => (request) => {
    signals.push(request.signal);
    return next(request);
  };
  const transport = createRouterTransport(createReflectionService([file_spartakus_collector_v1_collector_service]), {
    router: { interceptors: [keepSignal] },
  });
  const listeners: number[] = [];
  let ended: () => void = () => undefined;
  const waiting = new Promise<void>((resolve) => (ended = resolve));
  async function* requests() {
    for (let sent = 0; sent < REQUESTS; sent += 1)
      yield await Promise.resolve({ messageRequest: { case: 'listServices' as const, value: '' } });
    await waiting;
  }

  for await (const { messageResponse } of createClient(ServerReflection, transport).serverReflectionInfo(requests())) {
    expect(messageResponse.case).toBe('listServicesResponse');
    listeners.push(getEventListeners(signals[0]!, 'abort').length);
    if (listeners.length === REQUESTS) ended();
  }

  expect(signals).toHaveLength(1);
  expect(listeners.at(-1)).toBe(listeners[1]);
});

const FILES = [file_spartakus_collector_v1_collector_service];
type Ask = NonNullable<
  Parameters<ReturnType<typeof createClient<typeof ServerReflection>>['serverReflectionInfo']>[0] extends AsyncIterable<
    infer Request
  >
    ? Request extends { readonly messageRequest?: infer Message }
      ? Message
      : never
    : never
>;

/** The first response to a request. */
async function ask(messageRequest: Ask | undefined, host = '') {
  const transport = createRouterTransport(createReflectionService(FILES));
  async function* requests() {
    yield await Promise.resolve(messageRequest === undefined ? { host } : { host, messageRequest });
  }
  for await (const response of createClient(ServerReflection, transport).serverReflectionInfo(requests()))
    return response;
  throw new Error('no response');
}

const filesOf = ({ messageResponse }: Awaited<ReturnType<typeof ask>>): readonly string[] =>
  messageResponse.case === 'fileDescriptorResponse'
    ? messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name)
    : [];

describe('a response', () => {
  test('has its request and the host of it', async () => {
    await expect(ask({ case: 'listServices', value: '*' }, 'a.example')).resolves.toMatchObject({
      validHost: 'a.example',
      originalRequest: { host: 'a.example', messageRequest: { case: 'listServices', value: '*' } },
      messageResponse: {
        case: 'listServicesResponse',
        value: { service: [{ name: 'spartakus.collector.v1.CollectorService' }] },
      },
    });
  });

  test('to an empty request is an error', async () => {
    await expect(ask(undefined)).resolves.toMatchObject({
      messageResponse: {
        case: 'errorResponse',
        value: { errorCode: Code.InvalidArgument, errorMessage: expect.stringContaining('message_request') as string },
      },
    });
  });

  test('has the file, after all that it imports, each once', async () => {
    const names = filesOf(
      await ask({ case: 'fileByFilename', value: 'spartakus/collector/v1/collector_service.proto' }),
    );

    expect(names.at(-1)).toBe('spartakus/collector/v1/collector_service.proto');
    expect(names).toContain('google/protobuf/timestamp.proto');
    expect(new Set(names).size).toBe(names.length);
    expect(names.indexOf('spartakus/options/v1/options.proto')).toBeLessThan(
      names.indexOf('spartakus/report/v1/report.proto'),
    );
  });

  test.each([
    ['spartakus.collector.v1.CollectorService.SubmitReport', 'spartakus/collector/v1/collector_service.proto'],
    ['spartakus.collector.v1.Outcome', 'spartakus/collector/v1/collector_service.proto'],
    ['google.protobuf.FieldDescriptorProto.Type', 'google/protobuf/descriptor.proto'],
    // In protobuf, the values of an enum are its siblings.
    ['google.protobuf.FieldDescriptorProto.TYPE_DOUBLE', 'google/protobuf/descriptor.proto'],
    ['spartakus.options.v1.PRIVACY_KEYED_HASH', 'spartakus/options/v1/options.proto'],
    ['spartakus.report.v1.Report.cluster_id', 'spartakus/report/v1/report.proto'],
  ])('has the file of %s', async (value, file) => {
    expect(filesOf(await ask({ case: 'fileContainingSymbol', value })).at(-1)).toBe(file);
  });

  test.each<[Ask, string]>([
    [{ case: 'fileContainingSymbol', value: 'google.protobuf.FieldDescriptorProto.Type.TYPE_DOUBLE' }, 'TYPE_DOUBLE'],
    [{ case: 'fileContainingSymbol', value: 'spartakus.report.v1.Report.no_such' }, 'no_such'],
    [{ case: 'fileContainingSymbol', value: '' }, '""'],
    [{ case: 'fileByFilename', value: 'x.proto' }, '"x.proto"'],
    [{ case: 'allExtensionNumbersOfType', value: 'no.such.Thing' }, '"no.such.Thing"'],
    [{ case: 'fileContainingExtension', value: { containingType: 'x.Y', extensionNumber: 7 } }, '"x.Y 7"'],
    [
      {
        case: 'fileContainingExtension',
        value: { containingType: 'google.protobuf.FieldOptions', extensionNumber: 7 },
      },
      '"google.protobuf.FieldOptions 7"',
    ],
  ])('says that there is no %j', async (request, name) => {
    await expect(ask(request)).resolves.toMatchObject({
      messageResponse: {
        case: 'errorResponse',
        value: { errorCode: Code.NotFound, errorMessage: expect.stringContaining(name) as string },
      },
    });
  });

  test('has the extensions of one type, and no other', async () => {
    const numbers = async (value: string) => {
      const { messageResponse } = await ask({ case: 'allExtensionNumbersOfType', value });
      return messageResponse.value;
    };

    await expect(numbers('google.protobuf.FieldOptions')).resolves.toMatchObject({
      baseTypeName: 'google.protobuf.FieldOptions',
      extensionNumber: [50_701, 50_703],
    });
    await expect(numbers('google.protobuf.FileOptions')).resolves.toMatchObject({ extensionNumber: [] });
  });
});

test('32 responses wait for their clients at a time, of all streams, and another client is told to come again', async () => {
  const transport = createRouterTransport(createReflectionService(FILES), {
    router: { interceptors: [convertErrors] },
  });
  const client = createClient(ServerReflection, transport);
  const leave = new AbortController();
  const open = async () => {
    async function* requests() {
      yield await Promise.resolve({ messageRequest: { case: 'listServices' as const, value: '' } });
    }
    const responses = client.serverReflectionInfo(requests(), { signal: leave.signal })[Symbol.asyncIterator]();
    await responses.next();
    return responses;
  };
  const streams = [];
  for (let opened = 0; opened < 32; opened += 1) streams.push(await open());

  await expect(open()).rejects.toThrow('32 reflection streams are being answered');
  await streams[0]?.next();
  streams.push(await open());
  await expect(open()).rejects.toThrow('end one before opening another');
  leave.abort();
});
