import { create } from '@bufbuild/protobuf';
import { afterEach, expect, test } from 'vitest';
import {
  CollectorService,
  SubmitKubermaticReportRequestSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { openGrpcClient } from '../../../src/delivery/transport/grpc-client.ts';
import { openGrpcSink } from '../../../src/delivery/transport/grpc.ts';
import { openHttpClient } from '../../../src/delivery/transport/http-client.ts';
import { openHttpSink } from '../../../src/delivery/transport/http.ts';
import { describeWire, listReporterRequests, type WireOptions } from '../../../src/delivery/transport/wire.ts';
import { putOne } from '../../support/put-one.ts';
import { startWireCapture } from '../../support/wire-capture.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const PLAIN = { sender: 'volunteer', tls: false, proxy: false, token: false, clientCertificate: false } as const;
const SAME = ', the same in every cluster';
const credentialsOf = (token?: string) => ({ authorization: () => Promise.resolve(token && `Bearer ${token}`) });

/** The header of a request that a volunteer, or a reporter, sends to a local port. */
async function capture({ sender, transport, token }: WireOptions): Promise<Readonly<Record<string, string>>> {
  const server = await startWireCapture(transport);
  closers.push(() => server.close());
  const options = { credentials: credentialsOf(token ? 'secret' : undefined) };
  if (sender === 'volunteer') {
    const sink = (transport === 'grpc' ? openGrpcSink : openHttpSink)(server.database, options);
    closers.push(() => sink.close());
    await putOne(sink);
  } else if (transport === 'grpc') {
    const client = openGrpcClient(server.database, options, '--url');
    closers.push(() => client.close());
    const request = create(SubmitKubermaticReportRequestSchema, { envelope: { records: [{}] } });
    await client.unary(CollectorService.method.submitKubermaticReport, request);
  } else {
    const client = openHttpClient(new URL('/reports', server.database), options, '--url');
    closers.push(() => client.close());
    await client.post('{}', { isStored: () => true, hintFor: () => undefined });
  }
  return server.requests[0]?.headers ?? {};
}

test.each(
  (['volunteer', 'reporter'] as const).flatMap((sender) =>
    (['grpc', 'http'] as const).flatMap((transport) =>
      [false, true].map((token) => ({ ...PLAIN, sender, transport, token })),
    ),
  ),
)(
  'of a $sender over $transport (with a token: $token) each header of a request is described, and no other',
  async (options) => {
    const received = await capture(options);

    const { headers } = describeWire(options);

    expect(headers.map(({ name }) => name).toSorted()).toStrictEqual(Object.keys(received).toSorted());
    const constants = headers.filter(({ name, value }) => name !== 'grpc-accept-encoding' && value.endsWith(SAME));
    expect(constants.length).toBeGreaterThan(2);
    for (const { name, value } of constants) expect(`${received[name]}${SAME}`).toBe(value);
    for (const { value } of headers) expect(value).not.toBe('');
  },
);

test('the scheme of a request over gRPC is that of its connection', () => {
  const schemeOf = (tls: boolean) =>
    describeWire({ ...PLAIN, transport: 'grpc', tls }).headers.find(({ name }) => name === ':scheme')?.value;

  expect([schemeOf(false), schemeOf(true)]).toStrictEqual(['http', 'https']);
});

test.each([
  ['volunteer', '--database', 'the path of --database, which ends with /api/v1'],
  ['reporter', '--url', 'the path of --url'],
] as const)('the URL of a %s is named by its flag', (sender, flag, path) => {
  const described = (['grpc', 'http'] as const).map((transport) => describeWire({ ...PLAIN, sender, transport }));
  const valueOf = (index: number, wanted: string) =>
    described[index]?.headers.find(({ name }) => name === wanted)?.value;

  expect(valueOf(0, ':authority')).toBe(`the host and port of ${flag}`);
  expect(valueOf(1, 'host')).toBe(`the host and port of ${flag}`);
  expect(valueOf(1, ':path')).toBe(path);
  for (const { connection } of described) expect(connection.join('\n')).toContain(`the host in ${flag}`);
});

test.each([
  ['without TLS', {}, /Without TLS, .* can be read/, /TLS server name/],
  ['with TLS', { tls: true }, /TLS server name/, /Without TLS/],
  ['without a proxy', {}, /^The address of this machine/, /proxy/],
  ['with a proxy', { proxy: true }, /^The address of the proxy/, /^The address of this machine/],
  ['with a client certificate', { clientCertificate: true }, /The client certificate of --cert-file/, /proxy/],
  ['without a client certificate', {}, /The time of each report/, /client certificate/],
])('a connection %s shows what it discloses', (_name, options, shown, hidden) => {
  const { connection } = describeWire({ ...PLAIN, transport: 'grpc', ...options });

  expect(connection).toContainEqual(expect.stringMatching(shown));
  expect(connection).not.toContainEqual(expect.stringMatching(hidden));
  expect(connection).not.toContain('');
});

test('a client certificate is the last thing that a connection discloses, and without one there is nothing instead', () => {
  const disclosed = (clientCertificate: boolean) =>
    describeWire({ ...PLAIN, transport: 'grpc', clientCertificate }).connection;

  expect(disclosed(false)).toStrictEqual(disclosed(true).slice(0, -1));
});

test('a reporter sends one kind of request over gRPC and one over HTTP, with all that can be in them', () => {
  const requests = listReporterRequests();

  expect(requests.map(({ protocol }) => protocol)).toStrictEqual(['gRPC', 'JSON over HTTP']);
  for (const { headers, connection } of requests) {
    expect(headers.map(({ name }) => name)).toContain('authorization');
    expect(connection.join('\n')).toMatch(/TLS server name[^]*client certificate/);
    expect(connection.join('\n')).not.toContain('proxy');
  }
});
