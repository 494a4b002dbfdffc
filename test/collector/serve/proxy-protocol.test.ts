import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import type { CollectorConfig } from '../../../src/collector/collector.ts';
import type { Limits } from '../../../src/collector/serve/admission/limits.ts';
import { createNetworks } from '../../../src/runtime/addresses.ts';
import { type LocalCollector, startCollectorOn } from '../../support/collector.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { proxyHeaderV1Of, proxyHeaderV2, proxyHeaderV2Of } from '../../support/proxy-header.ts';
import { openCall, submitFrame, SUBMIT_PATH } from '../../support/raw-grpc.ts';

expectNothingLeftOpen();

const TLS_FILES = path.join(import.meta.dirname, '../../fixtures/tls');
const LOCAL_HEADER = proxyHeaderV2(0, 0, Buffer.alloc(0));

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

let store: MemoryStore;

/** A collector that trusts a proxy on this machine, and records addresses. */
async function start(
  limits: Partial<Limits> = {},
  config: Partial<Omit<CollectorConfig, 'limits'>> = {},
): Promise<LocalCollector> {
  store = createMemoryStore();
  const collector = await startCollectorOn(
    'stdout',
    {
      recordPeer: 'address',
      trustedProxies: createNetworks(['127.0.0.1']),
      proxyProtocol: true,
      shutdownGraceMs: 500,
      limits,
      ...config,
    },
    { openStore: () => Promise.resolve(store) },
  );
  closers.push(() => collector.close());
  return collector;
}

function connect({ port }: LocalCollector): net.Socket {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  closers.push(() => void socket.destroy());
  return socket;
}

const REQUEST_BODY = '{"clusterID":"c"}';
const REQUEST =
  `POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n` +
  `X-Forwarded-For: 203.0.113.99\r\nContent-Length: ${REQUEST_BODY.length}\r\n\r\n${REQUEST_BODY}`;

/** What comes until the other end closes the connection. */
async function answerOf(socket: net.Socket): Promise<string> {
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  if (!socket.closed) await once(socket, 'close');
  return answer;
}

const addresses = (): unknown[] => [...store.documents.values()].map(({ receivedFrom }) => receivedFrom);

test.each([
  ['version 1', proxyHeaderV1Of('192.0.2.1'), '192.0.2.1:4711'],
  ['version 2', proxyHeaderV2Of('192.0.2.1', 50), '192.0.2.1:4711'],
  // X-Forwarded-For of such a client may be forged.
  ['LOCAL', LOCAL_HEADER, undefined],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
])(
  'HTTP/1.1 behind a header of %s has its address, in one piece, byte by byte, or in two at any place',
  async (_name, header, expected) => {
    const collector = await start();
    const bytes = Buffer.concat([header, Buffer.from(REQUEST)]);
    const whole = connect(collector);
    whole.write(bytes);
    expect(await answerOf(whole)).toMatch(/^HTTP\/1\.1 204 /);
    const split = connect(collector);
    split.setNoDelay();
    for (const byte of header) {
      split.write(Buffer.from([byte]));
      await delay(0);
    }
    split.write(REQUEST);
    expect(await answerOf(split)).toMatch(/^HTTP\/1\.1 204 /);
    const places = Array.from({ length: header.length + 3 }, (_, index) => index + 1);
    const answers = await Promise.all(
      places.map(async (place) => {
        const socket = connect(collector);
        socket.setNoDelay();
        socket.write(bytes.subarray(0, place));
        await delay(5);
        socket.write(bytes.subarray(place));
        return (await answerOf(socket)).slice(0, 13);
      }),
    );

    expect(new Set(answers)).toStrictEqual(new Set(['HTTP/1.1 204 ']));
    expect(addresses()).toStrictEqual(Array.from({ length: places.length + 2 }, () => expected));
  },
);

test('gRPC behind a header has its address, without and with TLS', async () => {
  for (const withTls of [false, true]) {
    const files = { certFile: path.join(TLS_FILES, 'server.crt'), keyFile: path.join(TLS_FILES, 'server.key') };
    const collector = await start({}, withTls ? { tls: files } : {});
    const socket = connect(collector);
    socket.write(proxyHeaderV2Of('192.0.2.1'));
    const session = http2.connect('http://localhost', {
      createConnection: () =>
        withTls ? tls.connect({ socket, ALPNProtocols: ['h2'], rejectUnauthorized: false }) : socket,
    });
    const call = openCall(session, SUBMIT_PATH);
    call.end(submitFrame());
    call.resume();
    await once(call, 'end');
    session.destroy();

    expect(addresses()).toStrictEqual(['192.0.2.1:4711']);
  }
});

