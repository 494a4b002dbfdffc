import { once } from 'node:events';
import { copyFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import tls from 'node:tls';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openListener } from '../../../src/collector/serve/listener.ts';
import { openTls, type TlsConfig } from '../../../src/collector/serve/tls.ts';
import { failureOf } from '../../support/failure.ts';
import { withFiles } from '../../support/files.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { createKeptLog } from '../../support/log.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { TEST_LIMITS } from '../../support/test-limits.ts';

expectNothingLeftOpen();

const FIXTURES = path.join(import.meta.dirname, '../../fixtures/tls');
const fixture = (name: string): string => path.join(FIXTURES, name);
const CA = await readFile(fixture('ca.crt'));
const CLIENT = { cert: await readFile(fixture('client.crt')), key: await readFile(fixture('client.key')) };
const PAIR = { certFile: fixture('server.crt'), keyFile: fixture('server.key') };
/** How a handshake ends that the server ends: what is seen of it depends on when it is seen. */
const REJECTED = /alert|unsupported protocol|ECONNRESET|EPIPE|closed|disconnected/;
/** How often files are looked at. */
const LOOK_MS = 5_000;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** A port that speaks TLS, and answers each request with the version of HTTP. */
async function open(config: TlsConfig, { handshakeTimeoutMs = 10_000 } = {}) {
  const clock = createManualClock(new Date(0));
  const log = createKeptLog();
  const rateLimited = createKeptLog();
  const stop = new AbortController();
  const { server, expiresAt } = await openTls(config, {
    handshakeTimeoutMs,
    clock,
    logger: log.logger,
    rateLimitedLogger: rateLimited.logger,
    stop: stop.signal,
  });
  await clock.asleep();
  const listener = await openListener({
    port: 0,
    host: '127.0.0.1',
    tls: server,
    routes: { stream: () => false, request: (req, res) => res.end(`HTTP/${req.httpVersion}`) },
    limits: TEST_LIMITS,
    addressKeyOf: () => undefined,
    clock,
    random: () => 0.5,
    logger: log.logger,
  });
  const close = async (): Promise<void> => {
    stop.abort();
    await listener.close(0);
  };
  closers.push(close);
  const look = async (times: number): Promise<void> => {
    for (let time = 0; time < times; time += 1) {
      clock.advance(LOOK_MS);
      await clock.asleep();
    }
  };
  return { port: listener.port, log, rateLimited, look, close, expiresAt };
}

interface Dialled {
  readonly name: string | undefined;
  readonly protocol: string | null;
  readonly session: Buffer | undefined;
  readonly resumed: boolean;
}

/** Does a TLS handshake and sends a request over HTTP/1.1, because a TLS 1.3 client learns of a rejection only then. Rejects with that error. */
async function dial(port: number, options: tls.ConnectionOptions = {}): Promise<Dialled> {
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: CA,
    checkServerIdentity: () => undefined,
    ...options,
  });
  let session: Buffer | undefined;
  socket.on('session', (ticket) => (session = ticket));
  const failed = once(socket, 'close').then(() => {
    throw new Error('closed');
  });
  failed.catch(() => undefined);
  try {
    await Promise.race([once(socket, 'secureConnect'), failed]);
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await Promise.race([once(socket, 'data'), failed]);
    const name = socket.getPeerCertificate().subjectaltname;
    return { name, protocol: socket.getProtocol(), session, resumed: socket.isSessionReused() };
  } finally {
    socket.destroy();
  }
}

