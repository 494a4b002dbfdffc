import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ExtensionSchema, type Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Limits } from '../../src/collector/serve/admission/limits.ts';
import { type Client, type Answer, sendLegacy, PROTOCOL_CLIENTS } from './protocols.ts';
import { makeReport } from './report-sink.ts';

/** A collector with limits, and a database that can stop responding. */
export interface LimitedCollector {
  readonly url: string;
  /** From now on the database does not respond. */
  holdDatabase(): void;
  releaseDatabase(): Promise<void>;
  close(): Promise<void>;
}

const CODE_BY_STATUS: Readonly<Record<number, Code>> = {
  413: Code.ResourceExhausted,
  429: Code.ResourceExhausted,
  503: Code.Unavailable,
};

/** The legacy JSON API, as a client like the others. */
const LEGACY = {
  name: 'POST /api/v1',
  json: true,
  open: (url: string): Client => ({
    send: async (report) => {
      const response = await sendLegacy(url, report);
      if (response.status === 204) return { outcome: 'stored' };
      const retryAfter = response.headers.get('retry-after');
      return {
        outcome: 'rejected',
        code: CODE_BY_STATUS[response.status] ?? Code.Unknown,
        message: await response.text(),
        ...(retryAfter === null ? {} : { retryAfterMs: Number(retryAfter) * 1_000 }),
      };
    },
    close: () => undefined,
  }),
};

const TOO_MUCH = { outcome: 'rejected', code: Code.ResourceExhausted } as const;
/** A retryable rejection: it says when to send again. */
const LATER = { ...TOO_MUCH, retryAfterMs: expect.any(Number) as number };

function padded(bytes: number): Report {
  const report = makeReport();
  // Random, so that compression does not make it shorter.
  const value = Array.from({ length: bytes / 8 }, () => Math.random().toString(36).slice(2, 10).padEnd(8, '0')).join(
    '',
  );
  report.extensions = [create(ExtensionSchema, { name: 'padding', value })];
  return report;
}

const WAYS = [...PROTOCOL_CLIENTS, LEGACY];

/** How each limit rejects a report, by every protocol. */
export function limitsContract(name: string, open: (limits: Partial<Limits>) => Promise<LimitedCollector>): void {
  /** A collector with these limits, and a client of each test's own. */
  const describeLimits = (
    what: string,
    limits: Partial<Limits>,
    tests: (collector: () => LimitedCollector, connect: (way: (typeof WAYS)[number]) => Client) => void,
  ): void => {
    describe(`${what}, before ${name}`, () => {
      let collector: LimitedCollector;
      const clients: Client[] = [];
      beforeAll(async () => {
        collector = await open(limits);
      });
      afterEach(() => {
        for (const client of clients.splice(0)) client.close();
      });
      afterAll(() => collector.close());
      tests(
        () => collector,
        (way) => {
          const client = way.open(collector.url);
          clients.push(client);
          return client;
        },
      );
    });
  };

  describeLimits('a small limit of size', { maxProtobufBytes: 20_000, maxJsonBytes: 20_000 }, (_collector, connect) => {
    test.each(WAYS)(
      'a message that is larger than allowed once it is decompressed is rejected as permanent, by $name',
      async (way) => {
        const client = connect(way);
        const bomb = makeReport();
        bomb.extensions = [create(ExtensionSchema, { name: 'zeros', value: '0'.repeat(1_000_000) })];

        const heard = await client.send(bomb);

        expect(heard).toMatchObject(TOO_MUCH);
        expect(heard).not.toHaveProperty('retryAfterMs');
        await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
      },
    );
  });

  describeLimits('capacity for four reports', { maxPendingReports: 4 }, (collector, connect) => {
    test.each(WAYS)(
      'one report more than the capacity is rejected as retryable, and those that wait are stored, by $name',
      async (way) => {
        const client = connect(way);
        // Waits for the reports of the test before.
        await client.send(makeReport());
        collector().holdDatabase();
        // More than the capacity: which of them are accepted is not determined.
        const waiting = Array.from({ length: 8 }, () => sendLegacy(collector().url, makeReport()));
        const report = makeReport();
        let heard: Answer | undefined;
        await expect
          .poll(async () => (heard = await Promise.race([client.send(report), tick()]))?.outcome)
          .toBe('rejected');
        await collector().releaseDatabase();

        expect(heard).toMatchObject(LATER);
        const statuses = (await Promise.all(waiting)).map(({ status }) => status);
        expect(new Set(statuses)).toStrictEqual(new Set([204, 429]));
        expect(statuses.filter((status) => status === 204).length).toBeLessThanOrEqual(4);
        await expect(client.send(report)).resolves.toMatchObject({
          outcome: expect.stringMatching('stored|duplicate') as string,
        });
      },
    );
  });

  describeLimits('a request a second', { requestsPerSecondPerAddress: 1 }, (_collector, connect) => {
    test.each(WAYS)('an address that exceeds its rate is rejected as retryable, by $name', async (way) => {
      await expect(untilRefused(connect(way), makeReport)).resolves.toMatchObject(LATER);
    });
  });

  describeLimits('two reports an hour', { reportsPerHourPerCluster: 2 }, (_collector, connect) => {
    test.each(WAYS)(
      'a cluster that exceeds its rate is rejected as retryable, and others are not, by $name',
      async (way) => {
        const client = connect(way);
        const sameCluster = (): Report => Object.assign(makeReport(), { clusterId: `same, by ${way.name}` });

        await expect(untilRefused(client, sameCluster)).resolves.toMatchObject(LATER);
        await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
      },
    );
  });

  describeLimits('little memory', { maxBodyBytes: 4_000 }, (_collector, connect) => {
    test.each(WAYS)('a body that exceeds the memory limit is rejected as retryable, by $name', async (way) => {
      const client = connect(way);

      await expect(client.send(padded(16_000))).resolves.toMatchObject(LATER);
      await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
    });
  });
}

function tick(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), 50));
}

/** Sends one report after the other until one is rejected. */
async function untilRefused(client: Client, make: () => Report): Promise<Answer> {
  for (let sent = 0; sent < 20; sent += 1) {
    const heard = await client.send(make());
    if (heard.outcome === 'rejected') return heard;
  }
  throw new Error('twenty reports were accepted');
}
