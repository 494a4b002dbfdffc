import { once } from 'node:events';
import http2 from 'node:http2';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import {
  Outcome,
  StreamReportsRequestSchema,
  StreamReportsResponseSchema,
} from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { ExtensionSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { createGrpcFrameReader, encodeGrpcFrame } from '../../src/collector/serve/rpc/grpc-frames.ts';
import { openStore } from '../../src/collector/store/open.ts';
import { PROTOCOL_CLIENTS } from '../contract/protocols.ts';
import { makeReport } from '../contract/report-sink.ts';
import { startCollectorOn } from '../support/collector.ts';
import { makeEmbeddedDatabase } from '../support/database.ts';
import { openDbProxy } from '../support/db-proxy.ts';

const REPORTS = 1_000;
const MAX_PENDING = 100;
const REPORT_BYTES = 8_000;

test('while the database stands still a stream is held by flow control, others still come in, and then all are stored', async () => {
  const database = await makeEmbeddedDatabase();
  const store = await openStore(database.spec, {
    appName: 'spartakus-test',
    storeTimeoutMs: 10_000,
    stdout: process.stdout,
  });
  const proxy = await openDbProxy(await database.uri());
  const collector = await startCollectorOn(proxy.uri, { limits: { maxPendingReports: MAX_PENDING } });
  const session = http2.connect(collector.url);
  try {
    proxy.hold();
    const stream = session.request({
      ':method': 'POST',
      ':path': '/spartakus.collector.v1.CollectorService/StreamReports',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const reader = createGrpcFrameReader(1_000_000);
    const outcomes: Outcome[] = [];
    stream.on('data', (chunk: Buffer) => {
      for (const { bytes } of reader.push(chunk)) {
        outcomes.push(fromBinary(StreamReportsResponseSchema, bytes).receipt?.outcome ?? Outcome.UNSPECIFIED);
      }
    });
    const ended = once(stream, 'end');
    let sent = 0;
    for (; sent < REPORTS; sent += 1) {
      const report = makeReport();
      report.extensions = [create(ExtensionSchema, { name: 'padding', value: 'x'.repeat(REPORT_BYTES) })];
      stream.write(
        encodeGrpcFrame(toBinary(StreamReportsRequestSchema, create(StreamReportsRequestSchema, { report }))),
      );
    }
    stream.end();
    await new Promise((resolve) => setTimeout(resolve, 500));

    // Eight megabytes were to go out; but for what is pending and what the windows hold, they wait on the client's side.
    expect(stream.writableLength).toBeGreaterThan((REPORTS / 2) * REPORT_BYTES);
    const client = PROTOCOL_CLIENTS[0]?.open(collector.url);
    const single = client?.send(makeReport());
    await new Promise((resolve) => setTimeout(resolve, 100));
    await proxy.heal();
    await expect(single).resolves.toMatchObject({ outcome: 'stored' });
    client?.close();
    await ended;
    expect(outcomes).toStrictEqual(Array(REPORTS).fill(Outcome.STORED));
    await expect((await database.reports()).countDocuments()).resolves.toBe(REPORTS + 1);
  } finally {
    session.close();
    await collector.close();
    await proxy.close();
    await database.remove(() => store.close());
  }
});
