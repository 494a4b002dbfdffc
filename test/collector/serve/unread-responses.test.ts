import http2 from 'node:http2';
import { afterEach, expect, test } from 'vitest';
import type { Limits } from '../../../src/collector/serve/admission/limits.ts';
import { type LocalCollector, startCollectorOn } from '../../support/collector.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { connectHttp2, connectRaw, FLAG, FRAME, frame, headerBlock, setting, uint32 } from '../../support/raw-http2.ts';

expectNothingLeftOpen();

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(limits: Partial<Limits> = {}): Promise<LocalCollector> {
  const collector = await startCollectorOn(
    'memory',
    { limits, shutdownGraceMs: 100 },
    { openStore: () => Promise.resolve(createMemoryStore()) },
  );
  closers.push(() => collector.close());
  return collector;
}

const GRPC = {
  ':method': 'POST',
  ':scheme': 'http',
  ':authority': 'x',
  'content-type': 'application/grpc',
  te: 'trailers',
};
const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const WATCH = '/grpc.health.v1.Health/Watch';
const EMPTY = Buffer.alloc(5);
/** ServerReflectionRequest { file_containing_symbol } */
const ASK = ((name: Buffer) => {
  const message = Buffer.concat([Buffer.from([0x22, name.length]), name]);
  return Buffer.concat([Buffer.from([0]), uint32(message.length), message]);
})(Buffer.from('spartakus.collector.v1.CollectorService'));

/** A request on stream 1. */
const request = (headers: Readonly<Record<string, string>>, body: Buffer): Buffer =>
  Buffer.concat([
    frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock(headers)),
    frame(FRAME.data, FLAG.endStream, 1, body),
  ]);

const UNREAD = [
  ['a reflection response', request({ ...GRPC, ':path': REFLECTION }, ASK)],
  ['a health status', request({ ...GRPC, ':path': WATCH }, EMPTY)],
  [
    'an HTTP response',
    request({ ':method': 'GET', ':scheme': 'http', ':authority': 'x', ':path': '/version' }, Buffer.alloc(0)),
  ],
] as const;

test.each(UNREAD)('a connection whose client does not read %s is closed', async (_what, bytes) => {
  const collector = await start({ writeTimeoutMs: 200 });
  const connection = await connectHttp2(collector.port, [setting(4, 0)]);
  await connection.send(bytes);

  await expect(connection.closed).resolves.toBeUndefined();
});

test('a connection whose client reads a response byte by byte is closed', async () => {
  const collector = await start({ writeTimeoutMs: 300 });
  const connection = await connectHttp2(collector.port, [setting(4, 0)]);
  await connection.send(request({ ...GRPC, ':path': REFLECTION }, ASK));
  const reading = setInterval(() => void connection.send(frame(FRAME.windowUpdate, 0, 1, uint32(1))), 20);
  closers.push(() => clearInterval(reading));

  await expect(connection.closed).resolves.toBeUndefined();
});

test(
  'a connection with more than 256 KiB of unread responses is closed before the timeout',
  { timeout: 10_000 },
  async () => {
    const collector = await start({ writeTimeoutMs: 300_000 });
    const connection = await connectHttp2(collector.port, [setting(4, 0)]);
    for (let index = 0; index < 10; index += 1) {
      await connection.send(
        frame(FRAME.headers, FLAG.endHeaders, 1 + 2 * index, headerBlock({ ...GRPC, ':path': REFLECTION })),
        frame(FRAME.data, 0, 1 + 2 * index, ASK),
      );
    }

    await expect(connection.closed).resolves.toBeUndefined();
  },
);

test('a client that reads its responses stays, although its streams stay open', async () => {
  const collector = await start({ writeTimeoutMs: 100 });
  const connection = await connectHttp2(collector.port);
  await connection.send(request({ ...GRPC, ':path': WATCH }, EMPTY));
  await new Promise((resolve) => setTimeout(resolve, 600));

  expect(connection.isClosed).toBe(false);
  connection.destroy();
});

