import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createMemoryLimiter } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import type { Decoded } from '../../../../src/collector/serve/decode/decode-message.ts';
import { LARGE_MESSAGE_BYTES, type LargeMessage } from '../../../../src/collector/serve/decode/large-decoder.ts';
import { createLegacyApi } from '../../../../src/collector/serve/http/legacy-api.ts';
import type { HttpRequest, HttpResponse } from '../../../../src/collector/serve/http/router.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { failureOf } from '../../../support/failure.ts';

type Context = Parameters<typeof createLegacyApi>[0];

const ORIGIN = { protocol: 'http', addressKey: '192.0.2.1' } as const;
const JSON_HEADERS = { 'content-type': 'application/json' };
const MAX_JSON_BYTES = 1_000_000;
const STORED = { reportId: 'id', status: 'stored' } as const;

const admitReport = vi.fn<Context['admission']['admitReport']>();
const chargeBytes = vi.fn<Context['admission']['chargeBytes']>();
const accept = vi.fn<Context['ingest']['accept']>();
const countInvalid = vi.fn<Context['ingest']['countInvalid']>();
const decode = vi.fn<(message: LargeMessage) => Promise<Decoded>>();

beforeEach(() => {
  vi.resetAllMocks();
  accept.mockResolvedValue(STORED);
});

interface Sent {
  readonly headers?: HttpRequest['headers'];
  readonly query?: string;
  readonly body?: string;
}

function makeApi(context: Partial<Pick<Context, 'keepCountry' | 'health'>> = {}) {
  const routes = createLegacyApi({
    admission: { admitReport, chargeBytes },
    ingest: { accept, countInvalid },
    decoder: { decode, close: () => Promise.resolve() },
    limits: { maxJsonBytes: MAX_JSON_BYTES },
    version: 'v9',
    keepCountry: false,
    health: { serving: true },
    ...context,
  });
  const memory = createMemoryLimiter(100_000_000);
  const read = vi.fn<(maxBytes: number) => void>();
  const closed: (() => void)[] = [];
  const call = async (
    method: 'GET' | 'POST',
    path: string,
    { headers = JSON_HEADERS, query = '', body = '{}' }: Sent = {},
  ): Promise<HttpResponse> => {
    const route = routes.find((each) => each.method === method && each.path === path);
    if (route === undefined) throw new Error(`no route ${method} ${path}`);
    const reservation = memory.open();
    return await route.handle({
      headers,
      query,
      origin: ORIGIN,
      reservation,
      onClose: (listener) => void closed.push(listener),
      readBody: (maxBytes, check) => {
        read(maxBytes);
        const bytes = Buffer.from(body);
        reservation.resize(bytes.length);
        check(bytes);
        return Promise.resolve(bytes);
      },
    });
  };
  return { call, memory, read, disconnect: () => closed.forEach((listener) => listener()) };
}

describe('before the body is read', () => {
  test('a request is admitted by its origin and headers, whatever else is wrong with it', async () => {
    const { call, read } = makeApi();
    admitReport.mockImplementation(() => {
      throw new SpartakusError('unauthenticated', 'no token');
    });
    const headers = { 'content-type': 'text/plain', authorization: 'Bearer x' };

    const failure = await failureOf(call('POST', '/api/v1', { headers, query: '?validateOnly=true' }));

    expect(failure.kind).toBe('unauthenticated');
    expect(admitReport.mock.calls).toStrictEqual([[ORIGIN, headers]]);
    expect(read).not.toHaveBeenCalled();
  });

  test.each(['?validateOnly=true', '?validate_only', '?a=b&validate_only=false'])(
    'a probe with the query %s is rejected with the method to use, and is not stored',
    async (query) => {
      const { call, read } = makeApi();

      const failure = await failureOf(call('POST', '/api/v1', { query }));

      expect(failure).toMatchObject({ kind: 'invalid' });
      expect(failure.message).toContain('/spartakus.collector.v1.CollectorService/SubmitReport');
      expect(read).not.toHaveBeenCalled();
    },
  );

  test('other parameters are ignored', async () => {
    await expect(makeApi().call('POST', '/api/v1', { query: '?validate=true' })).resolves.toStrictEqual({
      status: 204,
    });
  });

  test.each([
    [{}, /content type is missing: send application\/json/],
    [{ 'content-type': '' }, /content type is ""/],
    [{ 'content-type': 'text/json ; charset=utf-8' }, /content type is "text\/json"/],
    [{ ...JSON_HEADERS, 'content-encoding': 'gzip' }, /content encoding is "gzip": send the JSON uncompressed/],
    [{ ...JSON_HEADERS, 'content-encoding': '' }, /content encoding is ""/],
  ])('a body with the headers %j is rejected', async (headers, message) => {
    const { call, read } = makeApi();

    const failure = await failureOf(call('POST', '/api/v1', { headers }));

    expect(failure.kind).toBe('unsupported-media-type');
    expect(failure.message).toMatch(message);
    expect(read).not.toHaveBeenCalled();
  });

  test.each([
    { 'content-type': ' Application/JSON ;charset=utf-8' },
    { ...JSON_HEADERS, 'content-encoding': 'identity' },
    { ...JSON_HEADERS, 'content-encoding': 'Identity' },
  ])('a body with the headers %j is read', async (headers) => {
    await expect(makeApi().call('POST', '/api/v1', { headers })).resolves.toStrictEqual({ status: 204 });
  });
});

