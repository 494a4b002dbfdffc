import { readFile } from 'node:fs/promises';
import http2 from 'node:http2';
import net from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestCollector, type TestCollector } from '../../../support/collector.ts';
import { expectNothingLeftOpen } from '../../../support/held.ts';

expectNothingLeftOpen();

const MAX_JSON_BYTES = 16 * 1024 * 1024;

let collector: TestCollector;

beforeAll(async () => {
  collector = await startTestCollector({ limits: { maxJsonBytes: MAX_JSON_BYTES } });
});

beforeEach(async () => {
  await collector.reports.deleteMany({});
});

afterAll(() => collector.close());

const fixture = (name: string): Promise<Buffer> =>
  readFile(new URL(`../../../fixtures/legacy/${name}`, import.meta.url));

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string;
  readonly body?: string | Buffer;
}
interface Answered {
  readonly status: number;
  readonly allow: string | null;
  readonly body: string;
}

async function overHttp1({ method, path, contentType, body }: Sent): Promise<Answered> {
  const response = await fetch(collector.url + path, {
    method,
    headers: contentType === undefined ? {} : { 'content-type': contentType },
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  });
  return { status: response.status, allow: response.headers.get('allow'), body: await response.text() };
}

function overHttp2({ method, path, contentType, body }: Sent): Promise<Answered> {
  const session = http2.connect(collector.url);
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': method,
      ':path': path,
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
    });
    let status = 0;
    let allow: string | null = null;
    let text = '';
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0;
      allow = headers.allow ?? null;
    });
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    stream.on('error', reject);
    stream.on('close', () => {
      session.close();
      resolve({ status, allow, body: text });
    });
    stream.end(body);
  });
}

const JSON_TYPE = 'application/json';
const post = (path: string, body: string | Buffer, contentType?: string): Sent => ({
  method: 'POST',
  path,
  body,
  ...(contentType === undefined ? {} : { contentType }),
});

