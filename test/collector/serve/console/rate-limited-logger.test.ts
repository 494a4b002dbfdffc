import { expect, test } from 'vitest';
import { createRateLimitedLogger } from '../../../../src/collector/serve/console/rate-limited-logger.ts';
import { createKeptLog } from '../../../support/log.ts';
import { createManualClock } from '../../../support/manual-clock.ts';

function make(verbose = false) {
  const clock = createManualClock(new Date(1_000_000));
  const log = createKeptLog();
  const stop = new AbortController();
  return {
    clock,
    log,
    stop,
    limited: createRateLimitedLogger({ logger: log.logger, clock, verbose, stop: stop.signal }),
  };
}

/** Lets what was woken go on. */
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('a line alone is written at once, as it is', () => {
  const { limited, log } = make();

  limited.warn({ a: 1 }, 'once');

  expect(log.lines).toStrictEqual([{ level: 'warn', fields: { a: 1 }, message: 'once' }]);
});

test('of a flood there is a line a second, which says how many more there were', async () => {
  const { limited, log, clock } = make();
  const seconds = 10;

  for (let tick = 0; tick < seconds * 100; tick += 1) {
    for (let event = 0; event < 50; event += 1)
      limited.info({ tick }, event % 5 === 0 ? 'rejected: invalid' : 'rejected: too-large');
    clock.advance(10);
    await settle();
  }

  expect(log.lines).toHaveLength(seconds + 1);
  expect(log.lines[0]?.message).toBe('rejected: invalid');
  expect(log.lines[1]).toStrictEqual({
    level: 'info',
    fields: { tick: 0, inTheLastSecond: { 'rejected: invalid': 999, 'rejected: too-large': 4_000 } },
    message: 'rejected: too-large, and 4,998 more in the last second',
  });
  // Nothing is lost: the first line, and all that were summed up.
  const summed = log.lines
    .slice(1)
    .flatMap(({ fields }) => Object.values((fields as { inTheLastSecond: Record<string, number> }).inTheLastSecond));
  expect(summed.reduce((sum, count) => sum + count, 1)).toBe(seconds * 5_000);
});

test('the line is of the worst that was left out', async () => {
  const { limited, log, clock } = make();
  limited.info({}, 'rejected: invalid');

  limited.info({}, 'rejected: invalid');
  limited.error({ err: 'x' }, 'a request failed');
  limited.info({}, 'rejected: invalid');
  clock.advance(1_000);
  await settle();

  expect(log.lines[1]).toMatchObject({
    level: 'error',
    fields: { err: 'x' },
    message: 'a request failed, and 2 more in the last second',
  });
});

test('one more alone is written as it is, a second after the line before', async () => {
  const { limited, log, clock } = make();
  limited.info({ n: 1 }, 'rejected: invalid');
  clock.advance(400);
  limited.info({ n: 2 }, 'rejected: invalid');

  await expect(clock.asleep()).resolves.toBe(600);
  clock.advance(600);
  await settle();

  expect(log.lines[1]).toStrictEqual({ level: 'info', fields: { n: 2 }, message: 'rejected: invalid' });
});

test('a second after a line, the next one is written at once', () => {
  const { limited, log, clock } = make();
  limited.info({}, 'first');

  clock.advance(1_000);
  limited.info({}, 'second');

  expect(log.messages()).toStrictEqual(['first', 'second']);
});

test('a line that comes before a late summary is part of it', async () => {
  const { limited, log, clock } = make();
  limited.info({}, 'first');
  limited.info({}, 'second');

  clock.advance(1_500);
  limited.info({}, 'third');
  await settle();

  expect(log.messages()).toStrictEqual(['first', 'second, and 1 more in the last second']);
});

test('what is left is said when the program stops', async () => {
  const { limited, log, stop } = make();
  for (let count = 0; count < 3; count += 1) limited.info({}, 'rejected: invalid');

  stop.abort();
  await settle();

  expect(log.messages()).toStrictEqual(['rejected: invalid', 'rejected: invalid, and 1 more in the last second']);
});

test('debug lines are written, and take the second, only where they are asked for', () => {
  const [terse, verbose] = [make(), make(true)];

  for (const { limited } of [terse, verbose]) {
    limited.debug({}, 'detail');
    limited.info({}, 'event');
  }

  expect(terse.log.lines.map(({ message }) => message)).toStrictEqual(['event']);
  expect(verbose.log.lines.map(({ message }) => message)).toStrictEqual(['detail']);
});

test('a clock that was set back does not silence the log', () => {
  const { limited, log, clock } = make();
  limited.info({}, 'before');

  clock.advance(-3_600_000);
  limited.info({}, 'after');

  expect(log.messages()).toStrictEqual(['before', 'after']);
});

test('a flood has one timer, and two summaries do not count the same lines', async () => {
  const { limited, log, clock } = make();
  const flood = async (): Promise<void> => {
    for (let count = 0; count < 100; count += 1) limited.info({}, 'rejected: invalid');
    expect(clock.sleepers()).toBe(1);
    clock.advance(1_000);
    await settle();
  };

  await flood();
  await flood();

  expect(log.messages()).toStrictEqual([
    'rejected: invalid',
    'rejected: invalid, and 98 more in the last second',
    'rejected: invalid, and 99 more in the last second',
  ]);
  expect(clock.sleepers()).toBe(0);
});
