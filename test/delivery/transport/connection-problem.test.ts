import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { type ClientCredentials, NO_CREDENTIALS } from '../../../src/delivery/client-credentials.ts';
import { openDatabase, parseDatabase } from '../../../src/delivery/open-sink.ts';
import { readFixture } from '../../support/kube-api.ts';
import { failOne } from '../../support/put-one.ts';

const TOKEN = 'secret-token';
const PASSWORD = 'hunter2';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Listens on a free port of 127.0.0.1; afterwards the server and its connections are closed. */
async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    // A client that closes the connection is no error.
    socket.on('error', () => undefined);
  });
  server.on('sessionError', () => undefined).on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

interface Files {
  readonly ca?: string;
  readonly cert?: string;
}

/** A token file, and the files that are named. */
async function credentialsOf({ ca, cert }: Files): Promise<ClientCredentials> {
  const read = (file: string): Promise<Buffer> => readFixture(`tls/${file}`);
  return {
    ...(ca !== undefined && { ca: await read(`${ca}.crt`) }),
    ...(cert !== undefined && { cert: await read(`${cert}.crt`), key: await read(`${keyOf(cert)}.key`) }),
    tokenFile: '/run/token',
    authorization: () => Promise.resolve(`Bearer ${TOKEN}`),
  };
}

/** Several certificates have one key. */
const keyOf = (cert: string): string => (['client', 'elsewhere'].includes(cert) ? cert : 'server');

const answer: http.RequestListener = (request, response) => {
  request.resume();
  response.writeHead(204).end();
};

interface TlsOptions {
  readonly wantsClient?: boolean;
  readonly maxVersion?: 'TLSv1.2';
}

/** A server of HTTP/2 (gRPC) or HTTP/1.1 with this certificate. */
async function startTls(kind: 'grpc' | 'http', cert: string, { wantsClient, maxVersion }: TlsOptions = {}) {
  const options = {
    cert: await readFixture(`tls/${cert}.crt`),
    key: await readFixture(`tls/${keyOf(cert)}.key`),
    ...(wantsClient === true && { ca: await readFixture('tls/ca.crt'), requestCert: true, rejectUnauthorized: true }),
    ...(maxVersion !== undefined && { maxVersion }),
  };
  return listen(kind === 'grpc' ? http2.createSecureServer(options) : https.createServer(options, answer));
}

/** The error of one report. It contains no secret and is one line. */
async function errorFor(url: string, files: Files = {}, env: NodeJS.ProcessEnv = {}, timeoutMs = 30_000) {
  const options = { credentials: await credentialsOf(files), env, timeoutMs, stdout: process.stdout };
  const sink = await openDatabase(parseDatabase(url), options);
  closers.push(() => sink.close());
  const error = await failOne(sink);
  for (const secret of [TOKEN, PASSWORD, 'Bearer']) expect(error.message).not.toContain(secret);
  expect(error.message).not.toMatch(/[\r\n]|OpenSSL|SSL routines|\.c:\d|Resolution note|Last error|use-system-ca/);
  return error;
}

const SCHEMES = { grpc: { plain: 'grpc', secure: 'grpcs' }, http: { plain: 'http', secure: 'https' } } as const;
const kinds = ['grpc', 'http'] as const;