test.each([
  ['no header', REQUEST],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['an invalid header', `PROXY TCP4 192.0.2.1\r\n${REQUEST}`],
])(
  'a trusted proxy that sends %s is disconnected without an answer, and the log says what to do',
  async (_name, text) => {
    const collector = await start();
    const socket = connect(collector);
    socket.write(text);

    expect(await answerOf(socket)).toBe('');
    expect(addresses()).toStrictEqual([]);
    expect(collector.complaints.join()).toMatch(/--proxy-protocol/);
  },
);

test('a header that does not end in time, and one that the proxy breaks off, close the connection', async () => {
  const collector = await start({ headerTimeoutMs: 100 });
  const [slow, broken] = [connect(collector), connect(collector)];
  slow.write('PROXY');
  broken.end('PROXY');

  await expect(Promise.all([answerOf(slow), answerOf(broken)])).resolves.toStrictEqual(['', '']);
});

test('a health check that only connects is no error', async () => {
  const collector = await start();
  const socket = connect(collector);
  await once(socket, 'connect');
  socket.end();
  await answerOf(socket);

  expect(collector.complaints).toStrictEqual([]);
});

test.each([
  ['version 1', proxyHeaderV1Of('192.0.2.1')],
  ['version 2', proxyHeaderV2Of('192.0.2.1')],
])(
  'a header of %s of an address that is not trusted closes the connection, while requests without one are served',
  async (_name, header) => {
    const collector = await start({}, { trustedProxies: createNetworks(['10.0.0.0/8']) });
    const [forger, client] = [connect(collector), connect(collector)];
    forger.write(Buffer.concat([header, Buffer.from(REQUEST)]));
    expect(await answerOf(forger)).not.toContain(' 204 ');
    client.write(REQUEST);
    expect(await answerOf(client)).toMatch(/^HTTP\/1\.1 204 /);

    expect(addresses()).toStrictEqual([expect.stringMatching(/^127\.0\.0\.1:/)]);
  },
);

test('the connections of a forwarded address are limited: N are served, N + 1 is closed, and its place is given back', async () => {
  const collector = await start({ maxConnectionsPerAddress: 2 });
  const open = async (address: string): Promise<{ socket: net.Socket; served: boolean }> => {
    const socket = connect(collector);
    socket.write(Buffer.concat([proxyHeaderV2Of(address), Buffer.from('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')]));
    const served = await new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true));
      socket.once('close', () => resolve(false));
    });
    return { socket, served };
  };

  const first = await open('192.0.2.1');
  expect([first.served, (await open('192.0.2.1')).served]).toStrictEqual([true, true]);
  expect((await open('192.0.2.1')).served).toBe(false);
  expect((await open('192.0.2.2')).served).toBe(true);
  first.socket.destroy();
  await expect.poll(async () => (await open('192.0.2.1')).served).toBe(true);
});

test('connections that ended count neither for the proxy nor for the clients that it named', async () => {
  const collector = await start({ maxConnections: 3 });
  for (let time = 0; time < 12; time += 1) {
    const socket = connect(collector);
    socket.write(Buffer.concat([proxyHeaderV2Of(`192.0.2.${time}`), Buffer.from(REQUEST)]));
    expect(await answerOf(socket)).toContain('204');
  }
});

test('clusters behind a balancer are limited by the address that it forwards', async () => {
  const collector = await start({ newClustersPerHourPerAddress: 1 });
  const send = async (address: string, clusterId: string): Promise<void> => {
    const socket = connect(collector);
    const request = REQUEST.replace(REQUEST_BODY, `{"clusterID":"${clusterId}"}`);
    socket.write(Buffer.concat([proxyHeaderV1Of(address), Buffer.from(request)]));
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 204 /);
  };
  for (const address of ['192.0.2.1', '192.0.2.2']) {
    await send(address, address.endsWith('1') ? 'a' : 'b');
    await send(address, address.endsWith('1') ? 'y' : 'z');
  }

  const quarantined = [...store.documents.values()].filter((document) => document.quarantined === true);
  expect(quarantined.map((document) => document['clusterID'])).toStrictEqual(['y', 'z']);
});

test('a collector stops while a header is awaited', async () => {
  const collector = await start({}, { shutdownGraceMs: 200 });
  const socket = connect(collector);
  socket.write('PROXY');
  await once(socket, 'connect');

  await collector.close();

  expect(await answerOf(socket)).toBe('');
});
