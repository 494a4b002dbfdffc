import { once } from 'node:events';
import http2 from 'node:http2';
import process from 'node:process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Collector } from '../../../src/collector/collector.ts';
import { startCollectorOn } from '../../support/collector.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { PROTOCOL_CLIENTS } from '../../support/protocols.ts';
import { submitFrame, SUBMIT_PATH } from '../../support/raw-grpc.ts';
import { makeReport } from '../../support/reports.ts';

const REQUESTS = 20;

let collector: Collector;

beforeAll(async () => {
  // Longer than the test: a timer that is left behind does not end by itself.
  const limits = { bodyTimeoutMs: 300_000, writeTimeoutMs: 300_000 };
  collector = await startCollectorOn('memory', { limits }, { openStore: () => Promise.resolve(createMemoryStore()) });
});
afterAll(() => collector.close());

const countTimers = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;

test.each([...PROTOCOL_CLIENTS])('requests leave no timers behind, over $name', async ({ open }) => {
  const client = open(collector.url);
  await client.send(makeReport());
  const before = countTimers();

  for (let sent = 0; sent < REQUESTS; sent += 1) {
    const report = makeReport();
    // Every other one is rejected.
    if (sent % 2 === 0) report.nodes[0]!.osImage = 'x'.repeat(1_025);
    await client.send(report);
  }

  // Node.js' own timers of a connection come and go.
  await expect.poll(countTimers).toBeLessThan(before + REQUESTS / 4);
  client.close();
});

test.each([
  ['application/grpc', SUBMIT_PATH],
  ['application/grpc-web+proto', SUBMIT_PATH],
  ['application/json', SUBMIT_PATH],
  ['application/json', '/api/v1'],
])('clients that go away in the middle of a body leave no timers behind: %s at %s', async (contentType, path) => {
  const session = http2.connect(collector.url);
  await once(session, 'remoteSettings');
  const before = countTimers();

  for (let sent = 0; sent < REQUESTS; sent += 1) {
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': contentType });
    stream.on('error', () => undefined);
    stream.write(submitFrame().subarray(0, 20));
    await new Promise((resolve) => session.ping(resolve));
    stream.close(http2.constants.NGHTTP2_CANCEL);
  }

  await expect.poll(countTimers).toBeLessThan(before + REQUESTS / 4);
  session.destroy();
});

test('requests that are rejected before their body is read leave no timers behind', async () => {
  const session = http2.connect(collector.url);
  await once(session, 'remoteSettings');
  const before = countTimers();

  for (let sent = 0; sent < REQUESTS; sent += 1) {
    const headers = { ':method': 'POST', ':path': SUBMIT_PATH, 'content-type': 'application/json' };
    const stream = session.request({ ...headers, 'content-encoding': 'zstd' }).resume();
    stream.on('error', () => undefined);
    stream.end('{}');
    await once(stream, 'close');
  }

  await expect.poll(countTimers).toBeLessThan(before + REQUESTS / 4);
  session.destroy();
});
