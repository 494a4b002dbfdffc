import { readFile } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.js';
import { SubmitReportRequestSchema } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { encodeGrpcFrame } from '../../src/collector/serve/rpc/grpc-frames.ts';
import { openStore } from '../../src/collector/store/open.ts';
import { legacyJson } from '../contract/protocols.ts';
import { makeReport } from '../contract/report-sink.ts';
import { makeEmbeddedDatabase, type TestDatabase } from '../support/database.ts';
import { type DbProxy, openDbProxy } from '../support/db-proxy.ts';
import { type Program, startProgram } from '../support/program.ts';

/** How long a round trip to the database takes, in milliseconds, and how many reports may wait for it: together they are the capacity. */
const ROUND_TRIP_MS = 400;
const MAX_PENDING = 80;
const PEAK_MS = 3_000;
const OVERLOAD_MS = 4_000;
const CONNECTIONS = 8;
/** What a collector of this size may take in memory, however many knock. */
const MAX_GROWTH_MIB = 64;

let database: TestDatabase;
let closeStore: () => Promise<void>;
let proxy: DbProxy;
let program: Program;
let url: string;

beforeAll(async () => {
  database = await makeEmbeddedDatabase();
  const store = await openStore(database.spec, {
    appName: 'spartakus-test',
    storeTimeoutMs: 10_000,
    stdout: process.stdout,
  });
  closeStore = () => store.close();
  proxy = await openDbProxy(await database.uri());
  const flags = [
    '--host=127.0.0.1',
    '--port=0',
    '--console-listen=off',
    `--max-pending-reports=${MAX_PENDING}`,
    '--max-address-rate=0',
    '--max-cluster-rate=0',
    '--max-new-clusters=0',
    '--max-address-connections=0',
  ];
  program = startProgram(['collector', `--database=${proxy.uri}`, ...flags]);
  url = (await program.says(/"url":"(http:[^"]+)"/))[1] ?? '';
  proxy.delay(ROUND_TRIP_MS / 2);
});

afterAll(async () => {
  await proxy.heal();
  program.process.kill('SIGTERM');
  await program.ended;
  await proxy.close();
  await database.remove(closeStore);
});

type Answer = 'stored' | 'refused';

/** Sends a report in a gRPC call of its own. Rejects where the answer is neither a receipt nor a polite refusal. */
function sendGrpc(session: http2.ClientHttp2Session): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/spartakus.collector.v1.CollectorService/SubmitReport',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const onHeaders = (headers: http2.IncomingHttpHeaders): void => {
      const status = headers['grpc-status'];
      if (status === undefined) return;
      if (status === '0') return resolve('stored');
      // Status { details: Any { value: RetryInfo } }: what is inside is found by its type's name.
      const details = Buffer.from(String(headers['grpc-status-details-bin'] ?? ''), 'base64').toString('latin1');
      if (status === '8' && details.includes(RetryInfoSchema.typeName)) return resolve('refused');
      reject(new Error(`grpc-status ${String(status)}: ${String(headers['grpc-message'])} ${details}`));
    };
    stream.on('response', onHeaders);
    stream.on('trailers', onHeaders);
    stream.on('error', reject);
    stream.resume();
    stream.end(
      encodeGrpcFrame(toBinary(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { report: makeReport() }))),
    );
  });
}

/** The same by the legacy road. */
function sendJson(agent: http.Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${url}/api/v1`,
      { method: 'POST', agent, headers: { 'content-type': 'application/json' } },
      (response) => {
        response.resume();
        if (response.statusCode === 204) resolve('stored');
        else if (response.statusCode === 429 && Number(response.headers['retry-after']) >= 1) resolve('refused');
        else reject(new Error(`HTTP ${response.statusCode} with Retry-After ${response.headers['retry-after']}`));
      },
    );
    request.on('error', reject);
    request.end(legacyJson(makeReport()));
  });
}

/** The rate at which answers say "stored", from now until the last of them. */
function createMeter(): { readonly add: (answer: Answer) => void; readonly storedPerSecond: () => number } {
  const startMs = performance.now();
  let lastMs = startMs;
  let stored = 0;
  return {
    add: (answer) => {
      if (answer !== 'stored') return;
      stored += 1;
      lastMs = performance.now();
    },
    storedPerSecond: () => stored / ((lastMs - startMs) / 1000),
  };
}

async function residentMiB(): Promise<number> {
  const status = await readFile(`/proc/${program.process.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

// Again where the machine was busy with something else: it is a rate.
test.runIf(process.platform === 'linux')(
  'at ten times its capacity it stores nine tenths of what it could, within its memory, and refuses the rest politely',
  { retry: 2 },
  async () => {
    const sessions = Array.from({ length: CONNECTIONS }, () => http2.connect(url));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 200 });
    try {
      // Its peak: as many at a time as may wait, each sent again as soon as it is answered.
      const peakStart = performance.now();
      const inPeak = createMeter();
      const loop = async (index: number): Promise<void> => {
        while (performance.now() < peakStart + PEAK_MS)
          inPeak.add(await sendGrpc(sessions[index % CONNECTIONS] as http2.ClientHttp2Session));
      };
      await Promise.all(Array.from({ length: MAX_PENDING * 0.9 }, (_, index) => loop(index)));
      const peak = inPeak.storedPerSecond();
      const before = await residentMiB();

      // Ten times as many a second, whatever the answers.
      const answers: Promise<Answer>[] = [];
      const start = performance.now();
      const inOverload = createMeter();
      let most = before;
      for (let now = start; now < start + OVERLOAD_MS; now = performance.now()) {
        while (answers.length < ((now - start) / 1000) * peak * 10) {
          const answer =
            answers.length % 10 === 0
              ? sendJson(agent)
              : sendGrpc(sessions[answers.length % CONNECTIONS] as http2.ClientHttp2Session);
          answers.push(answer);
          answer.then(inOverload.add, () => undefined);
        }
        most = Math.max(most, await residentMiB());
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const heard = await Promise.all(answers);
      const goodput = inOverload.storedPerSecond();

      process.stdout.write(
        `overload: peak ${peak.toFixed(0)}/s, offered ${(answers.length / (OVERLOAD_MS / 1000)).toFixed(0)}/s, stored ${goodput.toFixed(0)}/s ` +
          `(${((100 * goodput) / peak).toFixed(0)} %), memory ${before.toFixed(0)} -> ${most.toFixed(0)} MiB\n`,
      );
      expect(heard).toContain('refused');
      expect(goodput).toBeGreaterThan(0.9 * peak);
      expect(most - before).toBeLessThan(MAX_GROWTH_MIB);
    } finally {
      for (const session of sessions) session.close();
      agent.destroy();
    }
  },
);
