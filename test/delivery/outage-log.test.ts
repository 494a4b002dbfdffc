import { beforeEach, expect, test } from 'vitest';
import { createOutageLog } from '../../src/delivery/outage-log.ts';
import { type ErrorKind, SpartakusError } from '../../src/runtime/errors.ts';
import { createKeptLog, type KeptLog } from '../support/log.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

let clock: ManualClock;
let log: KeptLog;

beforeEach(() => {
  clock = createManualClock(new Date('2026-11-21T00:00:00Z'));
  log = createKeptLog();
});

const open = (waiting?: () => number) =>
  createOutageLog({ clock, logger: log.logger, failing: 'It fails', working: 'It works', ...(waiting && { waiting }) });
const error = (kind: ErrorKind = 'unavailable') => new SpartakusError(kind, `${kind}.`);
const last = () => log.lines.at(-1);

test('an outage is ongoing from its first failure to its end', () => {
  const outage = open();
  expect(outage.isOngoing()).toBe(false);

  outage.fail(error());
  expect(outage.isOngoing()).toBe(true);
  outage.end();

  expect(outage.isOngoing()).toBe(false);
});

test('an end without an outage is not logged', () => {
  open().end(3);

  expect(log.lines).toStrictEqual([]);
});

test('a failure between two warnings is logged for debugging, with the same fields', () => {
  const outage = open(() => 7);
  outage.fail(error());
  clock.advance(DAY_MS - 1);

  outage.fail(error());

  expect(log.lines.map(({ level, fields }) => ({ level, fields }))).toStrictEqual([
    { level: 'warn', fields: { kind: 'unavailable', waiting: 7 } },
    { level: 'debug', fields: { kind: 'unavailable', waiting: 7 } },
  ]);
  expect(last()?.message).toBe('It fails: unavailable.');
});

test('the same cause is logged again after a day, with the time that the outage has lasted', () => {
  const outage = open(() => 7);
  outage.fail(error());
  clock.advance(DAY_MS);

  outage.fail(error());

  expect(last()).toStrictEqual({
    level: 'warn',
    fields: { kind: 'unavailable', waiting: 7, forSeconds: 86_400 },
    message: 'It fails, for 1 d now: unavailable.',
  });
  clock.advance(DAY_MS - 1);
  outage.fail(error());
  expect(last()?.level).toBe('debug');
});

test('another cause is logged after an hour, and not before', () => {
  const outage = open();
  outage.fail(error());
  clock.advance(HOUR_MS - 1);
  outage.fail(error('forbidden'));
  expect(last()).toStrictEqual({ level: 'debug', fields: { kind: 'forbidden' }, message: 'It fails: forbidden.' });

  clock.advance(1);
  outage.fail(error('forbidden'));

  expect(last()?.message).toBe('It fails, for 1 h now: forbidden.');
});

test('the first failure of another outage is logged at once', () => {
  const outage = open();
  outage.fail(error());
  clock.advance(SECOND_MS);
  outage.end();
  clock.advance(SECOND_MS);

  outage.fail(error());
  clock.advance(2 * SECOND_MS);
  outage.end();

  const begin = 'It fails: unavailable. It will be retried; while it fails, this is logged once a day.';
  expect(log.messages()).toStrictEqual([begin, 'It works, after 1 s.', begin, 'It works, after 2 s.']);
});

test('a day is counted from the first warning of the same outage', () => {
  const outage = open();
  outage.fail(error());
  clock.advance(23 * HOUR_MS);
  outage.end();
  outage.fail(error());
  clock.advance(DAY_MS - 1);
  outage.fail(error());
  expect(last()?.level).toBe('debug');

  clock.advance(1);
  outage.fail(error());

  expect(last()?.level).toBe('warn');
});

test.each([
  [undefined, {}, ''],
  [0, { reports: 0 }, ''],
  [1, { reports: 1 }, ': 1 report waited, and is stored'],
  [2, { reports: 2 }, ': 2 reports waited, and are stored'],
])('at the end of an outage, %s stored reports are logged', (stored, fields, text) => {
  const outage = open();
  outage.fail(error());
  clock.advance(1_600);

  outage.end(stored);

  expect(last()).toStrictEqual({
    level: 'info',
    fields: { ...fields, forSeconds: 2 },
    message: `It works, after 2 s${text}.`,
  });
});

test.each([
  [0, '0 s'],
  [499, '0 s'],
  [-HOUR_MS, '0 s'],
  [59 * SECOND_MS, '59 s'],
  [MINUTE_MS, '1 min'],
  [61 * SECOND_MS, '1 min 1 s'],
  [HOUR_MS - SECOND_MS, '59 min 59 s'],
  [HOUR_MS + SECOND_MS, '1 h'],
  [HOUR_MS + 2 * MINUTE_MS + SECOND_MS, '1 h 2 min'],
  [DAY_MS - SECOND_MS, '23 h 59 min'],
  [DAY_MS + 5 * MINUTE_MS, '1 d'],
  [50 * HOUR_MS, '2 d 2 h'],
])('an outage of %i ms is shown as %s', (ms, text) => {
  const outage = open();
  outage.fail(error());
  clock.advance(ms);

  outage.end();

  expect(last()?.message).toBe(`It works, after ${text}.`);
});
