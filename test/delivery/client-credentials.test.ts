import { rename, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { type ClientCredentialsConfig, openClientCredentials } from '../../src/delivery/client-credentials.ts';
import { openGrpcSink } from '../../src/delivery/transport/grpc.ts';
import { openHttpSink } from '../../src/delivery/transport/http.ts';
import { failureOf } from '../support/failure.ts';
import { withFiles } from '../support/files.ts';
import { type GrpcCollector, startGrpcCollector } from '../support/grpc-collector.ts';
import { readFixture } from '../support/kube-api.ts';
import { listen, shut } from '../support/listen.ts';
import { makeReport } from '../support/reports.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
const CA = { caFile: fixture('ca.crt') };
const CLIENT = { certFile: fixture('client.crt'), keyFile: fixture('client.key') };

const closers: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** A function that sends a report with these credentials and gives its outcome. */
async function connect(database: string, config: ClientCredentialsConfig): Promise<() => Promise<unknown>> {
  const credentials = await openClientCredentials(config, database);
  const sink = (database.startsWith('grpc') ? openGrpcSink : openHttpSink)(database, { credentials });
  closers.push(() => sink.close());
  return async () => (await sink.put([{ report: makeReport() }]))[0];
}

async function startTls(clientCertificate: boolean): Promise<GrpcCollector> {
  const pair = { cert_chain: await readFixture('tls/server.crt'), private_key: await readFixture('tls/server.key') };
  const collector = await startGrpcCollector(
    ServerCredentials.createSsl(await readFixture('tls/ca.crt'), [pair], clientCertificate),
  );
  closers.push(() => collector.close());
  return collector;
}

describe('over gRPC', () => {
  test('--cert-file and --key-file are sent to a collector that requests a client certificate', async () => {
    const { port } = await startTls(true);

    await expect((await connect(`grpcs://localhost:${port}`, { ...CA, ...CLIENT }))()).resolves.toStrictEqual({
      status: 'stored',
    });
    await expect((await connect(`grpcs://localhost:${port}`, CA))()).resolves.toMatchObject({ status: 'failed' });
  });

  test('--token-file is sent as a bearer token, and read again when it changes', async () => {
    const collector = await startTls(false);
    await withFiles({ token: 'first\n' }, async (dir) => {
      const tokenFile = path.join(dir, 'token');
      const send = await connect(`grpcs://localhost:${collector.port}`, { ...CA, tokenFile });
      await send();
      await writeFile(`${tokenFile}.new`, 'second');
      await rename(`${tokenFile}.new`, tokenFile);
      await send();
    });

    expect(collector.authorizations).toStrictEqual(['Bearer first', 'Bearer second']);
  });

  test('a missing token is a retryable failure, and nothing is sent without it', async () => {
    const collector = await startTls(false);
    await withFiles({ token: 'first' }, async (dir) => {
      const tokenFile = path.join(dir, 'token');
      const send = await connect(`grpcs://localhost:${collector.port}`, { ...CA, tokenFile });
      await rm(tokenFile);

      await expect(send()).resolves.toMatchObject({
        status: 'failed',
        error: { kind: 'unavailable', field: '--token-file' },
      });
    });

    expect(collector.authorizations).toStrictEqual([]);
  });

  test('without TLS a token is sent to a loopback address', async () => {
    const collector = await startGrpcCollector();
    closers.push(() => collector.close());
    await withFiles({ token: 'secret' }, async (dir) => {
      await (
        await connect(`grpc://127.0.0.1:${collector.port}`, { tokenFile: path.join(dir, 'token') })
      )();
    });

    expect(collector.authorizations).toStrictEqual(['Bearer secret']);
  });
});

test('over HTTPS the same files are used', async () => {
  const authorizations: (string | undefined)[] = [];
  const tls = {
    cert: await readFixture('tls/server.crt'),
    key: await readFixture('tls/server.key'),
    ca: await readFixture('tls/ca.crt'),
  };
  const server = https.createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    authorizations.push(request.headers.authorization);
    request.resume();
    response.writeHead(204).end();
  });
  closers.push(() => shut(server));
  const database = `https://localhost:${await listen(server)}`;
  await withFiles({ token: 'first' }, async (dir) => {
    const tokenFile = path.join(dir, 'token');
    const send = await connect(database, { ...CA, ...CLIENT, tokenFile });
    await expect(send()).resolves.toStrictEqual({ status: 'stored' });
    await writeFile(tokenFile, 'second');
    await expect(send()).resolves.toStrictEqual({ status: 'stored' });
    await expect((await connect(database, { ...CA, tokenFile }))()).resolves.toMatchObject({ status: 'failed' });
  });

  expect(authorizations).toStrictEqual(['Bearer first', 'Bearer second']);
});

