import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ExtensionSchema, type Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Limits } from '../../src/collector/serve/admission/limits.ts';
import { expectNothingLeftOpen } from '../support/held.ts';
import { type Client, type Answer, sendLegacy, PROTOCOL_CLIENTS } from '../support/protocols.ts';
import { makeReport } from '../support/reports.ts';

/** A collector with limits, and a database that can be made to stand still. */
export interface LimitedCollector {
  readonly url: string;
  /** From now on the database neither stores nor rejects anything. */
  holdDatabase(): void;
  releaseDatabase(): Promise<void>;
  close(): Promise<void>;
}

const CODE_BY_STATUS: Readonly<Record<number, Code>> = {
  400: Code.InvalidArgument,
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
/** A rejection that says when to retry. */
const LATER = { ...TOO_MUCH, retryAfterMs: expect.any(Number) as number };

function padded(bytes: number): Report {
  const report = makeReport();
  // Noise, so that it is as long when it is compressed.
  const value = Array.from({ length: bytes / 8 }, () => Math.random().toString(36).slice(2, 10).padEnd(8, '0')).join(
    '',
  );
  report.extensions = [create(ExtensionSchema, { name: 'padding', value })];
  return report;
}

const CLIENTS = [...PROTOCOL_CLIENTS, LEGACY];

/** What every limit that a client can see looks like, by every protocol in. */
export function limitsContract(name: string, open: (limits: Partial<Limits>) => Promise<LimitedCollector>): void {
  /** A collector with these limits, and a client of each test's own. */
  const describeLimits = (
    what: string,
    limits: Partial<Limits>,
    tests: (collector: () => LimitedCollector, connect: (protocol: (typeof CLIENTS)[number]) => Client) => void,
  ): void => {
    describe(`${what}, before ${name}`, () => {
      expectNothingLeftOpen();
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
        (protocol) => {
          const client = protocol.open(collector.url);
          clients.push(client);
          return client;
        },
      );
    });
  };

  describeLimits('a small limit of size', { maxProtobufBytes: 20_000, maxJsonBytes: 20_000 }, (_collector, connect) => {
    test.each(CLIENTS)(
      'a message that is larger than allowed once it is decompressed is rejected for good, over $name',
      async (protocol) => {
        const client = connect(protocol);
        const bomb = makeReport();
        bomb.extensions = [create(ExtensionSchema, { name: 'zeros', value: '0'.repeat(1_000_000) })];

        const answer = await client.send(bomb);

        expect(answer).toMatchObject(TOO_MUCH);
        expect(answer).not.toHaveProperty('retryAfterMs');
        await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
      },
    );
  });

  describeLimits('four pending reports', { maxPendingReports: 4 }, (collector, connect) => {
    test.each(CLIENTS)(
      'one report more than may wait for the database is rejected with a time to retry, and those that wait are stored, over $name',
      async (protocol) => {
        const client = connect(protocol);
        // Behind whatever the test before has left.
        await client.send(makeReport());
        collector().holdDatabase();
        // More than may be pending; which of them are accepted depends on the network.
        let rejected = 0;
        const waiting = Array.from({ length: 8 }, async () => {
          const answered = await sendLegacy(collector().url, makeReport());
          if (answered.status === 429) rejected += 1;
          return answered;
        });
        const report = makeReport();
        let answer: Answer | undefined;
        await expect
          .poll(async () => (answer = await Promise.race([client.send(report), tick()]))?.outcome)
          .toBe('rejected');
        // No more than four are left, wherever they are.
        await expect.poll(() => rejected).toBeGreaterThanOrEqual(4);
        await collector().releaseDatabase();

        expect(answer).toMatchObject(LATER);
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
    test.each(CLIENTS)(
      'an address that sends more than it may is rejected with a time to retry, over $name',
      async (protocol) => {
        await expect(untilRejected(connect(protocol), makeReport)).resolves.toMatchObject(LATER);
      },
    );
  });

  describeLimits('two reports an hour', { reportsPerHourPerCluster: 2 }, (_collector, connect) => {
    test.each(CLIENTS)(
      'a cluster that sends more than it may is rejected with a time to retry, and others are not, over $name',
      async (protocol) => {
        const client = connect(protocol);
        const sameCluster = (): Report => Object.assign(makeReport(), { clusterId: `same, over ${protocol.name}` });

        await expect(untilRejected(client, sameCluster)).resolves.toMatchObject(LATER);
        await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
      },
    );
  });

  // So few that the address is still in debt when the last test sends.
  describeLimits('few bytes a second', { bytesPerSecondPerAddress: 1 }, (_collector, connect) => {
    test.each(CLIENTS)(
      'too many bytes of one address are rejected with a time to retry, over $name',
      async (protocol) => {
        await expect(untilRejected(connect(protocol), makeReport)).resolves.toMatchObject(LATER);
      },
    );
  });

  describeLimits('no limits of its own', {}, (_collector, connect) => {
    test.each(CLIENTS)('a cluster id of 256 bytes is stored, and one of 257 is not, over $name', async (protocol) => {
      const client = connect(protocol);
      const named = (bytes: number): Report => ({ ...makeReport(), clusterId: 'x'.repeat(bytes) });

      await expect(client.send(named(256))).resolves.toMatchObject({ outcome: 'stored' });
      await expect(client.send(named(257))).resolves.toMatchObject({
        outcome: 'rejected',
        code: Code.InvalidArgument,
        message: expect.stringMatching(/cluster_?id is longer than 256 bytes|clusterID: is longer/i) as string,
      });
    });
  });

  // Enough for one such body and its report, not for two.
  describeLimits('little memory', { maxBodyBytes: 80_000 }, (collector, connect) => {
    test.each(CLIENTS)(
      'a body for which there is no memory now is rejected with a time to retry, and stored when there is, over $name',
      async (protocol) => {
        const client = connect(protocol);
        await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
        collector().holdDatabase();
        const both = [padded(8_000), padded(8_000)].map((report) =>
          client.send(report).then((answer) => ({ answer, report })),
        );

        const first = await Promise.race(both);
        await collector().releaseDatabase();

        expect(first.answer).toMatchObject(LATER);
        const answers = (await Promise.all(both)).map(({ answer }) => answer);
        expect(answers.map(({ outcome }) => outcome).toSorted()).toStrictEqual(['rejected', 'stored']);
        await expect(client.send(first.report)).resolves.toMatchObject({ outcome: 'stored' });
      },
    );

    test.each(CLIENTS)('a body that is too large for all of the memory is rejected, over $name', async (protocol) => {
      const client = connect(protocol);

      await expect(client.send(padded(16_000))).resolves.toMatchObject(LATER);
      await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
    });
  });
}

function tick(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), 50));
}

/** The first rejection of a client that sends one report after the other. */
async function untilRejected(client: Client, make: () => Report): Promise<Answer> {
  for (let sent = 0; sent < 20; sent += 1) {
    const answer = await client.send(make());
    if (answer.outcome === 'rejected') return answer;
  }
  throw new Error('twenty reports were accepted');
}
