import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import type { ForwardedClient, ProxyProtocol } from '../../../src/collector/serve/admission/proxy-protocol.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import {
  closeAfterEach,
  dial,
  endOf,
  GET,
  listenWith,
  onTestEnd,
  openSession,
  openStream,
  sayVersion,
  statusOf,
} from '../../support/open-listener.ts';
import { connectHttp2, FLAG, FRAME, frame, headerBlock, uint32 } from '../../support/raw-http2.ts';

expectNothingLeftOpen();
closeAfterEach();

const REFUSED = `reset ${http2.constants.NGHTTP2_REFUSED_STREAM}`;

describe('a connection beyond the limit', () => {
  test.each([
    ['altogether', { maxConnections: 2 }],
    ['of its address', { maxConnectionsPerAddress: 2 }],
  ])('%s is reset and counted, and served once another ends', async (_what, limits) => {
    const listener = await listenWith(sayVersion, limits);
    const first = await dial(listener);
    await dial(listener);
    await expect.poll(() => listener.counts.read().opened, { interval: 5 }).toBe(2);

    const third = net.connect(listener.port, '127.0.0.1');
    onTestEnd(() => third.destroy());
    const [error] = (await once(third, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
    expect(listener.counts.read()).toMatchObject({ opened: 2, rejected: 1 });
    first.socket.destroy();

    await expect.poll(() => statusOf(listener), { interval: 5 }).toBe('200');
  });

  test('of its address does not matter where no address is known', async () => {
    const listener = await listenWith(sayVersion, { maxConnectionsPerAddress: 1 }, { addressKeyOf: () => undefined });
    await dial(listener);
    await dial(listener);

    await expect(statusOf(listener)).resolves.toBe('200');
  });
});

describe('the streams of an address', () => {
  test('are limited over all its connections, and a stream that ends makes room for another', async () => {
    const listener = await listenWith(() => undefined, { maxStreamsPerAddress: 2 });
    const [first, second] = [openSession(listener), openSession(listener)];
    const open = openStream(first);
    openStream(second);
    await Promise.all([once(first, 'remoteSettings'), once(second, 'remoteSettings')]);
    await new Promise((resolve) => second.ping(resolve));

    await expect(endOf(openStream(second))).resolves.toBe(REFUSED);
    open.close(http2.constants.NGHTTP2_CANCEL);
    await new Promise((resolve) => first.ping(resolve));
    const third = openStream(second);
    const refused = endOf(third);
    await new Promise((resolve) => second.ping(resolve));

    await expect(Promise.race([refused, Promise.resolve('open')])).resolves.toBe('open');
    await expect(endOf(openStream(second))).resolves.toBe(REFUSED);
  });

  test('are not limited where no address is known', async () => {
    const listener = await listenWith(sayVersion, { maxStreamsPerAddress: 1 }, { addressKeyOf: () => undefined });
    const session = openSession(listener);

    await expect(Promise.all([1, 2, 3].map(() => endOf(openStream(session))))).resolves.toStrictEqual(
      Array(3).fill('200'),
    );
  });

  /** How many streams each of these connections may have at a time. */
  const readMaxStreams = async (connections: number, ...start: Parameters<typeof listenWith>) => {
    const listener = await listenWith(...start);
    const streams: (number | undefined)[] = [];
    for (let opened = 0; opened < connections; opened += 1) {
      const session = openSession(listener);
      await once(session, 'remoteSettings');
      streams.push(session.remoteSettings.maxConcurrentStreams);
    }
    return streams;
  };

  test('are five a connection from its sixth on', async () => {
    await expect(readMaxStreams(7, sayVersion, { maxStreams: 20, maxStreamsPerAddress: 100 })).resolves.toStrictEqual([
      20, 20, 20, 20, 20, 5, 5,
    ]);
  });

  test('are never more than a connection may have', async () => {
    await expect(readMaxStreams(6, sayVersion, { maxStreams: 3, maxStreamsPerAddress: 100 })).resolves.toStrictEqual(
      Array(6).fill(3),
    );
  });

  test('are as many on each connection where the address has no limit, or is not known', async () => {
    await expect(readMaxStreams(6, sayVersion, { maxStreams: 20 })).resolves.toStrictEqual(Array(6).fill(20));
    await expect(
      readMaxStreams(6, sayVersion, { maxStreams: 20, maxStreamsPerAddress: 9 }, { addressKeyOf: () => undefined }),
    ).resolves.toStrictEqual(Array(6).fill(20));
  });
});

describe('an address pays for a hundred connections', () => {
  const LIMITS = { connectionsPerSecondPerAddress: 1 };

  test('when one breaks the rules of HTTP/2', async () => {
    const listener = await listenWith(sayVersion, LIMITS);
    await expect(statusOf(listener)).resolves.toBe('200');
    const connection = await connectHttp2(listener.port);
    // A window update of zero for the connection is a PROTOCOL_ERROR (RFC 9113 section 6.9).
    await connection.send(frame(FRAME.windowUpdate, 0, 0, uint32(0)));
    await connection.closed;

    await expect(statusOf(listener)).resolves.toBe('closed');
    expect(listener.log.messages('debug')).toStrictEqual(['an HTTP/2 connection failed']);
    expect(listener.log.lines[0]?.fields).toMatchObject({ err: { code: 'ERR_HTTP2_ERROR' } });
  });

  test('but not when a client ends it with an error of its own', async () => {
    const listener = await listenWith(sayVersion, LIMITS);
    const connection = await connectHttp2(listener.port);
    await connection.send(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(0), uint32(2)])));
    await connection.closed;

    await expect(statusOf(listener)).resolves.toBe('200');
  });

  test('when a client does not read the responses, which is logged and counted', async () => {
    const listener = await listenWith((_req, res) => void res.end(Buffer.alloc(32 * 1024 * 1024)), {
      ...LIMITS,
      writeTimeoutMs: 60,
    });
    const socket = net.connect(listener.port, '127.0.0.1');
    onTestEnd(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.write(GET);

    await expect.poll(() => listener.counts.read().unread, { interval: 5 }).toBe(1);
    expect(listener.log.messages('info')).toStrictEqual([
      'closed a connection whose client did not read the responses',
    ]);
    await expect(statusOf(listener)).resolves.toBe('closed');
  });
});

