import { once } from 'node:events';
import http from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createCounters, type Counters } from '../../src/delivery/counters.ts';
import { openVolunteerHealth, type VolunteerHealth } from '../../src/volunteer/health-server.ts';
import { failureOf } from '../support/failure.ts';
import { expectNothingLeftOpen } from '../support/held.ts';

expectNothingLeftOpen();

let counters: Counters;
let health: VolunteerHealth;
let isLive: boolean;
let isReady: boolean;

beforeEach(async () => {
  counters = createCounters();
  [isLive, isReady] = [true, true];
  const spoolSize = () => ({ reports: 3, bytes: 1234, inMemory: 1 });
  health = await openVolunteerHealth({ port: 0, isLive: () => isLive, isReady: () => isReady, counters, spoolSize });
});

afterEach(() => health.close());

const get = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${health.port}${path}`, init);

test('/livez and /readyz answer 200 or 503, independently', async () => {
  const both = async () => [(await get('/livez')).status, (await get('/readyz')).status];

  expect(await both()).toStrictEqual([200, 200]);
  isLive = false;
  expect(await both()).toStrictEqual([503, 200]);
  [isLive, isReady] = [true, false];
  expect(await both()).toStrictEqual([200, 503]);
});

test('a request target in absolute form is answered', async () => {
  const request = http.get({ port: health.port, path: 'http://volunteer:8082/livez?verbose', agent: false });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();

  expect(response.statusCode).toBe(200);
});

test('an unknown path is 404, and a method other than GET and HEAD is 405', async () => {
  const head = await get('/livez', { method: 'HEAD' });
  const post = await get('/livez', { method: 'POST', body: 'x' });

  expect([(await get('/')).status, (await get('/metrics/')).status, head.status, post.status]).toStrictEqual([
    404, 404, 200, 405,
  ]);
  expect(post.headers.get('allow')).toBe('GET, HEAD');
});

test('the metrics have the last success, the spool, the reports, and failures by cause', async () => {
  counters.add('made', 5);
  counters.add('stored', 2);
  counters.succeed(new Date('2026-11-21T00:00:00.500Z'), 'duplicate');
  counters.fail('delivery', 'unavailable');
  counters.fail('delivery', 'unavailable');
  counters.fail('gathering', 'forbidden');
  counters.setFailing('unauthenticated');

  const response = await get('/metrics');
  const text = await response.text();

  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(text.split('\n').filter((line) => !line.startsWith('#'))).toStrictEqual([
    'spartakus_volunteer_last_success_timestamp_seconds 1795219200.5',
    'spartakus_volunteer_delivery_failing{cause="unauthenticated"} 1',
    'spartakus_volunteer_spool_reports 3',
    'spartakus_volunteer_spool_memory_reports 1',
    'spartakus_volunteer_spool_bytes 1234',
    'spartakus_volunteer_reports_made_total 5',
    'spartakus_volunteer_reports_stored_total 2',
    'spartakus_volunteer_reports_rejected_total 0',
    'spartakus_volunteer_reports_dropped_total 0',
    'spartakus_volunteer_reports_corrupt_total 0',
    'spartakus_volunteer_failures_total{during="delivery",cause="unavailable"} 2',
    'spartakus_volunteer_failures_total{during="gathering",cause="forbidden"} 1',
    '',
  ]);
  expect(text.match(/^# (HELP|TYPE) /gm)).toHaveLength(22);
});

test('the status has the last delivery, failures since, and what waits', async () => {
  const status = async (): Promise<unknown> => (await get('/status')).json();

  expect(await status()).toStrictEqual({ rejected: 0, waiting: 3, waitingInMemory: 1 });
  counters.fail('gathering', 'forbidden');
  counters.setFailing('unauthenticated');
  expect(await status()).toMatchObject({ gatheringFailure: 'forbidden', deliveryFailure: 'unauthenticated' });
  counters.add('made');
  counters.add('rejected', 2);
  counters.setFailing(undefined);
  counters.succeed(new Date('2026-11-21T00:00:00.500Z'), 'duplicate');
  expect(await status()).toStrictEqual({
    lastDelivery: { time: '2026-11-21T00:00:00.500Z', outcome: 'duplicate' },
    rejected: 2,
    waiting: 3,
    waitingInMemory: 1,
  });
});

test('a port in use is rejected with the flag', async () => {
  const options = {
    port: 0,
    isLive: () => true,
    isReady: () => true,
    counters,
    spoolSize: () => ({ reports: 0, bytes: 0, inMemory: 0 }),
  };
  const wildcard = await openVolunteerHealth(options);

  const error = await failureOf(openVolunteerHealth({ ...options, port: wildcard.port }));

  expect(error).toMatchObject({ kind: 'invalid', field: '--health-port' });
  expect(error.message).toContain(`--health-port ${wildcard.port}: cannot be listened on (listen EADDRINUSE`);
  await wildcard.close();
});

test('closes a second time without effect', async () => {
  await health.close();

  await expect(health.close()).resolves.toBeUndefined();
});