describe.each(kinds)('over %s, an error says what to do', (kind) => {
  const { plain, secure } = SCHEMES[kind];
  const shown = (url: string): string => (kind === 'http' ? `${url}/api/v1` : url);
  const urlOf = (scheme: string, port: number, host = 'localhost'): string => `${scheme}://${host}:${port}`;

  test.each<[string, string, Files, string]>([
    [
      'a self-signed certificate',
      'self-signed',
      {},
      'its certificate is not signed by a CA that Node.js knows (self-signed certificate): give its CA with --ca-file.',
    ],
    [
      'a certificate of an unknown CA',
      'server',
      {},
      'its certificate is not signed by a CA that Node.js knows (unable to verify the first certificate): give its CA with --ca-file.',
    ],
    [
      'a certificate of another CA than that of --ca-file',
      'server',
      { ca: 'other-ca' },
      'its certificate is not signed by a CA of --ca-file (unable to verify the first certificate): add its CA to that file.',
    ],
    [
      'an expired certificate',
      'expired',
      { ca: 'expired' },
      'its certificate is not valid any more (certificate has expired): renew it, or correct the clock of this machine.',
    ],
    [
      'a certificate that is not valid yet',
      'not-yet-valid',
      { ca: 'not-yet-valid' },
      'its certificate is not valid yet (certificate is not yet valid): correct the clock of this machine, or renew it.',
    ],
    [
      'a certificate for another host',
      'elsewhere',
      { ca: 'ca' },
      'its certificate is for 192.0.2.1, elsewhere.example.com, not for localhost: write a name of its certificate in --database, or give it one for this name.',
    ],
  ])('%s', async (_name, cert, files, text) => {
    const url = urlOf(secure, await startTls(kind, cert));

    const error = await errorFor(url, files);

    expect(error.message).toBe(`The collector at ${shown(url)} cannot be reached: ${text}`);
    expect(error.kind).toBe('unavailable');
  });

  test('a certificate for another address', async () => {
    const url = urlOf(secure, await startTls(kind, 'elsewhere'), '127.0.0.1');

    const { message } = await errorFor(url, { ca: 'ca' });

    expect(message).toContain('its certificate is for 192.0.2.1, not for 127.0.0.1: write a name');
  });

  test('TLS to a port without TLS', async () => {
    const url = urlOf(secure, await listen(kind === 'grpc' ? http2.createServer() : http.createServer(answer)));

    const { message } = await errorFor(url);

    expect(message).toBe(
      `The collector at ${shown(url)} cannot be reached: its port does not speak TLS (wrong version number): ` +
        `write the port with TLS in --database, or ${plain}:// if the network encrypts.`,
    );
  });

  test('no TLS to a port with TLS', async () => {
    const url = urlOf(plain, await startTls(kind, 'server'));

    const { message } = await errorFor(url);

    expect(message).toMatch(
      new RegExp(`it closed the connection \\(.+\\): if its port speaks TLS, write ${secure}:// in --database\\.$`),
    );
  });

  test.each<[string, TlsOptions, RegExp]>([
    ['TLS 1.3', {}, /it requires a client certificate \(alert certificate required\): .*--cert-file and --key-file\.$/],
    [
      'TLS 1.2',
      { maxVersion: 'TLSv1.2' },
      /it ended the TLS handshake \(alert handshake failure\): if it requires a client certificate, give one with --cert-file/,
    ],
  ])('a server that requires a client certificate, with %s', async (_name, options, text) => {
    const port = await startTls(kind, 'server', { wantsClient: true, ...options });

    expect((await errorFor(urlOf(secure, port), { ca: 'ca' })).message).toMatch(text);
  });

  test('a server that does not accept the client certificate', async () => {
    const port = await startTls(kind, 'server', { wantsClient: true });

    const { message } = await errorFor(urlOf(secure, port), { ca: 'ca', cert: 'self-signed' });

    expect(message).toMatch(/: check that it accepts the client certificate of --cert-file\.$/);
  });

  test('a port on which nothing listens, to each client that tries', async () => {
    const url = urlOf(plain, 1, '127.0.0.1');

    for (const _ of ['first', 'second']) {
      const { message } = await errorFor(url);
      expect(message).toBe(
        `The collector at ${shown(url)} cannot be reached: nothing listens on its port (ECONNREFUSED): ` +
          'check that it is running, and the host and port in --database.',
      );
    }
  });

  test('a host that the DNS does not know', async () => {
    const { message } = await errorFor(urlOf(plain, 8080, 'no-such-host.invalid'));

    expect(message).toMatch(/: the DNS has no address for its host \(.+\): check the host in --database, and the DNS/);
  });

  test('a server that does not answer', async () => {
    const url = urlOf(plain, await listen(net.createServer()), '127.0.0.1');

    const { message } = await errorFor(url, {}, {}, 300);

    expect(message).toMatch(
      /: it did not answer in time \(.+\): check that no firewall or proxy blocks the connection/,
    );
  });

  test('another protocol', async () => {
    const server = net.createServer((socket) => void socket.write('SSH-2.0-OpenSSH_9.9\r\n'));

    const { message } = await errorFor(urlOf(plain, await listen(server), '127.0.0.1'));

    expect(message).toMatch(
      /: it does not speak HTTP\/(2, which gRPC needs|1\.1) \(.+\): (write|check) the .* in --database/,
    );
  });

  describe('a proxy', () => {
    /** A proxy that answers CONNECT with this status. */
    async function startProxy(status: number): Promise<NodeJS.ProcessEnv> {
      const server = http.createServer();
      server.on('connect', (_request, socket: Socket) => void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`));
      return envOf('127.0.0.1', await listen(server));
    }
    const envOf = (host: string, port: number): NodeJS.ProcessEnv => ({
      https_proxy: `http://user:${PASSWORD}@${host}:${port}`,
    });
    const elsewhere = `${secure}://collector.example.com:8443`;

    test.each([
      [
        407,
        /^the proxy requires another user and password \(407\): write them in \$https_proxy, as http:\/\/USER:PASSWORD@HOST:PORT\.$/,
      ],
      [
        403,
        /^the proxy does not permit a connection to it \(403\): permit CONNECT to collector\.example\.com there, or add it to \$NO_PROXY\.$/,
      ],
      [502, /^the proxy cannot connect to it \(502\): check that it is running, and that the proxy can reach it\.$/],
    ])('that answers %i', async (status, text) => {
      const { message } = await errorFor(elsewhere, {}, await startProxy(status));

      const [, clause] = message.split(' cannot be reached: ');
      // grpc-js does not pass on the status.
      const unknown =
        /^the proxy does not connect to it: check the host, port, user and password in \$https_proxy, and that the proxy permits CONNECT to collector\.example\.com\.$/;
      expect(clause).toMatch(kind === 'grpc' ? unknown : text);
    });

    test('that does not run', async () => {
      const { message } = await errorFor(elsewhere, {}, envOf('127.0.0.1', 1));

      expect(message).toMatch(
        /through the proxy http:\/\/127\.0\.0\.1:1 of \$https_proxy.* cannot be reached: .*\$https_proxy/,
      );
    });

    test('that the DNS does not know', async () => {
      const { message } = await errorFor(elsewhere, {}, envOf('no-such-proxy.invalid', 3128));

      expect(message).toContain(': the DNS has no address for the host of the proxy (');
    });
  });
});