test('ten requests of HTTP/1.1 may be sent ahead, and eleven close the connection', async () => {
  const collector = await start();
  const get = Buffer.from('GET /version HTTP/1.1\r\nHost: x\r\n\r\n');
  const polite = await connectRaw(collector.port);
  await polite.send(...Array<Buffer>(10).fill(get));
  await expect.poll(() => polite.received().match(/200 OK/g)?.length).toBe(10);
  polite.destroy();
  const eager = await connectRaw(collector.port);
  await eager.send(...Array<Buffer>(11).fill(get));

  await expect(eager.closed).resolves.toBeUndefined();
});

test('a stream that ended takes no place of its connection', async () => {
  const collector = await start();
  const session = connect(collector);
  for (let count = 0; count < 15; count += 1) {
    await expect(open(session, REFLECTION, ASK, (stream) => stream.end())).resolves.toBe('open');
  }
});

test('a stream that ended takes no place of its address', async () => {
  const collector = await start({ maxStreamsPerAddress: 1 });
  const session = connect(collector);
  for (let count = 0; count < 5; count += 1)
    await expect
      .poll(() => open(session, REFLECTION, ASK, (stream) => stream.close(http2.constants.NGHTTP2_CANCEL)))
      .toBe('open');
});

/** Opens a stream, and resolves with its gRPC status, with "open" after its first message, or with the code of its reset. */
function open(
  session: http2.ClientHttp2Session,
  path: string,
  body: Buffer,
  onMessage: (stream: http2.ClientHttp2Stream) => void = () => undefined,
): Promise<string> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  // Reflection streams stay open until their clients end them.
  if (path === WATCH) stream.end(body);
  else stream.write(body);
  return new Promise((resolve) => {
    stream.on('error', () => undefined);
    const onHeaders = (headers: http2.IncomingHttpHeaders): void => {
      if (headers['grpc-status'] !== undefined) resolve(String(headers['grpc-status']));
    };
    stream.on('response', onHeaders);
    stream.on('trailers', onHeaders);
    stream.once('data', () => onMessage(stream));
    stream.on('data', () => resolve('open'));
    stream.on('close', () => resolve(`reset ${stream.rstCode}`));
  });
}

function connect({ url }: LocalCollector): http2.ClientHttp2Session {
  const session = http2.connect(url);
  session.on('error', () => undefined);
  closers.push(() => session.destroy());
  return session;
}

test.each([
  ['health', WATCH, EMPTY],
  ['reflection', REFLECTION, ASK],
])(
  'a connection may have ten %s streams, and one more is answered with RESOURCE_EXHAUSTED',
  async (_what, path, body) => {
    const collector = await start();
    const session = connect(collector);
    const statuses = await Promise.all(Array.from({ length: 10 }, () => open(session, path, body)));

    expect(new Set(statuses)).toStrictEqual(new Set(['open']));
    await expect(open(session, path, body)).resolves.toBe('8');
    await expect(open(connect(collector), path, body)).resolves.toBe('open');
  },
);

test('an address may have so many streams over all its connections, and one more is refused until another ends', async () => {
  const collector = await start({ maxStreamsPerAddress: 2 });
  const [first, second] = [connect(collector), connect(collector)];
  await expect(open(first, WATCH, EMPTY)).resolves.toBe('open');
  await expect(open(second, WATCH, EMPTY)).resolves.toBe('open');

  await expect(open(second, WATCH, EMPTY)).resolves.toBe(`reset ${http2.constants.NGHTTP2_REFUSED_STREAM}`);

  first.destroy();
  await expect.poll(() => open(second, WATCH, EMPTY)).toBe('open');
});

test('the names in a reflection request, which its response repeats, have a limit', async () => {
  const collector = await start();
  const name = Buffer.alloc(16 * 1024, 'x');
  const message = Buffer.concat([Buffer.from([0x22, 0x80, 0x80, 0x01]), name]);
  const body = Buffer.concat([Buffer.from([0]), uint32(message.length), message]);

  // RESOURCE_EXHAUSTED
  await expect(open(connect(collector), REFLECTION, body)).resolves.toBe('8');
});