test('a client that resets its connection before it says anything is forgotten', async () => {
  const listener = await listenWith(sayVersion, { maxConnections: 1 });
  const { socket } = await dial(listener);
  await expect.poll(() => listener.counts.read().open.new, { interval: 5 }).toBe(1);

  socket.resetAndDestroy();

  await expect.poll(() => listener.counts.read().open.new, { interval: 5 }).toBe(0);
  await expect(statusOf(listener)).resolves.toBe('200');
});

describe('a connection of HTTP/2', () => {
  const HEADERS = headerBlock({ ':method': 'GET', ':scheme': 'http', ':authority': 'x', ':path': '/' });
  /** A connection whose client has opened and reset so many streams. */
  const resetStreams = async (count: number) => {
    const listener = await listenWith(() => undefined);
    const connection = await connectHttp2(listener.port);
    onTestEnd(() => connection.destroy());
    for (let stream = 1; stream < 2 * count; stream += 2)
      await connection.send(
        frame(FRAME.headers, FLAG.endHeaders, stream, HEADERS),
        frame(FRAME.reset, 0, stream, uint32(8)),
      );
    return connection;
  };

  test('on which its client resets 80 streams at once stays', async () => {
    const connection = await resetStreams(80);
    // Its acknowledgement follows the answers to all frames before.
    await connection.send(frame(FRAME.ping, 0, 0, Buffer.from('finished')));

    await expect.poll(() => connection.received(), { interval: 5 }).toContain('finished');
    expect(connection.isClosed).toBe(false);
  });

  test('on which its client resets 500 streams at once is closed', async () => {
    const connection = await resetStreams(500);

    await connection.closed;
    expect(connection.isClosed).toBe(true);
  });
});

describe('behind a proxy', () => {
  /** A proxy that names these clients, one after the other, at once. */
  const naming = (...clients: readonly (ForwardedClient | undefined)[]): ProxyProtocol => {
    const left = [...clients];
    return { read: (_socket, next) => next(left.shift()), clientOf: () => undefined };
  };

  test('a connection counts for the address of its client alone', async () => {
    const [one, other] = [{ address: '192.0.2.1' }, { address: '192.0.2.2' }];
    const listener = await listenWith(
      sayVersion,
      { maxConnectionsPerAddress: 2 },
      { proxyProtocol: naming(one, one, one, other, one) },
    );
    const first = await dial(listener);
    await dial(listener);

    await expect(statusOf(listener)).resolves.toBe('closed');
    await expect(statusOf(listener)).resolves.toBe('200');
    first.socket.destroy();
    await expect.poll(() => listener.counts.read().open.new, { interval: 5 }).toBe(1);
    await expect(statusOf(listener)).resolves.toBe('200');
    expect(listener.counts.read().rejected).toBe(1);
  });

  test.each([['no client', undefined] as const, ['a client without an address', {}] as const])(
    'a connection of %s counts for its own address',
    async (_what, client) => {
      const listener = await listenWith(
        sayVersion,
        { maxConnectionsPerAddress: 1 },
        { proxyProtocol: naming(client, client) },
      );
      await dial(listener);
      await expect.poll(() => listener.counts.read().opened, { interval: 5 }).toBe(1);

      await expect(statusOf(listener)).resolves.toBe('closed');
    },
  );

  test('a connection is not served before its client is known', async () => {
    let tell = (): void => undefined;
    const proxyProtocol: ProxyProtocol = {
      read: (_socket, next) => (tell = () => next({ address: '192.0.2.1' })),
      clientOf: () => undefined,
    };
    const listener = await listenWith(sayVersion, {}, { proxyProtocol });
    const { received } = await dial(listener, GET);
    await expect.poll(() => listener.counts.read().opened, { interval: 5 }).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(received()).toBe('');

    tell();

    await expect.poll(received, { interval: 5 }).toContain(' 200 ');
  });
});
