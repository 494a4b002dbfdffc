import { expect, test } from 'vitest';
import { watchStore } from '../../../src/collector/store/availability.ts';
import type { Outcome } from '../../../src/report/report-sink.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { makeReport } from '../../contract/report-sink.ts';
import { createKeptLog } from '../../support/log.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const AWAY = 'the database is away: reports are refused until it is back';
const BACK = 'the database is back';
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A watched store that is there or not as the test says. */
function makeWatched() {
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const log = createKeptLog();
  const changes: boolean[] = [];
  const under = { checks: 0, puts: 0, isThere: true, takesReports: true };
  const away = new SpartakusError('unavailable', 'away', { cause: new Error('connect ECONNREFUSED') });
  const watched = watchStore(
    {
      check: () => {
        under.checks += 1;
        return under.isThere ? Promise.resolve() : Promise.reject(away);
      },
      knows: () => Promise.resolve(true),
      put: (entries) => {
        under.puts += 1;
        return Promise.resolve(
          entries.map((): Outcome => (under.takesReports ? { status: 'stored' } : { status: 'failed', error: away })),
        );
      },
    },
    { clock, logger: log.logger, onChange: (isThere) => changes.push(isThere) },
  );
  const putOne = async (): Promise<string> =>
    (await watched.put([{ report: makeReport() }])).map(({ status }) => status).join();
  return { clock, log, changes, under, watched, putOne };
}

test('a store is looked at every second, and nothing is said as long as it is there', async () => {
  const { clock, log, changes, under } = makeWatched();

  await clock.pass(5_000, 1);
  await settle();

  expect(under.checks).toBe(6);
  expect(changes).toStrictEqual([]);
  expect(log.messages()).toStrictEqual([]);
});

test('going away and coming back are told once each, with the cause in the log', async () => {
  const { clock, log, changes, under } = makeWatched();

  under.isThere = false;
  await clock.pass(60_000, 1);
  await settle();
  under.isThere = true;
  await clock.pass(60_000, 1);
  await settle();

  expect(changes).toStrictEqual([false, true]);
  expect(log.messages()).toStrictEqual([AWAY, BACK]);
  expect(log.lines[0]?.fields).toMatchObject({ err: { message: 'connect ECONNREFUSED' } });
});

test('while a store is away, reports are refused without asking it', async () => {
  const { clock, under, watched, putOne } = makeWatched();
  under.isThere = false;
  await clock.pass(1_000, 1);
  await settle();

  await expect(putOne()).resolves.toBe('failed');
  await expect(watched.knows('c')).rejects.toMatchObject({ kind: 'unavailable' });

  expect(under.puts).toBe(0);
});

test('a report that could not be stored is followed by a look at once', async () => {
  const { clock, changes, under, putOne } = makeWatched();
  await clock.asleep();
  under.isThere = false;
  under.takesReports = false;

  await expect(putOne()).resolves.toBe('failed');
  await clock.asleep();

  expect(changes).toStrictEqual([false]);
});

test('a report that could not be stored by a store that is there otherwise does not make it away', async () => {
  const { clock, changes, under, putOne } = makeWatched();
  await clock.asleep();
  under.takesReports = false;
  await putOne();
  await clock.asleep();
  under.takesReports = true;

  await expect(putOne()).resolves.toBe('stored');
  expect(changes).toStrictEqual([]);
});

test('once it is stopped it looks no more, and says no more', async () => {
  const { clock, changes, log, under, watched } = makeWatched();
  await clock.asleep();
  under.isThere = false;

  watched.stop();
  clock.advance(10_000);
  await settle();

  expect([under.checks, changes, log.messages()]).toStrictEqual([1, [], []]);
});
