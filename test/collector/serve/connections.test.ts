import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestCollector, type TestCollector } from '../../support/collector.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { TEST_LIMITS } from '../../support/test-limits.ts';

expectNothingLeftOpen();

const SUBMIT = '/spartakus.collector.v1.CollectorService/SubmitReport';
const STREAM = '/spartakus.collector.v1.CollectorService/StreamReports';
/** Far over both limits, and over what a client may send ahead on a connection. */
const TOO_MANY_BYTES = TEST_LIMITS.maxJsonBytes * 8;

let collector: TestCollector;

beforeAll(async () => {
  collector = await startTestCollector();
});

afterAll(() => collector.close());

/** Bodies that are rejected, one for each handler. */
const BAD_BODIES = [
  ...['application/json', 'application/proto', 'application/grpc', 'application/grpc-web+proto'].map((contentType) => ({
    what: `too large, ${contentType}`,
    path: SUBMIT,
    contentType,
    body: framed(TOO_MANY_BYTES),
  })),
  {
    what: 'too large, POST /api/v1',
    path: '/api/v1',
    contentType: 'application/json',
    body: Buffer.alloc(TOO_MANY_BYTES, ' '),
  },
  {
    what: 'not JSON, POST /api/v1',
    path: '/api/v1',
    contentType: 'application/json',
    body: Buffer.from('{"clusterID": '),
  },
  { what: 'not JSON, Connect', path: SUBMIT, contentType: 'application/json', body: Buffer.from('{"report": ') },
  {
    what: 'not protobuf, Connect',
    path: SUBMIT,
    contentType: 'application/proto',
    body: Buffer.from('\u0007not protobuf'),
  },
  { what: 'not protobuf, gRPC', path: SUBMIT, contentType: 'application/grpc', body: framed(20) },
  { what: 'not protobuf, gRPC-Web', path: SUBMIT, contentType: 'application/grpc-web+proto', body: framed(20) },
  { what: 'not protobuf, gRPC stream', path: STREAM, contentType: 'application/grpc', body: framed(20) },
  { what: 'not JSON, gRPC', path: SUBMIT, contentType: 'application/grpc+json', body: framed(20) },
  { what: 'not JSON by its type', path: '/api/v1', contentType: 'text/plain', body: Buffer.alloc(TOO_MANY_BYTES, ' ') },
  {
    what: 'for an unknown path',
    path: '/nowhere',
    contentType: 'application/json',
    body: Buffer.alloc(TOO_MANY_BYTES, ' '),
  },
];

/** A gRPC message that says truly how long it is, and holds spaces: no protobuf, no JSON. */
function framed(bytes: number): Buffer {
  const body = Buffer.alloc(bytes, ' ');
  body.writeUInt8(0, 0);
  body.writeUInt32BE(bytes - 5, 1);
  return body;
}

interface Answer {
  readonly status: number | undefined;
  readonly grpcStatus: string | undefined;
  readonly text: string;
}

/** What a refusal looks like, over every protocol: an HTTP status, or a gRPC status in the trailers or in a gRPC-Web body. */
function isRefusal({ status, grpcStatus, text }: Answer): boolean {
  const grpcWeb = /grpc-status: (\d+)/.exec(text)?.[1];
  return ((status ?? 0) >= 400 && (status ?? 0) < 500) || ['3', '8'].includes(grpcStatus ?? grpcWeb ?? '');
}

