import http from 'node:http';
import http2 from 'node:http2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  MAX_PENDING,
  postOrReject,
  type SlowCollector,
  startSlowCollector,
  submitOrReject,
} from '../support/slow-collector.ts';

let collector: SlowCollector;

beforeAll(async () => {
  collector = await startSlowCollector();
});

afterAll(() => collector.close());

test('beyond its capacity a collector stores the reports that it accepts, and rejects the others as retryable', async () => {
  const { url } = collector.program;
  const session = http2.connect(url);
  const agent = new http.Agent({ keepAlive: true });
  // A connection has at most 100 streams.
  const outcomes = await Promise.all([
    ...Array.from({ length: 80 }, () => submitOrReject(session)),
    ...Array.from({ length: 2 * MAX_PENDING }, () => postOrReject(url, agent)),
  ]);

  const stored = outcomes.filter((outcome) => outcome === 'stored').length;
  expect(new Set(outcomes)).toStrictEqual(new Set(['stored', 'rejected']));
  await expect(collector.database.storedReports()).resolves.toHaveLength(stored);
  await collector.speedUp();
  await expect(submitOrReject(session)).resolves.toBe('stored');
  session.close();
  agent.destroy();
});
