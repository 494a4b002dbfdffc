import { expect, test } from 'vitest';
import { monitorAvailability } from '../../../src/collector/store/availability.ts';
import type { Outcome } from '../../../src/report/report-sink.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { createKeptLog } from '../../support/log.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { makeReport } from '../../support/reports.ts';

const UNAVAILABLE = 'the database is unavailable: reports are rejected until it is back';
const AVAILABLE = 'the database is available again';
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A monitored store whose availability the test sets. */
function makeMonitored() {
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const log = createKeptLog();
  const changes: boolean[] = [];
  const failure = new SpartakusError('unavailable', 'unavailable', { cause: new Error('connect ECONNREFUSED') });
  const under = {
    checks: 0,
    puts: 0,
    isAvailable: true,
    storesReports: true,
    /** So many of a put are stored where `storesReports` is false. */
    storedFirst: 0,
    failure,
    /** A check ends after it. */
    checked: Promise.resolve(),
  };
  let recover = (): void => undefined;
  const monitored = monitorAvailability(
    {
      onRecovery: (listener) => (recover = listener),
      check: async () => {
        under.checks += 1;
        await under.checked;
        if (!under.isAvailable) throw failure;
      },
      hasReportsFrom: () => Promise.resolve(true),
      put: (entries) => {
        under.puts += 1;
        return Promise.resolve(
          entries.map((_entry, index): Outcome =>
            under.storesReports || index < under.storedFirst
              ? { status: 'stored' }
              : { status: 'failed', error: under.failure },
          ),
        );
      },
    },
    { clock, logger: log.logger, onChange: (isAvailable) => changes.push(isAvailable) },
  );
  const putOne = async (): Promise<string> =>
    (await monitored.put([{ report: makeReport() }])).map(({ status }) => status).join();
  return { clock, log, changes, under, monitored, putOne, recover: () => recover() };
}

test('a store is checked every second, and nothing is logged while it is available', async () => {
  const { clock, log, changes, under } = makeMonitored();

  await clock.pass(5_000, 1);
  await settle();

  expect(under.checks).toBe(6);
  expect(changes).toStrictEqual([]);
  expect(log.messages()).toStrictEqual([]);
});

test('becoming unavailable and available again are each reported once, with the cause in the log', async () => {
  const { clock, log, changes, under } = makeMonitored();

  under.isAvailable = false;
  await clock.pass(60_000, 1);
  await settle();
  under.isAvailable = true;
  await clock.pass(60_000, 1);
  await settle();

  expect(changes).toStrictEqual([false, true]);
  expect(log.messages()).toStrictEqual([UNAVAILABLE, AVAILABLE]);
  expect(log.lines[0]?.fields).toMatchObject({ err: { message: 'connect ECONNREFUSED' } });
});

test('while a store is unavailable, reports are rejected without calling it', async () => {
  const { clock, under, monitored, putOne } = makeMonitored();
  under.isAvailable = false;
  await clock.pass(1_000, 1);
  await settle();

  await expect(putOne()).resolves.toBe('failed');
  await expect(monitored.hasReportsFrom('c')).rejects.toMatchObject({ kind: 'unavailable' });

  expect(under.puts).toBe(0);
});

test('a report that could not be stored is followed by a check at once', async () => {
  const { clock, changes, under, putOne } = makeMonitored();
  await clock.asleep();
  under.isAvailable = false;
  under.storesReports = false;

  await expect(putOne()).resolves.toBe('failed');
  await clock.asleep();

  expect(changes).toStrictEqual([false]);
});

test('one of several reports that could not be stored is enough for a check', async () => {
  const { clock, under, monitored } = makeMonitored();
  await clock.asleep();
  under.storesReports = false;
  under.storedFirst = 1;

  await monitored.put([{ report: makeReport() }, { report: makeReport() }]);
  await clock.asleep();

  expect(under.checks).toBe(2);
});

