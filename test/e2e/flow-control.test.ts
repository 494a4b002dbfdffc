import { once } from 'node:events';
import http2 from 'node:http2';
import { create, fromBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Outcome, StreamReportsResponseSchema } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { ExtensionSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { type LocalCollector, startCollectorOn } from '../support/collector.ts';
import { makeEmbeddedDatabase } from '../support/database.ts';
import { type DbProxy, openDbProxy } from '../support/db-proxy.ts';
import { openCall, readMessages, STREAM_PATH, streamFrame, submit } from '../support/raw-grpc.ts';
import { makeReport } from '../support/reports.ts';
import { type RunningDatabase, startDatabase } from '../support/running-database.ts';

const REPORTS = 1_000;
const MAX_PENDING = 100;
const REPORT_BYTES = 8_000;

let database: RunningDatabase;
let proxy: DbProxy;
let collector: LocalCollector;

beforeEach(async () => {
  database = await startDatabase(makeEmbeddedDatabase);
  proxy = await openDbProxy(database.uri);
  collector = await startCollectorOn(proxy.uri, { limits: { maxPendingReports: MAX_PENDING } });
});

afterEach(async () => {
  await collector.close();
  await proxy.close();
  await database.close();
});

/** A request and its response: the collector has received what was sent on the connection before. */
async function roundTrip(session: http2.ClientHttp2Session): Promise<void> {
  const stream = session.request({ ':path': '/version' });
  stream.resume();
  await once(stream, 'close');
}

/** Resolves once the stream has sent as much as flow control allows: nothing more is sent during twenty round trips. */
async function untilBlocked(session: http2.ClientHttp2Session, stream: http2.ClientHttp2Stream): Promise<void> {
  let unsent: number;
  do {
    unsent = stream.writableLength;
    for (let count = 0; count < 20; count += 1) await roundTrip(session);
  } while (stream.writableLength !== unsent);
}

test('while the database does not respond a stream is blocked by flow control, other clients are accepted, and all is stored after it', async () => {
  const [session, other] = [http2.connect(collector.url), http2.connect(collector.url)];
  proxy.hold();
  const stream = openCall(session, STREAM_PATH);
  const messages = readMessages(stream);
  for (let sent = 0; sent < REPORTS; sent += 1) {
    const report = makeReport();
    report.extensions = [create(ExtensionSchema, { name: 'padding', value: 'x'.repeat(REPORT_BYTES) })];
    stream.write(streamFrame(report));
  }
  stream.end();
  await untilBlocked(session, stream);

  // Of eight megabytes all but the pending reports and the window wait in the client.
  expect(stream.writableLength).toBeGreaterThan((REPORTS / 2) * REPORT_BYTES);
  const single = submit(other);
  await roundTrip(other);
  await proxy.heal();
  await expect(single).resolves.toMatchObject({ 'grpc-status': '0' });
  const outcomes = (await messages).map((bytes) => fromBinary(StreamReportsResponseSchema, bytes).receipt?.outcome);
  expect(outcomes).toStrictEqual(Array(REPORTS).fill(Outcome.STORED));
  await expect((await database.reports()).countDocuments()).resolves.toBe(REPORTS + 1);
  session.close();
  other.close();
});
