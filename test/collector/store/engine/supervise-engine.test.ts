import { queryObjects } from 'node:v8';
import { expect, test } from 'vitest';
import type { Engine } from '../../../../src/collector/store/engine/start-engine.ts';
import { type SupervisedEngine, superviseEngine } from '../../../../src/collector/store/engine/supervise-engine.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { createKeptLog } from '../../../support/log.ts';
import { createManualClock } from '../../../support/manual-clock.ts';

interface FakeEngine extends Engine {
  fail(): void;
}

function createEngine(): FakeEngine {
  const { promise, resolve } = Promise.withResolvers<SpartakusError | undefined>();
  return {
    uri: 'mongodb://x',
    pid: 1,
    exited: promise,
    fail: () => resolve(new SpartakusError('unavailable', 'it failed')),
    close: () => Promise.resolve(resolve(undefined)),
  };
}

/** Resolves once operations succeed. */
const runsAgain = (engine: SupervisedEngine): Promise<void> =>
  expect.poll(() => engine.use(() => Promise.resolve('done'))).toBe('done');

function supervise(start?: () => Promise<FakeEngine>) {
  const clock = createManualClock(new Date(0));
  const log = createKeptLog();
  const engines: FakeEngine[] = [createEngine()];
  const startNext = (): Promise<FakeEngine> => {
    const engine = createEngine();
    engines.push(engine);
    return Promise.resolve(engine);
  };
  const supervised = superviseEngine(engines[0] as FakeEngine, {
    start: start ?? startNext,
    clock,
    random: () => 0.5,
    logger: log.logger,
  });
  return { clock, log, engines, supervised };
}

test('an engine that ends is started again after a growing pause with a limit', async () => {
  const { clock, engines, supervised, log } = supervise();
  const pauses: number[] = [];
  for (let end = 0; end < 10; end += 1) {
    engines.at(-1)?.fail();
    pauses.push(await clock.asleep());
    await expect(supervised.use(() => Promise.resolve(1))).rejects.toMatchObject({ cause: { message: 'it failed' } });
    clock.advance(pauses.at(-1) ?? 0);
    await runsAgain(supervised);
  }

  expect(pauses).toStrictEqual([188, 375, 750, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500, 22_500]);
  expect(log.messages('error')[0]).toBe(
    "MongoDB's embedded engine does not run, and reports are rejected until it does: it failed",
  );
  await supervised.close();
});

test('the pause is short again after an engine that ran for a minute', async () => {
  const { clock, engines, supervised } = supervise();
  const endAfter = async (ms: number): Promise<number> => {
    clock.advance(ms);
    engines.at(-1)?.fail();
    const pauseMs = await clock.asleep();
    clock.advance(pauseMs);
    await runsAgain(supervised);
    return pauseMs;
  };

  expect([await endAfter(0), await endAfter(59_999), await endAfter(60_000)]).toStrictEqual([188, 375, 188]);
  await supervised.close();
});

test('a start that fails is repeated, and its reason is logged', async () => {
  let starts = 0;
  const { clock, engines, supervised, log } = supervise(async () => {
    starts += 1;
    if (starts < 3) throw new SpartakusError('unavailable', `start ${starts} failed`);
    return Promise.resolve(createEngine());
  });
  engines[0]?.fail();
  for (let start = 0; start < 3; start += 1) clock.advance(await clock.asleep());
  await runsAgain(supervised);

  expect(log.messages('error').map((message) => message.split(': ')[1])).toStrictEqual([
    'it failed',
    'start 1 failed',
    'start 2 failed',
  ]);
  expect(log.messages('info')).toStrictEqual(["MongoDB's embedded engine runs again."]);
  await supervised.close();
});

test('close ends the pause before a start, and no engine is started any more', async () => {
  const { clock, engines, supervised } = supervise();
  engines[0]?.fail();
  await clock.asleep();

  await supervised.close();

  expect(engines).toHaveLength(1);
});

test('close waits for a start that is in progress, and closes its engine', async () => {
  const called = Promise.withResolvers<void>();
  const started = Promise.withResolvers<FakeEngine>();
  const { clock, engines, supervised } = supervise(() => {
    called.resolve();
    return started.promise;
  });
  engines[0]?.fail();
  clock.advance(await clock.asleep());
  await called.promise;
  const late = createEngine();

  const closed = supervised.close();
  started.resolve(late);
  await closed;

  await expect(late.exited).resolves.toBeUndefined();
});

test('operations in progress fail as retryable when the engine ends', async () => {
  const { engines, supervised } = supervise();
  const never = Promise.withResolvers<void>();
  const operations = [supervised.use(() => never.promise), supervised.use(() => never.promise)];
  const results = Promise.allSettled(operations);
  engines[0]?.fail();

  await expect(results).resolves.toMatchObject(
    operations.map(() => ({ reason: { kind: 'unavailable', retryAfterMs: 5_000, cause: { message: 'it failed' } } })),
  );
  await supervised.close();
});

test('operations that have ended are not kept for the life of the engine', async () => {
  const { supervised } = supervise();
  const run = async (count: number): Promise<number> => {
    for (let each = 0; each < count; each += 1) await supervised.use(() => Promise.resolve());
    return queryObjects(Function, { format: 'count' });
  };
  const before = await run(10);

  // Each operation has functions of its own. Those of others in this process are fewer.
  expect((await run(2_000)) - before).toBeLessThan(1_000);
  await supervised.close();
});