test('a store is available until a check fails, and looks up clusters', async () => {
  const { clock, under, monitored } = makeMonitored();
  expect(monitored.isAvailable()).toBe(true);
  await expect(monitored.hasReportsFrom('c')).resolves.toBe(true);

  under.isAvailable = false;
  await clock.pass(1_000, 1);
  await settle();

  expect(monitored.isAvailable()).toBe(false);
});

test('a failed put alone does not make a store unavailable', async () => {
  const { clock, changes, under, putOne } = makeMonitored();
  await clock.asleep();
  under.storesReports = false;
  await putOne();
  await clock.asleep();
  under.storesReports = true;

  await expect(putOne()).resolves.toBe('stored');
  expect(changes).toStrictEqual([]);
});

test('an unavailable store is checked at once where it may be back, and an available one is not', async () => {
  const { clock, changes, under, recover } = makeMonitored();
  await clock.asleep();
  recover();
  await clock.pass(1_000, 1);
  await settle();
  expect(under.checks).toBe(2);
  under.isAvailable = false;
  await clock.pass(1_000, 1);
  await settle();

  under.isAvailable = true;
  recover();
  await settle();

  expect(changes).toStrictEqual([false, true]);
});

test('each reason is reported once', async () => {
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const log = createKeptLog();
  const reasons: (string | undefined)[] = [];
  let message: string | undefined = 'the disk is full';
  monitorAvailability(
    {
      check: async () => {
        await Promise.resolve();
        if (message !== undefined) throw new SpartakusError('unavailable', message);
      },
      hasReportsFrom: () => Promise.resolve(true),
      put: () => Promise.resolve([]),
    },
    { clock, logger: log.logger, onChange: (_isAvailable, reason) => reasons.push(reason) },
  );

  for (const next of ['the engine failed', undefined]) {
    await clock.pass(3_000, 1);
    message = next;
  }
  await clock.pass(3_000, 1);
  await settle();

  expect(reasons).toStrictEqual(['the disk is full', 'the engine failed', undefined]);
  expect(log.messages()).toStrictEqual([UNAVAILABLE, UNAVAILABLE, AVAILABLE]);
});

test('after it is stopped it checks and reports nothing', async () => {
  const { clock, changes, log, under, monitored } = makeMonitored();
  await clock.asleep();
  under.isAvailable = false;

  monitored.stop();
  clock.advance(10_000);
  await settle();

  expect([under.checks, changes, log.messages()]).toStrictEqual([1, [], []]);
});

test('after it is stopped nothing sleeps, and a check that ends later changes nothing', async () => {
  const { clock, changes, log, under, monitored } = makeMonitored();
  const checked = Promise.withResolvers<void>();
  await clock.asleep();
  under.isAvailable = false;
  under.checked = checked.promise;
  clock.advance(1_000);
  await settle();

  monitored.stop();
  checked.resolve();
  await settle();

  expect([under.checks, changes, log.messages(), clock.sleepers()]).toStrictEqual([2, [], [], 0]);
});

test('a monitor that is stopped while it sleeps wakes and ends', async () => {
  const { clock, under, monitored } = makeMonitored();
  await clock.asleep();

  monitored.stop();
  await settle();

  expect([under.checks, clock.sleepers()]).toStrictEqual([1, 0]);
});

test('failed writes are followed by one check each, and then by one a second', async () => {
  const { clock, under, putOne } = makeMonitored();
  await clock.asleep();
  under.storesReports = false;

  await putOne();
  await clock.asleep();
  await settle();
  expect(under.checks).toBe(2);
  await clock.pass(3_000, 1);
  await settle();

  expect(under.checks).toBe(5);
});

test('a report that is rejected for good does not cause a check', async () => {
  const { under, putOne } = makeMonitored();
  await settle();
  under.storesReports = false;
  under.failure = new SpartakusError('too-large', 'too large');

  await putOne();
  await settle();

  expect(under.checks).toBe(1);
});