describe('a server that is no collector', () => {
  /** A server of HTTP/2 that answers every request like this. */
  const serve = (status: number): Promise<number> => {
    const body = '<html><body>It works!</body></html>';
    return listen(http2.createServer((_request, response) => void response.writeHead(status).end(body)));
  };

  test.each([
    [200, 'not-found', 'Received message larger than max'],
    [301, 'internal', 'Received HTTP status code 301'],
    [401, 'unauthenticated', 'Received HTTP status code 401'],
    [404, 'not-found', 'Received HTTP status code 404'],
    [503, 'unavailable', 'Received HTTP status code 503'],
  ])('of HTTP/2 with status %i is no gRPC server', async (status, kind, term) => {
    const error = await errorFor(`grpc://127.0.0.1:${await serve(status)}`);

    expect(error.kind).toBe(kind);
    expect(error.message).toMatch(
      / cannot be reached: what listens there does not answer with gRPC \(.+\): check that a collector/,
    );
    expect(error.message).toContain(`(${term})`);
  });

  test('of gRPC without its service keeps the report', async () => {
    const server = new grpc.Server();
    const port = await new Promise<number>((resolve) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (_error, bound) => resolve(bound));
    });
    closers.push(() => Promise.resolve(server.forceShutdown()));

    const error = await errorFor(`grpc://127.0.0.1:${port}`);

    expect(error.kind).toBe('not-found');
    expect(error.message).toMatch(
      /StreamReports \(gRPC code 12\)\. Check that a Spartakus collector listens at the URL in --database\.$/,
    );
  });

  test('of HTTP/1.1 is no gRPC server', async () => {
    const { message } = await errorFor(`grpc://127.0.0.1:${await listen(http.createServer(answer))}`);

    expect(message).toContain(': it does not speak HTTP/2, which gRPC needs (Protocol error): write the host and port');
  });

  test('of HTTP/1.1 with TLS is no gRPC server', async () => {
    const { message } = await errorFor(`grpcs://localhost:${await startTls('http', 'server')}`, { ca: 'ca' });

    expect(message).toContain(': it does not speak HTTP/2, which gRPC needs (alert no application protocol): write');
  });

  test('of gRPC is none of HTTP', async () => {
    const { message } = await errorFor(`http://127.0.0.1:${await listen(http2.createServer())}`);

    expect(message).toContain(': it does not speak HTTP/1.1 (HPE_INVALID_CONSTANT): check the port in --database');
  });

  test.each(['Client sent an HTTP request to an HTTPS server.', 'The plain HTTP request was sent to HTTPS port'])(
    'of HTTPS that answers "%s" keeps the report',
    async (body) => {
      const server = http.createServer((_request, response) => void response.writeHead(400).end(body));

      const error = await errorFor(`http://127.0.0.1:${await listen(server)}`);

      expect(error.kind).toBe('not-found');
      expect(error.message).toMatch(/ Write https:\/\/ in --database\.$/);
    },
  );
});

describe('the answer of a collector', () => {
  const serve = (trailers: http2.OutgoingHttpHeaders): Promise<number> => {
    const server = http2.createServer();
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.resume();
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true });
    });
    return listen(server);
  };

  test('is shown without escapes, and passwords in them are masked', async () => {
    const text = `no: mongodb://user:${PASSWORD}@db/x is away, ECONNREFUSED, 100 %`;
    const port = await serve({ 'grpc-status': '14', 'grpc-message': encodeURIComponent(text) });

    const { message } = await errorFor(`grpc://127.0.0.1:${port}`);

    expect(message).toBe(
      `The collector at grpc://127.0.0.1:${port} did not accept the report: ` +
        'no: mongodb://user:***@db/x is away, ECONNREFUSED, 100 % (gRPC code 14).',
    );
  });

  test.each([
    [undefined, ' It requires a token: give one with --token-file.'],
    ['/run/token', ' Write a token that it accepts to --token-file, which is read again for each attempt.'],
  ])('that rejects the token of %s says what to do', async (tokenFile, advice) => {
    const port = await serve({ 'grpc-status': '16', 'grpc-message': 'the token is unknown' });
    const options = { credentials: { ...NO_CREDENTIALS, tokenFile }, stdout: process.stdout };
    const sink = await openDatabase(parseDatabase(`grpc://127.0.0.1:${port}`), options);
    closers.push(() => sink.close());

    const { message } = await failOne(sink);

    expect(message).toContain(`: the token is unknown (gRPC code 16).${advice}`);
  });
});