describe('the body', () => {
  test('is bounded, and charged to its address', async () => {
    const { call, read } = makeApi();

    await call('POST', '/api/v1', { body: '{"clusterID":"c"}' });

    expect(read.mock.calls).toStrictEqual([[MAX_JSON_BYTES]]);
    expect(chargeBytes.mock.calls).toStrictEqual([[ORIGIN, 17]]);
  });

  test('of too many objects is rejected before it is parsed', async () => {
    const failure = await failureOf(makeApi().call('POST', '/api/v1', { body: '['.repeat(200) }));

    expect(failure.message).toMatch(/deep/);
    expect(chargeBytes).not.toHaveBeenCalled();
  });

  test('reserves the memory of what is decoded of it, from the report on', async () => {
    const { call, memory } = makeApi();
    let reservedBytes = 0;
    accept.mockImplementation(() => {
      reservedBytes = memory.reservedBytes;
      return Promise.resolve(STORED);
    });

    await call('POST', '/api/v1', { body: '{}'.padEnd(1_000) });

    expect(reservedBytes).toBe(6_000);
  });

  test('of the largest size for the event loop is decoded on it, and one more byte in the thread', async () => {
    const { call } = makeApi();
    decode.mockResolvedValue({ dialect: 'spartakus', entries: [] });

    await call('POST', '/api/v1', { body: '{}'.padEnd(LARGE_MESSAGE_BYTES) });
    expect(decode).not.toHaveBeenCalled();
    await call('POST', '/api/v1', { body: '{}'.padEnd(LARGE_MESSAGE_BYTES + 1) });

    expect(decode).toHaveBeenCalledOnce();
  });
});

describe('a large body', () => {
  const LARGE = '{}'.padEnd(LARGE_MESSAGE_BYTES + 1);
  const document = (reportId: string) =>
    ({ kind: 'kubermaticRecord', clusterId: 'c', reportId, fields: new Uint8Array(), droppedFields: 0 }) as const;

  test('is decoded for its path and origin, and what is valid of it is stored', async () => {
    const { call, memory } = makeApi();
    decode.mockResolvedValue({
      dialect: 'kubermatic',
      country: 'DE',
      unknownFields: 2,
      entries: [{ document: document('a') }, { document: document('b') }],
    });

    await expect(call('POST', '/api/kubermatic/v1', { body: LARGE })).resolves.toStrictEqual({ status: 204 });

    const [{ job, origin, reservation }] = decode.mock.calls[0] as [LargeMessage];
    expect(job).toStrictEqual({ format: 'legacy', path: '/api/kubermatic/v1', bytes: Buffer.from(LARGE) });
    expect(origin).toBe(ORIGIN);
    expect(reservation.bytes).toBe(memory.reservedBytes);
    const accepted = { origin: ORIGIN, dialect: 'kubermatic', country: 'DE', unknownFields: 2 };
    expect(accept.mock.calls).toStrictEqual([
      [{ encodedDocument: document('a') }, accepted],
      [{ encodedDocument: document('b') }, accepted],
    ]);
  });

  test('of which a record is invalid is rejected after the others are stored, and the record is counted', async () => {
    const { call } = makeApi();
    const error = new SpartakusError('invalid', 'no time');
    decode.mockResolvedValue({
      dialect: 'kubermatic',
      entries: [{ reportId: '', error }, { document: document('b') }],
    });

    const failure = await failureOf(call('POST', '/api/v1', { body: LARGE }));

    expect(failure).toBe(error);
    const accepted = { origin: ORIGIN, dialect: 'kubermatic', country: undefined, unknownFields: undefined };
    expect(countInvalid.mock.calls).toStrictEqual([[error, accepted]]);
    expect(accept.mock.calls).toStrictEqual([[{ encodedDocument: document('b') }, accepted]]);
  });

  test('no longer waits for the thread when its client disconnects', async () => {
    const { call, disconnect } = makeApi();
    const waiting = Promise.withResolvers<Decoded>();
    decode.mockReturnValue(waiting.promise);
    const answer = failureOf(call('POST', '/api/v1', { body: LARGE }));
    await vi.waitFor(() => expect(decode).toHaveBeenCalled());
    const signal = decode.mock.calls[0]?.[0].signal;
    expect(signal?.aborted).toBe(false);

    disconnect();

    expect(signal?.aborted).toBe(true);
    waiting.reject(new SpartakusError('overloaded', 'left'));
    await expect(answer).resolves.toMatchObject({ kind: 'overloaded' });
  });
});

