import { expect, test } from 'vitest';
import { startDescriptorCheck } from '../../../src/collector/serve/descriptor-check.ts';
import { createKeptLog } from '../../support/log.ts';
import { createManualClock } from '../../support/manual-clock.ts';

test('a lack of file descriptors is counted at each check, and logged when it begins and when it ends', async () => {
  const log = createKeptLog();
  const clock = createManualClock(new Date(0));
  const stop = new AbortController();
  let failure: NodeJS.ErrnoException | undefined;
  const check = startDescriptorCheck({
    clock,
    logger: log.logger,
    stop: stop.signal,
    tryOpen: () => (failure === undefined ? Promise.resolve() : Promise.reject(failure)),
  });
  const checkAgain = async (code?: string): Promise<void> => {
    failure = code === undefined ? undefined : Object.assign(new Error(code), { code });
    clock.advance(1_000);
    await clock.asleep();
  };
  await clock.asleep();

  await checkAgain('EACCES');
  expect(check.exhaustions).toBe(0);
  await checkAgain('EMFILE');
  await checkAgain('ENFILE');
  expect(log.messages('info')).toStrictEqual([]);
  await checkAgain();
  stop.abort();

  expect(check.exhaustions).toBe(2);
  expect(log.messages('error')).toHaveLength(1);
  expect(log.messages('error')[0]).toMatch(/^out of file descriptors/);
  expect(log.lines[0]?.fields).toStrictEqual({ code: 'EMFILE' });
  expect(log.messages('info')).toStrictEqual(['there are free file descriptors again']);
});

test('by default a file of the system is opened, which is closed again, until the stop', async () => {
  const log = createKeptLog();
  const clock = createManualClock(new Date(0));
  const stop = new AbortController();
  const check = startDescriptorCheck({ clock, logger: log.logger, stop: stop.signal });
  for (let time = 0; time < 3; time += 1) {
    await expect(clock.asleep()).resolves.toBe(1_000);
    clock.advance(1_000);
  }
  await clock.asleep();

  stop.abort();

  expect([check.exhaustions, clock.sleepers(), log.lines.length]).toStrictEqual([0, 0, 0]);
});

test('nothing is checked after the stop', async () => {
  let checks = 0;
  const clock = createManualClock(new Date(0));
  const tryOpen = () => Promise.resolve(void (checks += 1));
  startDescriptorCheck({ clock, logger: createKeptLog().logger, stop: AbortSignal.abort(), tryOpen });
  await new Promise((resolve) => setImmediate(resolve));

  expect(checks).toBe(0);
});
