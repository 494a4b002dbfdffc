import { EventEmitter, getEventListeners, once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import type { Client } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { openGrpcClient } from '../../../src/delivery/transport/grpc-client.ts';
import { openGrpcSink } from '../../../src/delivery/transport/grpc.ts';
import { openHttpSink } from '../../../src/delivery/transport/http.ts';
import type { ReportSink } from '../../../src/report/report-sink.ts';
import { startGrpcCollector } from '../../support/grpc-collector.ts';
import { startServer } from '../../support/http-server.ts';
import { putOne } from '../../support/put-one.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Forwards connections to a port, and counts those that clients have open. */
async function openCountingProxy(port: number) {
  const clients = new Set<net.Socket>();
  const server = net.createServer((client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    const upstream = net.connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, open: () => clients.size };
}

const collectors: readonly (readonly [string, () => Promise<number>, (port: number) => ReportSink])[] = [
  [
    'gRPC',
    async () => {
      const collector = await startGrpcCollector();
      closers.push(() => collector.close());
      return collector.port;
    },
    (port) => openGrpcSink(`grpc://127.0.0.1:${port}`),
  ],
  [
    'HTTP',
    async () => {
      const server = await startServer((_body, response) => response.writeHead(204).end());
      closers.push(() => server.close());
      return Number(new URL(server.url).port);
    },
    (port) => openHttpSink(`http://127.0.0.1:${port}`),
  ],
];

test.each(collectors)('a sink of %s that is closed leaves no connection', async (_name, start, open) => {
  const proxy = await openCountingProxy(await start());
  const sink = open(proxy.port);
  await expect(putOne(sink)).resolves.toMatchObject({ status: 'stored' });
  expect(proxy.open()).toBe(1);

  await sink.close();

  // Earlier than an idle connection is closed by the server of this test, which says so to the client.
  await expect.poll(proxy.open, { timeout: 2_000 }).toBe(0);
});

test('a client of gRPC keeps no call that has ended, and no listener on its signal', async () => {
  const { signal } = new AbortController();
  const client = openGrpcClient('grpc://127.0.0.1:1', { signal });
  let cancelled = 0;
  const openCall = async () => {
    const call = Object.assign(new EventEmitter(), { cancel: () => void (cancelled += 1) });
    await client.start((_client: Client) => call as never);
    return call;
  };
  const [ended, running] = [await openCall(), await openCall()];
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);

  ended.emit('status', { code: 0 });
  client.close();

  expect(cancelled).toBe(1);
  expect(running.listenerCount('status')).toBe(1);
  expect(getEventListeners(signal, 'abort')).toStrictEqual([]);
});