describe('wrong files are rejected with the flag and the file', () => {
  const remote = 'grpcs://collector.example.com';

  test.each([
    ['--ca-file', { caFile: '/nonexistent' }, remote, 'cannot be read (ENOENT'],
    ['--ca-file', { caFile: 'DIR/text' }, remote, 'holds no certificate in PEM'],
    ['--ca-file', { caFile: 'DIR/broken' }, remote, 'holds a certificate that cannot be read'],
    ['--cert-file', { certFile: CLIENT.certFile }, remote, 'has no key: give --key-file too'],
    ['--key-file', { keyFile: CLIENT.keyFile }, remote, 'has no certificate: give --cert-file too'],
    ['--cert-file', { certFile: '/nonexistent', keyFile: CLIENT.keyFile }, remote, 'cannot be read (ENOENT'],
    ['--key-file', { certFile: CLIENT.certFile, keyFile: '/nonexistent' }, remote, 'cannot be read (ENOENT'],
    ['--cert-file', { certFile: 'DIR/text', keyFile: CLIENT.keyFile }, remote, 'holds no certificate in PEM'],
    ['--key-file', { certFile: CLIENT.certFile, keyFile: 'DIR/text' }, remote, 'holds no key in PEM'],
    [
      '--key-file',
      { certFile: CLIENT.certFile, keyFile: fixture('server.key') },
      remote,
      `is not the key of --cert-file ${CLIENT.certFile}`,
    ],
    ['--token-file', { tokenFile: '/nonexistent' }, remote, 'cannot be read (ENOENT'],
    ['--token-file', { tokenFile: 'DIR/empty' }, remote, 'is empty'],
    ['--token-file', { tokenFile: 'DIR/words' }, remote, 'holds more than one token'],
    ['--token-file', { tokenFile: 'DIR/text' }, 'grpc://collector.example.com', 'is not sent without TLS'],
    ['--token-file', { tokenFile: 'DIR/text' }, 'http://127.0.0.1.example.com', 'is not sent without TLS'],
    ['--ca-file', CA, 'grpc://localhost', 'has no effect without TLS: write --database grpcs://'],
    ['--cert-file', CLIENT, 'http://localhost', 'has no effect without TLS: write --database https://'],
  ])('%s %j with %s', async (flag, config: ClientCredentialsConfig, database, problem) => {
    const files = {
      text: 'hunter2',
      empty: '\n',
      words: 'hunter2 hunter3',
      broken: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    };
    await withFiles(files, async (dir) => {
      const placed = Object.fromEntries(
        Object.entries(config).map(([name, file]: [string, string]) => [name, file.replace('DIR', dir)]),
      );
      const error = await failureOf(openClientCredentials(placed, database));

      expect(error).toMatchObject({ kind: 'invalid', field: flag });
      expect(error.message).toMatch(new RegExp(`^${flag} /`));
      expect(error.message).toContain(`: ${problem}`);
      expect(error.message).not.toContain('hunter');
    });
  });

  test.each([
    ['grpc://collector.example.com', 'write --url grpcs://… instead of grpc://…'],
    ['http://collector.example.com', 'write --url https://… instead of http://…'],
  ])('without TLS, as with %s, the error says which URL to write in which flag', async (database, advice) => {
    const error = await failureOf(openClientCredentials(CA, database, '--url'));

    expect(error.message).toBe(`--ca-file ${CA.caFile}: has no effect without TLS: ${advice}.`);
  });

  test('a report that is only printed needs no files', async () => {
    const files = { caFile: '/nonexistent', tokenFile: '/nonexistent', certFile: '/nonexistent' };

    const credentials = await openClientCredentials(files, 'stdout');

    expect(Object.keys(credentials)).toStrictEqual(['authorization']);
    await expect(credentials.authorization()).resolves.toBeUndefined();
  });
});

test.each(['https', 'http'])('without files there are no credentials, over %s', async (scheme) => {
  const credentials = await openClientCredentials({}, `${scheme}://collector.example.com`);

  expect({ ...credentials, authorization: await credentials.authorization() }).toStrictEqual({
    ca: undefined,
    tokenFile: undefined,
    authorization: undefined,
  });
});

test.each(['grpcs://collector.example.com', 'https://collector.example.com'])(
  'for %s the files are read as they are',
  async (database) => {
    const { ca, cert, key } = await openClientCredentials({ ...CA, ...CLIENT }, database);

    expect([ca, cert, key]).toStrictEqual(
      await Promise.all(['ca.crt', 'client.crt', 'client.key'].map((name) => readFixture(`tls/${name}`))),
    );
  },
);

test.each(['http://[::1]:8080', 'http://localhost', 'grpc://127.0.0.1'])(
  'a token is sent to %s, which is this machine, without TLS',
  async (database) => {
    await withFiles({ token: ' secret \n' }, async (dir) => {
      const tokenFile = path.join(dir, 'token');
      const credentials = await openClientCredentials({ tokenFile }, database);

      expect(credentials.tokenFile).toBe(tokenFile);
      await expect(credentials.authorization()).resolves.toBe('Bearer secret');
    });
  },
);

test.each([
  ['', 'is empty'],
  ['two tokens', 'holds more than one token of printable characters'],
])('a token file that changes to %j is a retryable failure', async (content, problem) => {
  await withFiles({ token: 'first' }, async (dir) => {
    const tokenFile = path.join(dir, 'token');
    const credentials = await openClientCredentials({ tokenFile }, 'grpcs://collector.example.com');
    await writeFile(tokenFile, content);

    await expect(failureOf(credentials.authorization())).resolves.toMatchObject({
      kind: 'unavailable',
      field: '--token-file',
      message: `--token-file ${tokenFile}: ${problem}.`,
    });
  });
});
