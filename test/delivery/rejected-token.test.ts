import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import { expect, test, vi } from 'vitest';
import { openClientCredentials } from '../../src/delivery/client-credentials.ts';
import { createCounters } from '../../src/delivery/counters.ts';
import { startDelivery } from '../../src/delivery/delivery.ts';
import { openDatabase, parseDatabase } from '../../src/delivery/open-sink.ts';
import { openSpool } from '../../src/delivery/spool/spool.ts';
import { createHeartbeat } from '../../src/runtime/heartbeat.ts';
import { withFiles } from '../support/files.ts';
import { startGrpcCollector } from '../support/grpc-collector.ts';
import { listen, shut } from '../support/listen.ts';
import { createKeptLog } from '../support/log.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { makeReport } from '../support/reports.ts';

const RIGHT = 'Bearer right-token';
const HOUR_MS = 3_600_000;

interface Guarded {
  readonly url: string;
  stored(): number;
  close(): void | Promise<void>;
}

/** Collectors that require the right token. */
const COLLECTORS: Readonly<Record<string, () => Promise<Guarded>>> = {
  async grpc() {
    const collector = await startGrpcCollector();
    const { serve } = collector;
    collector.serve = (stream) =>
      collector.authorizations.at(-1) === RIGHT
        ? serve(stream)
        : stream.emit('error', { code: 16, details: 'the token is unknown' });
    return {
      url: `grpc://127.0.0.1:${collector.port}`,
      stored: () => collector.stored.size,
      close: () => collector.close(),
    };
  },
  async http() {
    let stored = 0;
    const server = http.createServer((request, response) => {
      request.resume();
      const isRight = request.headers.authorization === RIGHT;
      stored += isRight ? 1 : 0;
      response.writeHead(isRight ? 204 : 401).end();
    });
    const port = await listen(server);
    return { url: `http://127.0.0.1:${port}`, stored: () => stored, close: () => shut(server) };
  },
};

test.each(['grpc', 'http'])(
  'over %s a report with a wrong token waits without a spool directory, and is stored with the next token in the file',
  async (name) => {
    await withFiles({ token: 'wrong-token' }, async (dir) => {
      const collector = await (COLLECTORS[name] as () => Promise<Guarded>)();
      const clock = createManualClock(new Date('2026-11-21T00:00:00Z'));
      const log = createKeptLog();
      const { logger } = log;
      const counters = createCounters();
      const spool = await openSpool({ maxBytes: 1_000_000 }, { clock, logger, counters });
      const credentials = await openClientCredentials({ tokenFile: `${dir}/token` }, collector.url);
      const sink = await openDatabase(parseDatabase(collector.url), { credentials, stdout: process.stdout });
      const heartbeat = createHeartbeat(clock);
      const random = (): number => 0.5;
      const delivery = startDelivery({ spool, sink, clock, random, logger, counters, heartbeat, timeoutMs: 60_000 });
      await delivery.add(makeReport());
      await delivery.add(makeReport());
      await clock.pass(6 * HOUR_MS, 1);
      await writeFile(`${dir}/token`, 'right-token\n');
      expect([spool.size().reports, spool.size().inMemory, collector.stored()]).toStrictEqual([2, 2, 0]);

      clock.advance(HOUR_MS);

      await vi.waitFor(() => expect(log.messages('info')).toHaveLength(1));
      expect([spool.size().reports, collector.stored()]).toStrictEqual([0, 2]);
      expect(log.messages()).toStrictEqual([
        expect.stringContaining(
          ' Write a token that it accepts to --token-file, which is read again for each attempt.',
        ),
        expect.stringMatching(/: 2 reports waited, and are stored\.$/),
      ]);
      expect(JSON.stringify(log.lines)).not.toMatch(/wrong-token|right-token/);
      await delivery.close();
      await sink.close();
      await collector.close();
    });
  },
);
