import { once } from 'node:events';
import http2 from 'node:http2';
import { gzipSync } from 'node:zlib';
import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ExtensionSchema, type Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Collector } from '../../../src/collector/collector.ts';
import { toDocument } from '../../../src/report/stored-document.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { startCollectorOn } from '../../support/collector.ts';
import { expectNothingHeld, readHeld } from '../../support/held.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { legacyJson, PROTOCOL_CLIENTS, sendLegacy } from '../../support/protocols.ts';
import { openCall, STREAM_PATH, streamFrame, submit, SUBMIT_PATH, submitFrame } from '../../support/raw-grpc.ts';
import { connectRaw } from '../../support/raw-http2.ts';
import { makeReport } from '../../support/reports.ts';

expectNothingLeftOpen();

let store: MemoryStore;
let collector: Collector;
let session: http2.ClientHttp2Session;

beforeAll(async () => {
  store = createMemoryStore();
  const limits = { maxProtobufBytes: 2 ** 20, maxJsonBytes: 2 ** 20, bodyTimeoutMs: 300 };
  const config = { limits, console: { listen: { host: '127.0.0.1', port: 0 } } };
  collector = await startCollectorOn('memory', config, { openStore: () => Promise.resolve(store) });
  session = http2.connect(collector.url);
});

afterAll(async () => {
  session.destroy();
  await collector.close();
});

afterEach(async () => {
  store.release();
  await expectNothingHeld(collector.consoleUrl);
});

/** More than is decoded on the event loop. */
function largeReport(): Report {
  const report = makeReport();
  report.extensions = [1, 2].map((index) =>
    create(ExtensionSchema, { name: `example.com/${index}`, value: 'x'.repeat(200_000) }),
  );
  return report;
}

