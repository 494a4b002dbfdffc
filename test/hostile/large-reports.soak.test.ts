import { once } from 'node:events';
import http2 from 'node:http2';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ExtensionSchema, NodeSchema, ResourceSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { submitDuring } from '../support/attacked-collector.ts';
import { type CollectorProgram, startCollectorProgram } from '../support/collector-program.ts';
import { makeEmbeddedDatabase } from '../support/database.ts';
import { SUBMIT_PATH, submitFrame } from '../support/raw-grpc.ts';
import { makeReport } from '../support/reports.ts';
import { peakResidentMiB, residentMiB } from '../support/resident-memory.ts';
import { type RunningDatabase, startDatabase } from '../support/running-database.ts';

/** A hundredth of the 7 MiB that it is decompressed: 30,000 nodes, about as much as a document of MongoDB holds. */
function largestFrame(): Buffer {
  const report = makeReport();
  report.nodes = Array.from({ length: 30_000 }, () =>
    create(NodeSchema, {
      id: '0123456789abcdef0123456789abcdef',
      osImage: 'Ubuntu 24.04.1 LTS',
      kernelVersion: '6.8.0-45-generic',
      containerRuntimeVersion: 'containerd://1.7.22',
      kubeletVersion: 'v1.31.4',
      capacity: ['cpu', 'memory', 'pods'].map((resource) => create(ResourceSchema, { resource, value: '32000000Ki' })),
    }),
  );
  report.extensions = [create(ExtensionSchema, { name: 'example.com/a', value: 'x'.repeat(2 ** 20) })];
  const message = gzipSync(submitFrame(report).subarray(5));
  const prefix = Buffer.from([1, 0, 0, 0, 0]);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

const PER_SECOND = 15;
const SECONDS = 5;
const BURST = 400;
const SESSIONS = 4;
/** The thread with one report, and its document in the driver: docs/reliability.md has the measured figures. */
const MAX_GROWTH_MIB = 192;
/** Below it, a doubled response time is noise of the machine. */
const P99_FLOOR_MS = 100;

const frame = largestFrame();
let database: RunningDatabase;
let collector: CollectorProgram;

beforeAll(async () => {
  database = await startDatabase(makeEmbeddedDatabase);
});

afterAll(() => database.close());

/** Sends the frame from an address of its own, and resolves when the call has ended. */
async function attack(session: http2.ClientHttp2Session): Promise<void> {
  const stream = session.request({
    ':method': 'POST',
    ':path': SUBMIT_PATH,
    'content-type': 'application/grpc',
    'grpc-encoding': 'gzip',
    'x-forwarded-for': '192.0.2.66',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  stream.resume();
  stream.end(frame);
  await once(stream, 'close');
}

/** Asks one request after the other that needs no database until `work` resolves, and returns how long each took, in milliseconds. */
async function askDuring(url: string, work: () => Promise<unknown>): Promise<readonly number[]> {
  const waits: number[] = [];
  let running = true;
  const asking = (async () => {
    while (running) {
      const start = performance.now();
      await (await fetch(`${url}/version`)).text();
      waits.push(performance.now() - start);
      await sleep(5);
    }
  })();
  await Promise.all([work().finally(() => (running = false)), asking]);
  return waits;
}

const p99 = (waits: readonly number[]): number =>
  waits.toSorted((left, right) => left - right)[Math.floor(waits.length * 0.99)] ?? Number.POSITIVE_INFINITY;

test
  .runIf(process.platform === 'linux')
  .each<[string, (sessions: readonly http2.ClientHttp2Session[]) => Promise<unknown>]>([
    [
      `${PER_SECOND} a second`,
      async ([session]) => {
        const calls: Promise<void>[] = [];
        for (let sent = 0; sent < PER_SECOND * SECONDS; sent += 1) {
          if (session !== undefined) calls.push(attack(session));
          await sleep(1_000 / PER_SECOND);
        }
        await Promise.all(calls);
      },
    ],
    [
      `${BURST} at once`,
      (sessions) =>
        Promise.all(sessions.flatMap((session) => Array.from({ length: BURST / SESSIONS }, () => attack(session)))),
    ],
  ])(
  'the largest reports of one address, compressed, hardly affect other clients: %s',
  { timeout: 300_000 },
  async (name, run) => {
    collector = await startCollectorProgram([
      `--database=${database.uri}`,
      '--trusted-proxies=127.0.0.1',
      '--max-cluster-rate=0',
    ]);
    try {
      await submitDuring(collector.url, () => sleep(1_500));
      const quiet = p99(await askDuring(collector.url, () => sleep(1_500)));
      const { pid } = collector.process;
      const before = await residentMiB(pid);
      const sessions = Array.from({ length: SESSIONS }, () => http2.connect(collector.url));
      // A session may be closed for what it sends on streams that were rejected.
      for (const session of sessions) session.on('error', () => undefined);
      let waits: readonly number[] = [];
      const most = await peakResidentMiB(pid, async () => {
        waits = await askDuring(collector.url, () => Promise.all([run(sessions), sleep(SECONDS * 1_000)]));
      });
      for (const session of sessions) session.destroy();

      process.stdout.write(
        `largest reports, ${name}: +${(most - before).toFixed(0)} MiB, p99 ${quiet.toFixed(0)} -> ${p99(waits).toFixed(0)} ms\n`,
      );
      expect(most - before).toBeLessThan(MAX_GROWTH_MIB);
      expect(p99(waits)).toBeLessThan(Math.max(2 * quiet, P99_FLOOR_MS));
    } finally {
      await collector.stop();
    }
  },
);