describe('one port', () => {
  test('node https is HTTP/1.1', async () => {
    const { port } = await open(PAIR);

    const request = https.get(`https://127.0.0.1:${port}`, { ca: CA, agent: false });
    const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream];

    await expect(text(response)).resolves.toBe('HTTP/1.1');
  });

  /** The answer over HTTP/2, on a socket of the test's own or one that http2 makes. */
  const getOverHttp2 = async (port: number, options: http2.SecureClientSessionOptions): Promise<string> => {
    const session = http2.connect(`https://127.0.0.1:${port}`, { ca: CA, ...options });
    try {
      return await text(session.request().setEncoding('utf8'));
    } finally {
      session.destroy();
    }
  };

  test('a client that asks for h2 by ALPN gets it', async () => {
    const { port } = await open(PAIR);

    await expect(getOverHttp2(port, {})).resolves.toBe('HTTP/2.0');
    for (const protocol of ['h2', 'http/1.1']) {
      const socket = tls.connect({ port, host: '127.0.0.1', ca: CA, ALPNProtocols: [protocol] });
      await once(socket, 'secureConnect');
      expect(socket.alpnProtocol).toBe(protocol);
      socket.destroy();
    }
  });

  // A frame of HTTP/2 begins with its length, and the first ones are short.
  test.each([
    ['the HTTP/2 preface, and gets HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0', '\0\0'],
    ['a request of HTTP/1.1, and gets that', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 'HTTP/1.1 200 '],
  ])('a client without ALPN sends %s', async (_, bytes, answer) => {
    const { port } = await open(PAIR);
    const socket = tls.connect({ port, host: '127.0.0.1', ca: CA });
    socket.write(bytes, 'latin1');

    const [data] = (await once(socket, 'data')) as [Buffer];

    expect(socket.alpnProtocol).toBe(false);
    expect(data.toString('latin1').startsWith(answer)).toBe(true);
    socket.destroy();
  });

  test('without TLS nothing is said', async () => {
    const { port } = await open(PAIR);
    const socket = net.connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');

    const said = (await socket.toArray()) as Buffer[];

    expect(Buffer.concat(said).toString('latin1')).not.toContain('HTTP');
    socket.destroy();
  });

  test('TLS 1.2 is taken, TLS 1.1 is not', async () => {
    const setContext = vi.spyOn(tls.Server.prototype, 'setSecureContext');
    const { port } = await open(PAIR);
    // OpenSSL's own security level rejects TLS 1.1 as well.
    expect(setContext.mock.lastCall?.[0]).toMatchObject({ minVersion: 'TLSv1.2' });
    setContext.mockRestore();
    const old = { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;

    await expect(dial(port, { ...old, maxVersion: 'TLSv1.2' })).resolves.toMatchObject({ protocol: 'TLSv1.2' });
    await expect(dial(port, { ...old, maxVersion: 'TLSv1.1' })).rejects.toThrow(/alert protocol version/);
  });

  test('a client that begins no handshake is disconnected', async () => {
    const { port, rateLimited } = await open(PAIR, { handshakeTimeoutMs: 50 });
    const socket = net.connect(port, '127.0.0.1').resume();

    await expect(once(socket, 'close')).resolves.toStrictEqual([false]);
    expect(rateLimited.lines).toMatchObject([
      { level: 'info', fields: { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' }, message: 'a TLS handshake failed' },
    ]);
  }, 5_000);

  test('closing ends connections that shake hands and connections that are secured', async () => {
    const { port, close } = await open(PAIR);
    const sockets = [net.connect(port, '127.0.0.1'), tls.connect({ port, host: '127.0.0.1', ca: CA })] as const;
    const ended = sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          // A reset is an end as well.
          socket.on('error', () => undefined).once('close', () => resolve());
        }),
    );
    await Promise.all([once(sockets[0], 'connect'), once(sockets[1], 'secureConnect')]);

    await close();

    await expect(Promise.all(ended)).resolves.toHaveLength(2);
  });

  test('clients reject a certificate for another host', async () => {
    const { port } = await open({ certFile: fixture('elsewhere.crt'), keyFile: fixture('elsewhere.key') });

    await expect(dial(port, { checkServerIdentity: tls.checkServerIdentity })).rejects.toThrow(/does not match/);
  });
});

describe('with --tls-client-ca', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'only clients with a certificate of the CA are accepted: %s',
    async (maxVersion) => {
      const { port } = await open({ ...PAIR, clientCaFile: fixture('ca.crt') });

      await expect(dial(port, { ...CLIENT, maxVersion })).resolves.toMatchObject({ protocol: maxVersion });
      await expect(dial(port, { maxVersion })).rejects.toThrow(REJECTED);
    },
  );

  test('a client certificate of another CA is rejected', async () => {
    const { port } = await open({ ...PAIR, clientCaFile: fixture('other-ca.crt') });

    await expect(dial(port, CLIENT)).rejects.toThrow(REJECTED);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'once the CA is exchanged, a session of before it lets nobody in: %s',
    async (maxVersion) => {
      await withFiles({ 'ca.crt': CA.toString() }, async (dir) => {
        const { port, look } = await open({ ...PAIR, clientCaFile: `${dir}/ca.crt` });
        const { session } = await dial(port, { ...CLIENT, maxVersion });
        await expect(dial(port, { ...CLIENT, maxVersion, session })).resolves.toMatchObject({ resumed: true });

        await copyFile(fixture('other-ca.crt'), `${dir}/ca.crt`);
        await look(2);

        await expect(dial(port, { ...CLIENT, maxVersion, session })).rejects.toThrow(REJECTED);
      });
    },
  );
});