describe('over HTTP/2', () => {
  const exchange = (
    session: http2.ClientHttp2Session,
    headers: http2.OutgoingHttpHeaders,
    body?: Buffer,
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':method': 'POST', te: 'trailers', ...headers });
      let status: number | undefined;
      let grpcStatus: string | undefined;
      let text = '';
      stream.on('response', (response) => {
        status = response[':status'];
        grpcStatus = response['grpc-status']?.toString();
      });
      stream.on('trailers', (trailers) => (grpcStatus = trailers['grpc-status']?.toString()));
      stream.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      stream.on('error', reject);
      stream.on('close', () => resolve({ status, grpcStatus, text }));
      stream.end(body);
    });

  test.each(BAD_BODIES)(
    'a body that is $what is rejected, and its connection stays open',
    async ({ path, contentType, body }) => {
      const session = http2.connect(collector.url);
      try {
        const refusal = await exchange(session, { ':path': path, 'content-type': contentType }, body);
        const version = await exchange(session, { ':method': 'GET', ':path': '/version' });

        expect(refusal).toSatisfy(isRefusal);
        expect(version).toMatchObject({ status: 200, text: 'v9.9.9' });
      } finally {
        session.close();
      }
    },
  );
});

describe('over HTTP/1.1', () => {
  const exchange = (
    agent: http.Agent,
    method: string,
    path: string,
    headers: http.OutgoingHttpHeaders,
    body?: Buffer,
  ) =>
    new Promise<Answer & { reused: boolean }>((resolve, reject) => {
      const request = http.request(collector.url, { agent, method, path, headers }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
        response.on('end', () =>
          resolve({
            status: response.statusCode,
            grpcStatus: response.headers['grpc-status']?.toString(),
            text,
            reused: request.reusedSocket,
          }),
        );
      });
      request.on('error', reject);
      request.end(body);
    });

  // gRPC itself is HTTP/2 alone.
  test.each(BAD_BODIES.filter(({ contentType }) => !/^application\/grpc(\+|$)/.test(contentType)))(
    'a body that is $what is rejected, and its connection stays open',
    async ({ path, contentType, body }) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      try {
        const refusal = await exchange(
          agent,
          'POST',
          path,
          { 'content-type': contentType, 'content-length': body.length },
          body,
        );
        const version = await exchange(agent, 'GET', '/version', {});

        expect(refusal).toSatisfy(isRefusal);
        expect(version).toMatchObject({ status: 200, text: 'v9.9.9', reused: true });
      } finally {
        agent.destroy();
      }
    },
  );
});

describe('the first bytes tell the version of HTTP', () => {
  /** Sends the pieces one by one, each once the one before has surely arrived alone, and answers the first bytes that come back. */
  const talk = async (pieces: readonly string[]): Promise<string> => {
    const socket = net.connect(collector.port, '127.0.0.1');
    socket.setNoDelay(true);
    const first = new Promise<Buffer>((resolve, reject) => {
      socket.once('data', resolve);
      socket.once('error', reject);
    });
    for (const piece of pieces) {
      socket.write(piece, 'latin1');
      await new Promise((resolve) => void setTimeout(resolve, 5));
    }
    const answer = await first;
    socket.destroy();
    return answer.toString('latin1');
  };
  const SETTINGS_FRAME = '\0\0\0\u0004\0\0\0\0\0';

  test('a preface that comes in pieces is HTTP/2', async () => {
    const answer = await talk(['P', 'R', 'I', ' * HTTP/2.0\r\n\r\nSM', '\r\n\r\n', SETTINGS_FRAME]);

    // The frame type of the first frame of a server: SETTINGS (RFC 9113 section 3.4).
    expect(answer.charCodeAt(3)).toBe(4);
  });

  test.each(['POST', 'PUT', 'PROPFIND'])(
    'a request with %s, which starts like the preface, that comes byte by byte is HTTP/1.1',
    async (method) => {
      await expect(talk([...method.split(''), ' /healthz HTTP/1.1\r\nHost: x\r\n\r\n'])).resolves.toMatch(
        /^HTTP\/1\.1 405 /,
      );
    },
  );

  test('nonsense is answered with 400, and the collector lives on', async () => {
    await expect(talk(['\u0016\u0003\u0001 is no HTTP\r\n\r\n'])).resolves.toMatch(/^HTTP\/1\.1 400 /);
    await expect(fetch(`${collector.url}/healthz`)).resolves.toMatchObject({ status: 200 });
  });
});
