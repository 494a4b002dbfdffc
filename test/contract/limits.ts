import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterEach, describe, expect, test } from 'vitest';

import { ExtensionSchema, type Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Limits } from '../../src/serve/limits.ts';
import { makeReport } from './report-sink.ts';
import { type Client, type Heard, sendLegacy, WAYS_IN } from './ways-in.ts';

/** A collector with limits, and a database that can be made to stand still. */
export interface LimitedCollector {
  readonly url: string;
  /** From now on nothing is stored, and nothing is refused by the database either. */
  holdDatabase(): void;
  releaseDatabase(): Promise<void>;
  close(): Promise<void>;
}

const CODE_BY_STATUS: Readonly<Record<number, Code>> = { 413: Code.ResourceExhausted, 429: Code.ResourceExhausted, 503: Code.Unavailable };

/** The road of the ancestors, as a client like the others. */
const LEGACY = {
  name: 'POST /api/v1',
  json: true,
  open: (url: string): Client => ({
    send: async (report) => {
      const response = await sendLegacy(url, report);
      if (response.status === 204) return { outcome: 'stored' };
      const retryAfter = response.headers.get('retry-after');
      return {
        outcome: 'refused',
        code: CODE_BY_STATUS[response.status] ?? Code.Unknown,
        message: await response.text(),
        ...(retryAfter === null ? {} : { retryAfterMs: Number(retryAfter) * 1_000 }),
      };
    },
    close: () => undefined,
  }),
};

const TOO_MUCH = { outcome: 'refused', code: Code.ResourceExhausted } as const;
/** A polite no: whoever hears it knows when to come again. */
const LATER = { ...TOO_MUCH, retryAfterMs: expect.any(Number) as number };

function padded(bytes: number): Report {
  const report = makeReport();
  // Noise, so that it is as long when it is compressed.
  const value = Array.from({ length: bytes / 8 }, () => Math.random().toString(36).slice(2, 10).padEnd(8, '0')).join('');
  report.extensions = [create(ExtensionSchema, { name: 'padding', value })];
  return report;
}

/** What every limit that a client can see looks like, by every way in. */
export function limitsContract(name: string, open: (limits: Partial<Limits>) => Promise<LimitedCollector>): void {
  describe(`limits before ${name}`, () => {
    const closers: (() => Promise<void> | void)[] = [];
    afterEach(async () => {
      for (const close of closers.splice(0).toReversed()) await close();
    });

    const start = async (limits: Partial<Limits>): Promise<LimitedCollector> => {
      const collector = await open(limits);
      closers.push(() => collector.close());
      return collector;
    };

    describe.each([...WAYS_IN, LEGACY])('by $name', ({ open: openClient }) => {
      const connect = (collector: LimitedCollector): Client => {
        const client = openClient(collector.url);
        closers.push(() => client.close());
        return client;
      };

      test('a message that is larger than allowed once it is decompressed is refused for good', async () => {
        const client = connect(await start({ maxProtobufBytes: 20_000, maxJsonBytes: 20_000 }));
        const bomb = makeReport();
        bomb.extensions = [create(ExtensionSchema, { name: 'zeros', value: '0'.repeat(1_000_000) })];

        const heard = await client.send(bomb);

        expect(heard).toMatchObject(TOO_MUCH);
        expect(heard).not.toHaveProperty('retryAfterMs');
        await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
      });

      test('one report more than may wait for the database is refused for now, and those that wait are stored', async () => {
        const collector = await start({ maxPendingReports: 4 });
        const client = connect(collector);
        collector.holdDatabase();
        const waiting = Array.from({ length: 4 }, () => sendLegacy(collector.url, makeReport()));
        const report = makeReport();
        // Until all four are in.
        let heard: Heard | undefined;
        await expect.poll(async () => (heard = await Promise.race([client.send(report), tick()]))?.outcome).toBe('refused');
        await collector.releaseDatabase();

        expect(heard).toMatchObject(LATER);
        expect((await Promise.all(waiting)).map(({ status }) => status)).toStrictEqual([204, 204, 204, 204]);
        await expect(client.send(report)).resolves.toMatchObject({ outcome: expect.stringMatching('stored|duplicate') as string });
      });

      test('an address that sends more a second than it may is refused for now', async () => {
        const client = connect(await start({ requestsPerSecondPerAddress: 1 }));

        await expect(untilRefused(client, makeReport)).resolves.toMatchObject(LATER);
      });

      test('a cluster that sends more an hour than it may is refused for now, and others are not', async () => {
        const client = connect(await start({ reportsPerHourPerCluster: 2 }));
        const sameCluster = (): Report => Object.assign(makeReport(), { clusterId: 'same' });

        await expect(untilRefused(client, sameCluster)).resolves.toMatchObject(LATER);
        await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
      });

      test('a body for which there is no memory now is refused for now', async () => {
        const client = connect(await start({ maxBodyBytes: 4_000 }));

        await expect(client.send(padded(16_000))).resolves.toMatchObject(LATER);
        await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
      });
    });
  });
}

function tick(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), 200));
}

/** The first refusal of a client that sends one report after the other. */
async function untilRefused(client: Client, make: () => Report): Promise<Heard> {
  for (let sent = 0; sent < 20; sent += 1) {
    const heard = await client.send(make());
    if (heard.outcome === 'refused') return heard;
  }
  throw new Error('twenty reports were taken');
}