function compressed(frame: Buffer): Buffer {
  const message = gzipSync(frame.subarray(5));
  const prefix = Buffer.from([1, 0, 0, 0, 0]);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Opens a call, and returns it with its status. */
function call(path: string, headers: http2.OutgoingHttpHeaders = {}) {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  const status = new Promise<unknown>((resolve) => {
    const read = (trailers: http2.IncomingHttpHeaders): void => {
      if (trailers['grpc-status'] !== undefined) resolve(trailers['grpc-status']);
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('error', () => resolve('error'));
  });
  stream.resume();
  return { stream, status };
}

const untilHeld = (): Promise<void> =>
  expect.poll(async () => (await readHeld(collector.consoleUrl))['request_memory_bytes']).toBeGreaterThan(0);

describe('nothing is held after', () => {
  test.each([...PROTOCOL_CLIENTS])(
    'a report and a large one, which are stored as they are, over $name',
    async ({ open }) => {
      const client = open(collector.url);
      for (const report of [makeReport(), largeReport()]) {
        await expect(client.send(report)).resolves.toMatchObject({ outcome: 'stored' });
        const stored = store.documents.get(report.reportId);
        expect(stored).toStrictEqual(toDocument(report, stored!.receivedAt));
      }
      client.close();
    },
  );

  test('a large report over the legacy API', async () => {
    const report = largeReport();
    await expect(sendLegacy(collector.url, report)).resolves.toMatchObject({ status: 204 });
    const stored = store.documents.get(report.reportId);
    expect(stored).toStrictEqual(toDocument(report, stored!.receivedAt));
  });

  test.each([...PROTOCOL_CLIENTS])(
    'a large report that is not valid, which is answered so, over $name',
    async ({ open }) => {
      const client = open(collector.url);
      const report = largeReport();
      report.nodes[0]!.osImage = 'x'.repeat(1_025);
      const answer = await client.send(report);
      expect(answer).toMatchObject({
        outcome: 'rejected',
        code: Code.InvalidArgument,
        message: expect.stringMatching(/^report\.nodes\[0\]\.os_image /) as string,
      });
      client.close();
    },
  );

  test('a thousand reports of one stream', async () => {
    const { stream, status } = call(STREAM_PATH);
    for (let sent = 0; sent < 1_000; sent += 1) stream.write(streamFrame());
    // It does not wait for the end of the stream.
    await expectNothingHeld(collector.consoleUrl);
    stream.end();
    await expect(status).resolves.toBe('0');
  });

  test('an error of the database', async () => {
    const report = largeReport();
    store.reject(report.reportId, new SpartakusError('unavailable', 'away', { retryAfterMs: 1 }));
    await expect(submit(session, submitFrame(report))).resolves.toMatchObject({ 'grpc-status': '14' });
  });

  test.each([
    ['a message that is no protobuf', Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff]), {}],
    ['half a message', submitFrame().subarray(0, 20), {}],
    ['two messages', Buffer.concat([submitFrame(), submitFrame()]), {}],
    ['a message that is too large', Buffer.from([0, 0x7f, 0, 0, 0]), {}],
    ['what is no gzip', Buffer.from([1, 0, 0, 0, 2, 1, 1]), { 'grpc-encoding': 'gzip' }],
    ['a large message that is no protobuf', compressed(Buffer.alloc(500_000, 0xff)), { 'grpc-encoding': 'gzip' }],
    ['more than the limit, compressed', compressed(Buffer.alloc(4_000_000)), { 'grpc-encoding': 'gzip' }],
    ['a compressed message of a call that names no encoding', compressed(submitFrame()), {}],
    ['an encoding that is not supported', submitFrame(), { 'grpc-encoding': 'zstd' }],
  ])('%s', async (_what, body, headers) => {
    const { stream, status } = call(SUBMIT_PATH, headers);
    stream.end(body);
    await expect(status).resolves.toMatch(/^(?:3|8|12)$/);
  });

  test.each([
    ['ends in the middle of a message', streamFrame().subarray(0, 20)],
    ['sends what is no protobuf', Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff])],
  ])('a stream that %s', async (_what, last) => {
    const { stream, status } = call(STREAM_PATH);
    stream.end(Buffer.concat([streamFrame(), last]));
    await expect(status).resolves.toBe('3');
  });

  test.each([
    ['a stream', STREAM_PATH, streamFrame],
    ['a call', SUBMIT_PATH, submitFrame],
  ])('a client that goes away in the middle of a message, in %s', async (_what, path, frame) => {
    const { stream } = call(path);
    stream.write(frame(largeReport()).subarray(0, 50_000));
    await untilHeld();
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await expectNothingHeld(collector.consoleUrl);
    expect(stream.destroyed).toBe(true);
  });

  test('a client that goes away while its reports wait for the database, which are held until they are stored', async () => {
    store.hold();
    const reports = [makeReport(), largeReport()];
    const { stream } = call(STREAM_PATH);
    for (const report of reports) stream.write(streamFrame(report));
    await expect.poll(async () => (await readHeld(collector.consoleUrl))['pending_reports']).toBe(2);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await once(stream, 'close');
    await expect(readHeld(collector.consoleUrl)).resolves.toMatchObject({ pending_reports: 2 });
    expect((await readHeld(collector.consoleUrl))['request_memory_bytes']).toBeGreaterThan(400_000);

    store.release();
    await expectNothingHeld(collector.consoleUrl);
    expect(reports.every(({ reportId }) => store.documents.has(reportId))).toBe(true);
  });

  test('a client that goes away while its large report waits for its turn', async () => {
    store.hold();
    const first = openCall(session, SUBMIT_PATH);
    first.end(submitFrame(largeReport()));
    await expect.poll(async () => (await readHeld(collector.consoleUrl))['pending_reports']).toBe(1);
    const report = largeReport();
    const { stream } = call(SUBMIT_PATH);
    stream.end(submitFrame(report));
    stream.close(http2.constants.NGHTTP2_CANCEL);
    store.release();
    await expectNothingHeld(collector.consoleUrl);
    first.close();
  });

  test('a body that does not arrive in time', async () => {
    const { stream, status } = call(STREAM_PATH);
    stream.write(streamFrame().subarray(0, 9));
    await expect(status).resolves.toBe('14');
  });

  test('a legacy body whose client goes away', async () => {
    const connection = await connectRaw(collector.port);
    const body = legacyJson(largeReport());
    const head = `POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    await connection.send(Buffer.from(head), Buffer.from(body.slice(0, 100_000)));
    await untilHeld();
    connection.destroy();
    await expectNothingHeld(collector.consoleUrl);
    expect(connection.received()).toBe('');
  });

  test.each([
    ['a message that is no protobuf', 'application/proto', Buffer.from([0xff, 0xff])],
    ['a message that is no JSON', 'application/json', Buffer.from('{"report": {')],
    ['JSON of another message', 'application/json', Buffer.from('{"report": {"nodes": 1}}')],
    ['JSON with too many objects', 'application/json', Buffer.from(`[${'{},'.repeat(5_000)}{}]`)],
    ['a message that is too large', 'application/proto', Buffer.alloc(2 ** 20 + 1)],
    ['half a framed message', 'application/grpc-web+proto', submitFrame().subarray(0, 20)],
    ['two framed messages', 'application/grpc-web+proto', Buffer.concat([submitFrame(), submitFrame()])],
    ['a framed message that is no protobuf', 'application/grpc-web+proto', Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff])],
  ])('%s, as %s', async (_what, contentType, body) => {
    const headers = { 'content-type': contentType };
    const response = await fetch(`${collector.url}${SUBMIT_PATH}`, {
      method: 'POST',
      headers,
      body: Uint8Array.from(body),
    });
    const [, trailer] = /grpc-status: (\d+)/.exec(await response.text()) ?? [];
    expect(trailer ?? response.headers.get('grpc-status') ?? String(response.status)).toMatch(
      /^(?:3|8|12|400|413|429)$/,
    );
  });

  test.each(['application/proto', 'application/json', 'application/grpc-web+proto'])(
    'a client that goes away in the middle of a message, as %s',
    async (contentType) => {
      const { stream } = call(SUBMIT_PATH, { 'content-type': contentType });
      stream.write(submitFrame(largeReport()).subarray(0, 50_000));
      await untilHeld();
      stream.close(http2.constants.NGHTTP2_CANCEL);
      await expectNothingHeld(collector.consoleUrl);
      expect(stream.destroyed).toBe(true);
    },
  );

  test('a legacy body that is not valid', async () => {
    const report = largeReport();
    report.clusterId = 'x'.repeat(257);
    const response = await sendLegacy(collector.url, report);
    expect([response.status, await response.text()]).toStrictEqual([
      400,
      expect.stringContaining('clusterID') as string,
    ]);
  });
});