describe.each([
  ['HTTP/1.1', overHttp1],
  ['HTTP/2', overHttp2],
])('the contract of the ancestors over %s', (_version, send) => {
  test.each<[string, Sent, number, string | RegExp]>([
    ['a report', post('/api/v1', '{"clusterID": "c"}', JSON_TYPE), 204, ''],
    ['an empty report', post('/api/v1', '{}', JSON_TYPE), 204, ''],
    ['a media type with parameters', post('/api/v1', '{}', 'application/json; charset=utf-8'), 204, ''],
    ['the envelope of CoreOS on /api/v1', post('/api/v1', '{"payload": {}}', JSON_TYPE), 204, ''],
    ['the envelope of CoreOS on its own path', post('/api/coreos/v1', '{"payload": {}}', JSON_TYPE), 204, ''],
    [
      'an envelope of Kubermatic on /api/v1',
      post('/api/v1', '{"client_uuid": "u", "records": [{"kind": "kubermatic"}]}', JSON_TYPE),
      204,
      '',
    ],
    [
      'an envelope of Kubermatic on its own path',
      post('/api/kubermatic/v1', '{"client_uuid": "u"}', JSON_TYPE),
      204,
      '',
    ],
    ['a record of Kubermatic', post('/api/v1', '{"kind": "kubernetes"}', JSON_TYPE), 204, ''],
    [
      'no record of Kubermatic',
      post('/api/kubermatic/v1', '{}', JSON_TYPE),
      400,
      /^Error: the body is not a report: expected client_uuid/,
    ],
    [
      'a wrong type in a record',
      post('/api/v1', '{"records": [{"kind": 1}]}', JSON_TYPE),
      400,
      'Error: the body is not a report: records[0].kind: expected a string, got a number\n',
    ],
    [
      'another media type for Kubermatic',
      post('/api/kubermatic/v1', '{}', 'text/plain'),
      415,
      /^Error: the content type/,
    ],
    ['another media type', post('/api/v1', '{}', 'text/plain'), 415, /^Error: the content type is "text\/plain"/],
    ['no media type', post('/api/v1', Buffer.from('{}')), 415, /^Error: the content type is missing/],
    ['no JSON', post('/api/v1', '{', JSON_TYPE), 400, /^Error: the body is not JSON/],
    [
      'a wrong type',
      post('/api/v1', '{"clusterID": 1}', JSON_TYPE),
      400,
      'Error: the body is not a report: clusterID: expected a string, got a number\n',
    ],
    [
      'a body over the limit',
      post('/api/v1', Buffer.alloc(MAX_JSON_BYTES + 1, ' '), JSON_TYPE),
      413,
      /^Error: the body is over the limit/,
    ],
    ['GET /', { method: 'GET', path: '/' }, 200, ''],
    ['GET /healthz', { method: 'GET', path: '/healthz' }, 200, ''],
    ['GET /readyz', { method: 'GET', path: '/readyz' }, 200, ''],
    ['GET /version', { method: 'GET', path: '/version' }, 200, 'v9.9.9'],
    ['an unknown path', { method: 'GET', path: '/x' }, 404, /^Error: /],
  ])('%s', async (_name, sent, status, body) => {
    const answered = await send(sent);

    expect(answered).toMatchObject({
      status,
      body: expect.stringMatching(typeof body === 'string' ? new RegExp(`^${escape(body)}$`) : body) as string,
    });
  });

  test.each([
    ['GET', '/api/v1', 'POST'],
    ['PUT', '/api/v1', 'POST'],
    ['DELETE', '/api/coreos/v1', 'POST'],
    ['GET', '/api/kubermatic/v1', 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['DELETE', '/', 'GET, HEAD'],
  ])('%s %s is 405, with Allow: %s', async (method, path, allow) => {
    await expect(send({ method, path })).resolves.toMatchObject({ status: 405, allow });
  });

  test('a report of 20,000 nodes is stored whole', async () => {
    const node = (index: number) => ({
      id: index.toString(16).padStart(32, '0'),
      operatingSystem: 'linux',
      osImage: 'Debian GNU/Linux 12 (bookworm)',
      kernelVersion: '6.8.0-1021-aws',
      architecture: 'amd64',
      containerRuntimeVersion: 'containerd://1.7.24',
      kubeletVersion: 'v1.31.4',
      cloudProvider: 'aws',
      capacity: [
        { resource: 'cpu', value: '4' },
        { resource: 'ephemeral-storage', value: '83873772Ki' },
        { resource: 'hugepages-2Mi', value: '0' },
        { resource: 'memory', value: '15437428Ki' },
        { resource: 'pods', value: '110' },
      ],
    });
    const report = { clusterID: 'large', nodes: Array.from({ length: 20_000 }, (_, index) => node(index)) };
    const body = JSON.stringify(report);
    expect(body.length).toBeGreaterThan(9_000_000);

    await expect(send(post('/api/v1', body, JSON_TYPE))).resolves.toMatchObject({ status: 204 });
    const { _id, receivedAt: _receivedAt, ...stored } = (await collector.reports.findOne()) ?? {};
    expect(JSON.stringify(stored) === body).toBe(true);
  });
});

/** A text as a regular expression that matches it. */
function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

test('the captured request of the original volunteer, replayed byte by byte: 204, and the stored document is the report', async () => {
  const request = await fixture('spartakus-volunteer-request.http');
  const socket = net.connect(collector.port, '127.0.0.1');
  socket.setNoDelay(true);
  const answer = new Promise<string>((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1')));
    socket.once('error', reject);
  });
  for (let index = 0; index < request.length; index += 1) {
    if (!socket.write(request.subarray(index, index + 1)))
      await new Promise((resolve) => void socket.once('drain', resolve));
  }

  await expect(answer).resolves.toMatch(/^HTTP\/1\.1 204 No Content\r\n(?:(?!content-length)[^\r]+\r\n)*\r\n$/i);
  socket.destroy();
  const { _id, receivedAt: _receivedAt, ...stored } = (await collector.reports.findOne()) ?? {};
  expect(stored).toStrictEqual(JSON.parse((await fixture('spartakus-volunteer-report.json')).toString()));
});
