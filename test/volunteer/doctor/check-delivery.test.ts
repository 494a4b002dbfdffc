import { afterEach, beforeEach, expect, test } from 'vitest';
import { createCounters, type Counters } from '../../../src/delivery/counters.ts';
import { checkDelivery } from '../../../src/volunteer/doctor/check-delivery.ts';
import { openVolunteerHealth, type VolunteerHealth } from '../../../src/volunteer/health-server.ts';
import { withFiles } from '../../support/files.ts';
import { startServer } from '../../support/http-server.ts';

const AT = new Date('2026-11-21T10:00:00Z');

let counters: Counters;
let health: VolunteerHealth;
let waiting: number;

beforeEach(async () => {
  counters = createCounters();
  waiting = 0;
  const spoolSize = () => ({ reports: waiting, bytes: 0, inMemory: 0 });
  const isTrue = () => true;
  health = await openVolunteerHealth({ port: 0, isLive: isTrue, isReady: isTrue, counters, spoolSize });
});

afterEach(() => health.close());

/** The line of a doctor beside the volunteer. */
async function check(): Promise<string> {
  const found = await checkDelivery({ healthPort: health.port });
  return `${found?.status} ${found?.name}: ${found?.message}`;
}

test('before the first report, that is said', async () => {
  await expect(check()).resolves.toMatch(/^warn delivery: no report of this run is stored yet .*; none waits$/);
});

test('the last report was stored, or was a duplicate', async () => {
  counters.succeed(AT, 'stored');
  await expect(check()).resolves.toBe(
    'ok delivery: the last report was stored at 2026-11-21T10:00:00.000Z; none waits',
  );

  counters.succeed(AT, 'duplicate');
  waiting = 1;
  await expect(check()).resolves.toBe(
    'ok delivery: the last report was stored before (duplicate), acknowledged at 2026-11-21T10:00:00.000Z; 1 report waits',
  );
});

test('a failure since is a failure, with its cause and what waits', async () => {
  counters.succeed(AT, 'stored');
  counters.fail('delivery', 'unauthenticated');
  waiting = 2;
  await expect(check()).resolves.toBe(
    'FAIL delivery: the last attempt to deliver a report failed (unauthenticated); the last report was stored at 2026-11-21T10:00:00.000Z; 2 reports wait',
  );

  counters.fail('gathering', 'forbidden');
  await expect(check()).resolves.toMatch(/^FAIL delivery: the last attempt to make a report failed \(forbidden\); /);
});

test('rejected reports are a warning', async () => {
  counters.succeed(AT, 'stored');
  counters.add('rejected', 3);

  await expect(check()).resolves.toMatch(/^warn delivery: .*; rejected reports, see the log: 3$/);
});

test('where no volunteer runs, nothing fails', async () => {
  await health.close();

  await expect(check()).resolves.toMatch(/^ok delivery: no volunteer with --health-port \d+ runs here/);
});

test.each(['', 'ok', '{}', '{"rejected":0,"waiting":0,"waitingInMemory":0,"deliveryFailure":"\\u001b[31m"}'])(
  'another server on the port is a warning: %j',
  async (body) => {
    const server = await startServer((_body, response) => response.end(body));
    const healthPort = Number(new URL(server.url).port);

    await expect(checkDelivery({ healthPort })).resolves.toMatchObject({
      status: 'warn',
      message: expect.stringMatching(/is not the status of a volunteer/) as string,
    });
    await server.close();
  },
);

test('a server that does not respond is a warning', async () => {
  const server = await startServer(() => undefined);
  const healthPort = Number(new URL(server.url).port);

  await expect(checkDelivery({ healthPort }, 20)).resolves.toMatchObject({
    status: 'warn',
    message: expect.stringMatching(/no response within 0.02 s/) as string,
  });
  await server.close();
});

test('without --health-port, the reports in the spool directory are counted', async () => {
  await withFiles({ 'a.report': '', 'b.report': '', 'id-key': '' }, async (spoolDir) => {
    await expect(checkDelivery({ spoolDir })).resolves.toMatchObject({
      status: 'ok',
      message: expect.stringMatching(/^2 reports wait in --spool-dir; .*--health-port/) as string,
    });
    await expect(checkDelivery({ spoolDir: `${spoolDir}/none` })).resolves.toBeUndefined();
  });
  await expect(checkDelivery({})).resolves.toBeUndefined();
});
