import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { describe, expect, test } from 'vitest';
import type { ServerRequest } from '../../../src/collector/serve/http/router.ts';
import { openListener } from '../../../src/collector/serve/listener.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { createKeptLog } from '../../support/log.ts';
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
import { TEST_LIMITS } from '../../support/test-limits.ts';

expectNothingLeftOpen();
closeAfterEach();

const MIB = 1024 * 1024;

test('an exception of a handler ends its own request only, over either version of HTTP', async () => {
  const fail = (): never => {
    throw new Error('nobody expected this');
  };
  const { log, url } = await listenWith(fail, {}, { routes: { stream: fail, request: fail } });

  for (let time = 0; time < 2; time += 1) {
    await expect(fetch(url)).rejects.toThrow('fetch failed');
    const session = openSession({ url });
    const stream = openStream(session);
    await new Promise((resolve) => stream.once('close', resolve));
    expect(stream.sentHeaders).toBeDefined();
    session.destroy();
  }
  expect(log.messages('error')).toStrictEqual(Array(4).fill('a request handler failed'));
  expect(log.lines[0]?.fields).toMatchObject({ err: { message: 'nobody expected this' } });
});

describe('the URL for clients on this machine', () => {
  test.each([
    [undefined, '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
    ['::', '127.0.0.1'],
    ['127.0.0.1', '127.0.0.1'],
    ['localhost', 'localhost'],
  ])('of the host %s has %s', async (host, expected) => {
    const listener = await openListener({
      port: 0,
      ...(host === undefined ? {} : { host }),
      routes: { stream: () => false, request: sayVersion },
      limits: TEST_LIMITS,
      addressKeyOf: () => undefined,
      clock: systemClock,
      random: () => 0.5,
      logger: createKeptLog().logger,
    });
    onTestEnd(() => listener.close(0));

    expect(listener.url).toBe(`http://${expected}:${listener.port}`);
    await expect(statusOf(listener)).resolves.toBe('200');
  });
});

test('a port that is in use is told by the error of the system', async () => {
  const { port } = await listenWith(sayVersion);

  await expect(listenWith(sayVersion, {}, { port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

describe('the version of HTTP', () => {
  test.each([
    ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'HTTP/1.1 200'],
    ['PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200'],
    ['PRIVATE / HTTP/1.1\r\nHost: x\r\n\r\n', '\0\0'],
  ])('of %j is detected byte by byte', async (bytes, start) => {
    const listener = await listenWith(sayVersion);
    const { socket, received } = await dial(listener);
    socket.setNoDelay();

    for (const byte of bytes.slice(0, 4)) {
      socket.write(byte);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    socket.write(bytes.slice(4));

    await expect.poll(received, { interval: 5 }).not.toBe('');
    expect(received().startsWith(start)).toBe(true);
  });

  test('is told to the handlers, and counted while the connection is open', async () => {
    const listener = await listenWith(sayVersion);
    const session = openSession(listener);
    await expect(endOf(openStream(session))).resolves.toBe('200');
    const { socket, received } = await dial(listener, GET);
    await expect.poll(received, { interval: 5 }).toContain('HTTP/1.1 200');
    await dial(listener);

    await expect
      .poll(() => listener.counts.read(), { interval: 5 })
      .toMatchObject({ opened: 3, open: { http1: 1, http2: 1, new: 1 } });
    socket.destroy();
    session.destroy();

    await expect.poll(() => listener.counts.read().open, { interval: 5 }).toStrictEqual({ http1: 0, http2: 0, new: 1 });
  });

  test.each(['', 'P', 'PR'])('must be known in time: a connection that sends %j is closed', async (bytes) => {
    const listener = await listenWith(sayVersion, { headerTimeoutMs: 40 });
    const { closed, received } = await dial(listener, bytes);

    await closed;
    expect(received()).toBe('');
  });

  test('once it is known, the time for it is over', async () => {
    const responses: (() => void)[] = [];
    const listener = await listenWith((_req, res) => void responses.push(() => res.end()), { headerTimeoutMs: 40 });
    const [http1, session] = [await dial(listener, GET), openSession(listener)];
    const stream = endOf(openStream(session));
    await new Promise((resolve) => setTimeout(resolve, 100));

    for (const respond of responses) respond();

    await expect(stream).resolves.toBe('200');
    await expect.poll(http1.received, { interval: 5 }).toContain(' 200 ');
  });
});

describe('a body that is not read', () => {
  /** Sends a body of so many bytes that the handler does not read, then another request. */
  const sendUnread = async (bytes: number): Promise<string> => {
    const listener = await listenWith((_req, res) => void res.end('x'));
    const { socket, received, closed } = await dial(listener);
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`);
    await expect.poll(received, { interval: 5 }).toContain(' 200 ');
    socket.write(Buffer.alloc(bytes));
    // The next request is not to be read with the end of the body.
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 50))]);
    socket.write(GET);
    const outcome = (): string => {
      if (received().split(' 200 ').length === 3) return 'answered';
      return socket.closed ? 'closed' : 'pending';
    };
    await expect.poll(outcome, { interval: 5 }).not.toBe('pending');
    return outcome();
  };

  test('of 2 MiB is discarded, and the connection serves the next request', async () => {
    await expect(sendUnread(2 * MIB)).resolves.toBe('answered');
  });

  test('of a byte more closes the connection', async () => {
    await expect(sendUnread(2 * MIB + 1)).resolves.toBe('closed');
  });

  test('to its end may be left by the handler, and the connection serves the next request', async () => {
    const listener = await listenWith((req, res) => {
      const readOne = async (): Promise<void> => {
        for await (const _chunk of req) break;
        res.end();
      };
      void (req.method === 'GET' ? res.end() : readOne());
    });
    const { socket, received } = await dial(listener, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab');
    await expect.poll(received, { interval: 5 }).toContain(' 200 ');
    socket.write(`cd${GET}`);

    await expect.poll(() => received().split(' 200 ').length, { interval: 5 }).toBe(3);
  });
});

test('a connection of HTTP/1.1 has ten requests at a time; with one more it is closed, and none is handled then', async () => {
  let requests = 0;
  const listener = await listenWith(() => void (requests += 1));
  const { closed, socket } = await dial(listener, GET.repeat(10));
  await expect.poll(() => requests, { interval: 5 }).toBe(10);
  expect(socket.closed).toBe(false);

  socket.write(GET.repeat(20));
  await closed;

  expect(requests).toBe(10);
});

test('a connection of HTTP/1.1 has one request after another without end', async () => {
  const listener = await listenWith(sayVersion);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onTestEnd(() => agent.destroy());

  for (let sent = 0; sent < 15; sent += 1) {
    const request = http.get(listener.url, { agent });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    await once(response, 'end');
  }

  expect(listener.counts.read().opened).toBe(1);
});

describe('a stream of HTTP/2', () => {
  test('is a request where no handler takes it, with its headers and its body', async () => {
    const seen: unknown[] = [];
    const listener = await listenWith((req: ServerRequest, res) => {
      let body = '';
      req.on('data', (chunk: Buffer) => (body += chunk.toString()));
      req.on('end', () => {
        seen.push(req.method, req.url, req.headers['x-one'], req.rawHeaders.includes('x-one'), body);
        res.end();
      });
    });
    const stream = openStream(openSession(listener), { ':method': 'POST', ':path': '/a?b', 'x-one': '1' });
    stream.end('body');

    await expect(endOf(stream)).resolves.toBe('200');
    expect(seen).toStrictEqual(['POST', '/a?b', '1', true, 'body']);
  });

  test('is none where a handler takes it', async () => {
    const requests: unknown[] = [];
    const routes = {
      stream: (stream: http2.ServerHttp2Stream, headers: http.IncomingHttpHeaders): boolean => {
        stream.respond({ ':status': headers['x-status'] === '204' ? 204 : 500 }, { endStream: true });
        return true;
      },
      request: (req: unknown) => void requests.push(req),
    };
    const listener = await listenWith(sayVersion, {}, { routes });

    await expect(endOf(openStream(openSession(listener), { 'x-status': '204' }))).resolves.toBe('204');
    expect(requests).toStrictEqual([]);
  });

  test('is told to continue where its client waits for that, and only then', async () => {
    const listener = await listenWith(sayVersion);
    const session = openSession(listener);
    const continued: string[] = [];
    for (const expectation of ['100-continue', undefined]) {
      const headers = expectation === undefined ? {} : { expect: expectation };
      const stream = openStream(session, { ':method': 'POST', ...headers });
      stream.once('continue', () => continued.push(String(expectation)));
      stream.end();
      await expect(endOf(stream)).resolves.toBe('200');
    }

    expect(continued).toStrictEqual(['100-continue']);
  });

  test('is reset without an error where its client still sends after the response', async () => {
    const listener = await listenWith((req, res) => {
      req.resume();
      res.end('x');
    });
    const stream = openStream(openSession(listener), { ':method': 'POST' });
    stream.write('the first of many');

    await expect(endOf(stream)).resolves.toBe('200');
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  });

  test('may have 256 KiB on the way to the collector', async () => {
    const listener = await listenWith(sayVersion, { maxStreams: 7 });
    const session = openSession(listener);
    await once(session, 'remoteSettings');

    expect(session.remoteSettings).toMatchObject({ initialWindowSize: 256 * 1024, maxConcurrentStreams: 7 });
  });
});

test('a request without a whole header is closed when its time is over, and one without a whole body later', async () => {
  const listener = await listenWith(() => undefined, { headerTimeoutMs: 300, bodyTimeoutMs: 500 });
  const [header, body] = [
    await dial(listener, 'GET / HTTP/1.1\r\nHost: '),
    await dial(listener, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx'),
  ];

  await header.closed;
  expect(header.received()).toContain(' 408 ');
  await body.closed;
});