describe('when the files change', () => {
  const names = ['cert', 'key'] as const;
  const write = async (dir: string, name: string): Promise<void> => {
    for (const [index, file] of names.entries())
      await copyFile(fixture(`${name}.${['crt', 'key'][index]}`), `${dir}/${file}`);
  };
  const config = (dir: string): TlsConfig => ({ certFile: `${dir}/cert`, keyFile: `${dir}/key` });
  const OLD = { name: expect.stringContaining('kubernetes.default.svc') as string };
  const NEW = { name: expect.stringContaining('elsewhere.example.com') as string };

  test('the new pair is shown, once it holds still', async () => {
    await withFiles({}, async (dir) => {
      await write(dir, 'server');
      const { port, look, log } = await open(config(dir));

      await write(dir, 'elsewhere');
      await look(1);
      await expect(dial(port)).resolves.toMatchObject(OLD);
      await look(1);

      await expect(dial(port)).resolves.toMatchObject(NEW);
      expect(log.messages()).toStrictEqual([`reloaded --tls-cert ${dir}/cert, --tls-key ${dir}/key`]);
    });
  });

  test('they may be those of a Kubernetes volume: links to links that are exchanged', async () => {
    await withFiles({}, async (dir) => {
      for (const name of ['server', 'elsewhere']) {
        await mkdir(`${dir}/..${name}`);
        await write(`${dir}/..${name}`, name);
      }
      await symlink('..server', `${dir}/..data`);
      for (const file of names) await symlink(`..data/${file}`, `${dir}/${file}`);
      const { port, look } = await open(config(dir));

      await symlink('..elsewhere', `${dir}/..data_tmp`);
      await rename(`${dir}/..data_tmp`, `${dir}/..data`);
      await look(2);

      await expect(dial(port)).resolves.toMatchObject(NEW);
    });
  });

  test('a pair that does not fit is logged once, and the old one stays until a good one comes', async () => {
    await withFiles({}, async (dir) => {
      await write(dir, 'server');
      const { port, look, log } = await open(config(dir));

      await copyFile(fixture('elsewhere.crt'), `${dir}/cert`);
      await look(4);
      await expect(dial(port)).resolves.toMatchObject(OLD);
      expect(log.messages()).toStrictEqual([
        `--tls-key ${dir}/key: is not the key of --tls-cert ${dir}/cert. The previous content stays in use.`,
      ]);
      await write(dir, 'elsewhere');
      await look(2);

      await expect(dial(port)).resolves.toMatchObject(NEW);
    });
  });

  test('the expiry is the earliest of the chain, and follows a reload that succeeds', async () => {
    await withFiles({}, async (dir) => {
      await write(dir, 'server');
      const { look, expiresAt } = await open(config(dir));
      expect(expiresAt()).toStrictEqual(new Date('2126-01-01T00:00:00Z'));

      await copyFile(fixture('chain.crt'), `${dir}/cert`);
      await look(2);
      expect(expiresAt()).toStrictEqual(new Date('2100-01-01T00:00:00Z'));

      await copyFile(fixture('elsewhere.crt'), `${dir}/cert`);
      await look(2);
      expect(expiresAt()).toStrictEqual(new Date('2100-01-01T00:00:00Z'));
    });
  });

  test('a file that has gone is logged once, and the old pair stays', async () => {
    await withFiles({}, async (dir) => {
      await write(dir, 'server');
      const { port, look, log } = await open(config(dir));

      await rename(`${dir}/key`, `${dir}/gone`);
      await look(3);

      expect(log.messages()).toStrictEqual([expect.stringMatching(/^--tls-key \S+: cannot be read \(ENOENT/)]);
      await expect(dial(port)).resolves.toMatchObject(OLD);
    });
  });
});

test.each([
  [
    'a certificate that is missing',
    { certFile: '/nonexistent/a', keyFile: PAIR.keyFile },
    '--tls-cert /nonexistent/a: cannot be read (ENOENT',
  ],
  [
    'a certificate that is none',
    { certFile: PAIR.keyFile, keyFile: PAIR.keyFile },
    `--tls-cert ${PAIR.keyFile}: holds no certificate in PEM`,
  ],
  [
    'a key that is none',
    { certFile: PAIR.certFile, keyFile: PAIR.certFile },
    `--tls-key ${PAIR.certFile}: holds no key in PEM`,
  ],
  [
    'a key of another certificate',
    { ...PAIR, keyFile: fixture('client.key') },
    `--tls-key ${fixture('client.key')}: is not the key of --tls-cert ${PAIR.certFile}.`,
  ],
  [
    'a CA that is none',
    { ...PAIR, clientCaFile: PAIR.keyFile },
    `--tls-client-ca ${PAIR.keyFile}: holds no certificate in PEM`,
  ],
])('%s is told at the start, by its flag', async (_, config, message) => {
  const failure = await failureOf(open(config));

  expect(failure.message).toContain(message);
});

test('what a CA file holds must be certificates that can be read', async () => {
  await withFiles({ ca: '' }, async (dir) => {
    await writeFile(`${dir}/ca`, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');

    await expect(open({ ...PAIR, clientCaFile: `${dir}/ca` })).rejects.toThrow(
      `--tls-client-ca ${dir}/ca: holds a certificate that cannot be read`,
    );
  });
});
