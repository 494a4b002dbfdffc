import net from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Limits } from '../../../src/collector/serve/admission/limits.ts';
import { type LocalCollector, startCollectorOn } from '../../support/collector.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { connectHttp2, FLAG, FRAME, frame, headerBlock, type RawConnection, uint32 } from '../../support/raw-http2.ts';

expectNothingLeftOpen();

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** With a grace period that a test which waits for it does not survive. */
async function start(limits: Partial<Limits>): Promise<LocalCollector> {
  const collector = await startCollectorOn(
    'memory',
    { limits, shutdownGraceMs: 300_000 },
    { openStore: () => Promise.resolve(createMemoryStore()) },
  );
  closers.push(() => collector.close());
  return collector;
}

/** A connection whose client does not close it when the collector does. */
function connectStubborn(port: number, bytes: Uint8Array | string = ''): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  socket.resume();
  closers.push(() => socket.destroy());
  return new Promise((resolve) => socket.once('connect', () => socket.write(bytes, () => resolve(socket))));
}

const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(FRAME.settings, 0, 0)]);
const isAlive = async ({ url }: LocalCollector): Promise<boolean> => (await fetch(`${url}/healthz`)).ok;

const WATCH = headerBlock({
  ':method': 'POST',
  ':scheme': 'http',
  ':authority': 'x',
  ':path': '/grpc.health.v1.Health/Watch',
  'content-type': 'application/grpc',
  te: 'trailers',
});

/** Opens a health Watch, which never ends. */
const watch = (connection: RawConnection): Promise<boolean> =>
  connection.send(
    frame(FRAME.headers, FLAG.endHeaders, 1, WATCH),
    frame(FRAME.data, FLAG.endStream, 1, Buffer.alloc(5)),
  );

test('a connection that the collector closed does not stay while its client does not close it', async () => {
  const collector = await start({ idleTimeoutMs: 100, maxConnections: 1 });
  await connectStubborn(collector.port, PREFACE);
  await expect(isAlive(collector)).rejects.toThrow('fetch failed');

  await expect.poll(() => isAlive(collector).catch(() => false), { timeout: 5_000, interval: 100 }).toBe(true);
});

test('idle clients do not delay the end of the collector', { timeout: 10_000 }, async () => {
  const collector = await start({});
  await connectStubborn(collector.port);
  await connectStubborn(collector.port, 'PRI * HT');
  await connectStubborn(collector.port, PREFACE);
  await connectStubborn(collector.port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  await connectStubborn(collector.port, 'POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-');
  await isAlive(collector);

  await expect(collector.close()).resolves.toBeUndefined();
});

test(
  'a client that pings without end after a GOAWAY is cut, although its stream is open',
  { timeout: 10_000 },
  async () => {
    const collector = await start({ maxConnectionAgeMs: 50, bodyTimeoutMs: 300_000 });
    const connection = await connectHttp2(collector.port);
    closers.push(() => connection.destroy());
    await watch(connection);
    // Its payload: the last stream, and NO_ERROR.
    const goaway = frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(1), uint32(0)]))
      .subarray(0, 9)
      .toString('latin1');
    await expect.poll(() => connection.received()).toContain(goaway);

    const pings = setInterval(() => void connection.send(frame(FRAME.ping, 0, 0, Buffer.alloc(8))), 5);
    closers.push(() => clearInterval(pings));

    await expect(connection.closed).resolves.toBeUndefined();
  },
);