describe('what is stored', () => {
  const RECORDS = JSON.stringify({
    client_uuid: 'u',
    records: [{ kind: 'kubermatic' }, { kind: 'kubernetes' }],
    location: { country: 'DE' },
  });

  test('names the origin and the dialect, and the number of fields that the schema does not have', async () => {
    await makeApi().call('POST', '/api/v1', { body: '{"clusterID":"c","masterVersion":"v1.31.4"}' });

    expect(accept.mock.calls).toMatchObject([
      [
        { report: { clusterId: 'c', masterVersion: 'v1.31.4' } },
        { origin: ORIGIN, dialect: 'spartakus', unknownFields: 0 },
      ],
    ]);
  });

  test.each([
    ['/api/v1', '{"payload":{}}', 'coreos'],
    ['/api/coreos/v1', '{"payload":{}}', 'coreos'],
    ['/api/kubermatic/v1', RECORDS, 'kubermatic'],
  ])('POST %s of %s is of the dialect %s', async (path, body, dialect) => {
    await makeApi().call('POST', path, { body });

    expect(new Set(accept.mock.calls.map(([, context]) => context.dialect))).toStrictEqual(new Set([dialect]));
  });

  test.each([
    [false, undefined],
    [true, 'DE'],
  ])('has the country that the client states, where it is kept: %s', async (keepCountry, country) => {
    await makeApi({ keepCountry }).call('POST', '/api/v1', { body: RECORDS });

    expect(accept.mock.calls.map(([, context]) => context.country)).toStrictEqual([country, country]);
  });

  test('the response waits for all records, and is the error of the first that failed', async () => {
    const { call } = makeApi();
    const last = Promise.withResolvers<typeof STORED>();
    accept.mockRejectedValueOnce(new SpartakusError('overloaded', 'first')).mockReturnValueOnce(last.promise);
    let answered = false;
    const answer = failureOf(call('POST', '/api/v1', { body: RECORDS })).finally(() => (answered = true));
    await vi.waitFor(() => expect(accept).toHaveBeenCalledTimes(2));
    await new Promise((resolve) => void setImmediate(resolve));
    expect(answered).toBe(false);

    last.reject(new SpartakusError('unavailable', 'second'));

    await expect(answer).resolves.toMatchObject({ kind: 'overloaded', message: 'first' });
  });

  test('a record that fails after one that was stored is the response', async () => {
    accept.mockResolvedValueOnce(STORED).mockRejectedValueOnce(new SpartakusError('unavailable', 'second'));

    await expect(failureOf(makeApi().call('POST', '/api/v1', { body: RECORDS }))).resolves.toMatchObject({
      message: 'second',
    });
  });
});

describe('GET /readyz', () => {
  test('is 200 while the collector serves', async () => {
    await expect(makeApi().call('GET', '/readyz')).resolves.toStrictEqual({ status: 200 });
  });

  test.each([
    ['the database is away', 'the database is away'],
    [undefined, 'the collector is stopping'],
  ])('asks to come again in 5 s where the reason is %j', async (reason, message) => {
    const { call } = makeApi({ health: { serving: false, reason } });

    await expect(failureOf(call('GET', '/readyz'))).resolves.toMatchObject({
      kind: 'unavailable',
      message,
      retryAfterMs: 5_000,
    });
  });
});

test.each(['/', '/healthz'])('GET %s is 200 as long as the process lives, whether it serves or not', async (at) => {
  const { call } = makeApi({ health: { serving: false } });

  await expect(call('GET', at)).resolves.toStrictEqual({ status: 200 });
});

test('GET /version is plain text', async () => {
  await expect(makeApi().call('GET', '/version')).resolves.toStrictEqual({
    status: 200,
    contentType: 'text/plain; charset=utf-8',
    body: 'v9',
  });
});
