import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { checkProxy, DATABASE_FORMS, openDatabase, parseDatabase } from '../../src/delivery/open-sink.ts';
import { parseGrpcUrl } from '../../src/delivery/transport/grpc-url.ts';
import { openGrpcSink } from '../../src/delivery/transport/grpc.ts';
import { openHttpSink } from '../../src/delivery/transport/http.ts';
import { kindOfGrpcCode, kindOfHttpStatus, kindOfRejection } from '../../src/delivery/transport/status.ts';
import { failureOf } from '../support/failure.ts';
import { makeReport } from '../support/reports.ts';

test.each(DATABASE_FORMS)('$example, as help shows it, can be opened', async ({ example }) => {
  const sink = await openDatabase(parseDatabase(example), { stdout: new PassThrough() });

  await expect(sink.close()).resolves.toBeUndefined();
});

test.each([
  ['grpc://host', { host: 'host', port: 8080, authority: 'host:8080', tls: false }],
  ['grpc://host:9000/', { host: 'host', port: 9000, authority: 'host:9000', tls: false }],
  ['grpcs://host', { host: 'host', port: 443, authority: 'host:443', tls: true }],
  ['grpcs://[2001:db8::1]:8443', { host: '2001:db8::1', port: 8443, authority: '[2001:db8::1]:8443', tls: true }],
  ['grpc://127.0.0.1:1', { host: '127.0.0.1', port: 1, authority: '127.0.0.1:1', tls: false }],
])('%s is parsed', (url, target) => {
  expect(parseGrpcUrl(url)).toStrictEqual({ kind: 'grpc', ...target });
});

test.each([
  ['', 'is none of the known forms: stdout, grpc://collector.example.com:8080'],
  ['Stdout', 'is none of the known forms'],
  ['mongodb://user:hunter2@db', 'is none of the known forms'],
  ['collector:8080', 'is none of the known forms'],
  ['grpc://', 'has no host'],
  ['grpc://host:99999', 'is not grpc:// or grpcs:// with a host and port'],
  ['grpc://user:hunter2@host', 'has a user or password'],
  ['grpc://host/path', 'has more than a host and port'],
  ['grpc://host?x=y', 'has more than a host and port'],
  ['http://', 'is not an http(s):// URL'],
  ['https://host:99999', 'is not an http(s):// URL'],
])(
  '--database %j is rejected with the flag, the value and the known forms, and without its password',
  async (spec, problem) => {
    const error = await failureOf(Promise.resolve(spec).then(parseDatabase));

    expect(error).toMatchObject({ kind: 'invalid', field: '--database' });
    expect(error.message).toContain(`--database ${spec.replace('hunter2', '***')}: ${problem}`);
    expect(error.message).not.toContain('hunter2');
  },
);

test('unknown codes and statuses are retryable', () => {
  expect([kindOfGrpcCode(99), kindOfGrpcCode(-1), kindOfHttpStatus(599), kindOfHttpStatus(0)]).toStrictEqual(
    Array(4).fill('internal'),
  );
});

test('RESOURCE_EXHAUSTED of a single report means too large, and with a retry delay overload', () => {
  expect([kindOfRejection(8, undefined), kindOfRejection(8, 0), kindOfRejection(14, undefined)]).toStrictEqual([
    'too-large',
    'overloaded',
    'unavailable',
  ]);
});

test.each([
  ['stdout', { transport: 'stdout' }],
  ['GRPCS://host', { transport: 'grpc', target: { kind: 'grpc', host: 'host', port: 443, tls: true } }],
  ['HTTP://host', { transport: 'http', target: { kind: 'http', host: 'host', port: 80 } }],
  ['https://host:8443', { transport: 'http', target: { kind: 'https', host: 'host', port: 8443 } }],
])('--database %s is parsed, and kept as it was given', (spec, expected) => {
  expect(parseDatabase(spec)).toMatchObject({ spec, ...expected });
});

test.each(['xgrpc://host', ' http://host', 'grpcx://host', 'httpss://host', 'http:/host'])(
  '--database "%s" is of no known form',
  (spec) => {
    expect(() => parseDatabase(spec)).toThrow('is none of the known forms');
  },
);

test('the URL of a legacy collector is that of its API', () => {
  const database = parseDatabase('https://host/prefix');

  expect(database.transport === 'http' && database.url.href).toBe('https://host/prefix/api/v1');
});

test('a wrong proxy is rejected for a collector, and does not matter for stdout', () => {
  const env = { http_proxy: 'socks5://proxy', https_proxy: 'socks5://proxy' };
  const check = (spec: string) => () => checkProxy(parseDatabase(spec), env);

  expect(check('grpc://host')).toThrow('$https_proxy');
  expect(check('http://host')).toThrow('$http_proxy');
  expect(check('stdout')).not.toThrow();
});

test('a report for stdout is printed with the fields of the schema version', async () => {
  const stdout = new PassThrough();
  const sink = await openDatabase(parseDatabase('stdout'), { stdout, schemaVersion: 1 });

  await expect(sink.put([{ report: makeReport() }])).resolves.toStrictEqual([{ status: 'stored' }]);

  expect(JSON.parse(String(stdout.read()))).not.toHaveProperty('reportID');
});

test('a transport rejects a URL that is not its own', () => {
  expect(() => openGrpcSink('http://host')).toThrow('is not grpc:// or grpcs:// with a host and port');
  expect(() => openHttpSink('grpc://host')).toThrow('is not an http(s):// URL');
});

test.each(['grpc://127.0.0.1:1', 'http://127.0.0.1:1'])('a report for %s is not printed', async (spec) => {
  const stdout = new PassThrough();
  const sink = await openDatabase(parseDatabase(spec), { stdout, timeoutMs: 5_000 });

  await expect(sink.put([{ report: makeReport() }])).resolves.toMatchObject([
    { status: 'failed', error: { kind: 'unavailable' } },
  ]);

  await sink.close();
  expect(stdout.read()).toBeNull();
});
