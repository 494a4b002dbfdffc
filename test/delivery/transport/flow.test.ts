import http from 'node:http';
import { create, toBinary } from '@bufbuild/protobuf';
import { status as Code } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import {
  Outcome as ReceiptOutcome,
  type StreamReportsRequest,
  StreamReportsResponseSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { ExtensionSchema, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { openGrpcSink } from '../../../src/delivery/transport/grpc.ts';
import { openHttpSink } from '../../../src/delivery/transport/http.ts';
import type { ReportEntry } from '../../../src/report/report-sink.ts';
import { startGrpcCollector } from '../../support/grpc-collector.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { listen, shut } from '../../support/listen.ts';
import { putOne } from '../../support/put-one.ts';
import { makeReport } from '../../support/reports.ts';

expectNothingLeftOpen();

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function openGrpc() {
  const collector = await startGrpcCollector();
  const sink = openGrpcSink(`grpc://127.0.0.1:${collector.port}`);
  closers.push(
    () => collector.close(),
    () => sink.close(),
  );
  return { collector, sink };
}

async function openHttp(answer: http.RequestListener) {
  const server = http.createServer(answer);
  let connections = 0;
  server.on('connection', () => (connections += 1));
  const sink = openHttpSink(`http://127.0.0.1:${await listen(server)}`);
  closers.push(
    () => shut(server),
    () => sink.close(),
  );
  return { sink, connections: () => connections };
}

test('a collector that does not read stops the reports behind what the connection holds', async () => {
  const { collector, sink } = await openGrpc();
  const reports = Array.from({ length: 100 }, () => {
    const report = makeReport();
    report.extensions = [create(ExtensionSchema, { name: 'large', value: 'x'.repeat(100_000) })];
    return report;
  });
  let taken = 0;
  const entries = reports.map((report): ReportEntry => {
    const encoded = { reportId: report.reportId, bytes: toBinary(ReportSchema, report) };
    return {
      report,
      encoded: {
        reportId: report.reportId,
        get bytes() {
          taken += 1;
          return encoded.bytes;
        },
      },
    };
  });
  const { serve } = collector;
  const reading = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  collector.serve = (stream) => {
    opened.resolve();
    void reading.promise.then(() => serve(stream));
  };

  const outcomes = sink.put(entries);
  await opened.promise;
  await expect.poll(() => taken).toBeGreaterThan(0);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
  expect(taken).toBeLessThan(20);
  reading.resolve();

  expect((await outcomes).map(({ status }) => status)).toStrictEqual(reports.map(() => 'stored'));
});

test('receipts that arrive with the failure of the stream count, all of them', async () => {
  const { collector, sink } = await openGrpc();
  const reports = Array.from({ length: 60 }, makeReport);
  collector.serve = (stream) => {
    stream.on('data', ({ report }: StreamReportsRequest) => {
      if (report?.reportId !== reports.at(-1)?.reportId) return;
      for (const { reportId } of reports.slice(0, -1))
        stream.write(create(StreamReportsResponseSchema, { receipt: { reportId, outcome: ReceiptOutcome.STORED } }));
      stream.emit('error', { code: Code.UNAVAILABLE, details: 'later' });
    });
  };

  const outcomes = await sink.put(reports.map((report) => ({ report })));

  expect(outcomes.map(({ status }) => status)).toStrictEqual([...reports.slice(1).map(() => 'stored'), 'failed']);
});

test('the beginning of a rejection is read, however long it is', async () => {
  const { sink } = await openHttp((_request, response) => {
    response.writeHead(503);
    const writing = setInterval(() => response.write('no '.repeat(1_000)), 1);
    response.once('close', () => clearInterval(writing));
  });

  await expect(putOne(sink)).resolves.toMatchObject({ status: 'failed', error: { kind: 'unavailable' } });
}, 5_000);

test('reports that are stored one after the other share their connections', async () => {
  const { sink, connections } = await openHttp((request, response) => {
    request.resume().once('end', () => response.writeHead(204).end());
  });

  for (let sent = 0; sent < 20; sent += 1) await expect(putOne(sink)).resolves.toStrictEqual({ status: 'stored' });

  // The next report may be sent while the connection of the last one is being given back.
  expect(connections()).toBeLessThanOrEqual(2);
});
