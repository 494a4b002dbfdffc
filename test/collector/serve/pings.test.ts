import http2 from 'node:http2';
import { afterEach, expect, test } from 'vitest';
import type { Clock } from '../../../src/runtime/clock.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { type LocalCollector, startCollectorOn } from '../../support/collector.ts';
import { findGrpcio, watchWithGrpcio } from '../../support/grpcio.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { openCall, STREAM_PATH } from '../../support/raw-grpc.ts';

const OUTAGES = 10;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** The collector checks its database every 20 ms. */
const FAST_CLOCK: Clock = { now: () => systemClock.now(), sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) };

interface CollectorWithOutages extends LocalCollector {
  setAvailable(isAvailable: boolean): void;
}

async function start(): Promise<CollectorWithOutages> {
  let isAvailable = true;
  const check = async (): Promise<void> => {
    await Promise.resolve();
    if (!isAvailable) throw new SpartakusError('unavailable', 'an outage');
  };
  const collector = await startCollectorOn(
    'memory',
    { shutdownGraceMs: 500 },
    { openStore: () => Promise.resolve({ ...createMemoryStore(), check }), clock: FAST_CLOCK },
  );
  closers.push(() => collector.close());
  return { ...collector, setAvailable: (now) => (isAvailable = now) };
}

function connect({ url }: LocalCollector) {
  const session = http2.connect(url);
  session.on('error', () => undefined);
  const goaways: string[] = [];
  session.on('goaway', (_code, _stream, data?: Uint8Array) => goaways.push(Buffer.from(data ?? []).toString()));
  closers.push(() => session.destroy());
  return { session, goaways };
}

/** Alternates between available and unavailable, each time once `seen` resolves for the number of the change. */
async function haveOutages(collector: CollectorWithOutages, seen: (change: number) => Promise<unknown>): Promise<void> {
  for (let change = 1; change <= 2 * OUTAGES; change += 1) {
    collector.setAvailable(change % 2 === 0);
    await seen(change);
  }
}

test('a client that pings whenever it receives data, as C core does to measure, watches the health through ten outages', async () => {
  const collector = await start();
  const { session, goaways } = connect(collector);
  const stream = openCall(session, '/grpc.health.v1.Health/Watch');
  stream.on('error', () => undefined);
  let messages = 0;
  let pongs = 0;
  stream.on('data', () => {
    messages += 1;
    session.ping(() => (pongs += 1));
  });
  stream.end(Buffer.alloc(5));
  await expect.poll(() => messages).toBe(1);

  await haveOutages(collector, (change) => expect.poll(() => pongs, { interval: 5 }).toBe(change + 1));

  expect(goaways).toStrictEqual([]);
  expect(stream.closed).toBe(false);
});

test.each([
  [
    'window updates',
    (session: http2.ClientHttp2Session) => {
      const stream = openCall(session, STREAM_PATH);
      stream.on('error', () => undefined);
      // A message that never ends.
      stream.write(Buffer.from([0, 0, 0, 0x9c, 0]));
      return () => void stream.write(Buffer.alloc(1_000));
    },
  ],
  [
    'nothing for streams that it resets',
    (session: http2.ClientHttp2Session) => () => {
      const stream = openCall(session, STREAM_PATH.replace('Stream', 'Submit').replace('Reports', 'Report'));
      stream.on('error', () => undefined);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    },
  ],
])('a client that pings without end is disconnected where the collector sends %s', async (_what, begin) => {
  const collector = await start();
  const { session, goaways } = connect(collector);
  await new Promise((resolve) => session.once('remoteSettings', resolve));
  const act = begin(session);
  // The headers of a stream are an answer.
  for (let time = 0; time < 8 && !session.destroyed; time += 1) {
    act();
    await new Promise((resolve) => session.ping(resolve) || resolve(undefined));
  }

  await expect.poll(() => goaways).toStrictEqual(['too_many_pings']);
});

const grpcio = findGrpcio();
test.skipIf(grpcio === undefined)(
  'grpcio watches the health through ten outages (skipped without python3-grpcio)',
  async () => {
    const collector = await start();
    const watching = watchWithGrpcio(grpcio ?? '', collector.url);
    closers.push(() => watching.stop());
    await expect.poll(() => watching.lines(), { timeout: 20_000 }).toStrictEqual(['SERVING']);

    await haveOutages(collector, (change) =>
      expect.poll(() => watching.lines().length, { timeout: 5_000, interval: 10 }).toBe(change + 1),
    );

    expect(new Set(watching.lines())).toStrictEqual(new Set(['SERVING', 'NOT_SERVING']));
  },
);
