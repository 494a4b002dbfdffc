import { expect, test } from 'vitest';
import { limitStart } from '../../src/collector/start-deadline.ts';
import { createManualClock } from '../support/manual-clock.ts';

const NEVER = new Promise<never>(() => undefined);
const waitsFor = (): string => '--database embedded:./data';

test('a start within its deadline resolves, and leaves no timer', async () => {
  const clock = createManualClock(new Date(0));
  const { promise, resolve } = Promise.withResolvers<string>();
  const started = limitStart(promise, { clock, timeoutMs: 1_000, stop: undefined, waitsFor });
  await clock.asleep();
  clock.advance(999);
  resolve('started');

  await expect(started).resolves.toBe('started');
  expect(clock.sleepers()).toBe(0);
});

test('a start that does not end is an error at its deadline, which names what it waited for', async () => {
  const clock = createManualClock(new Date(0));
  const started = limitStart(NEVER, { clock, timeoutMs: 1_000, stop: undefined, waitsFor });
  await clock.asleep();
  clock.advance(1_000);

  await expect(started).rejects.toThrow(
    'the start did not end within 1000 ms (--start-timeout) while it waited for --database embedded:./data.',
  );
});

test('a start is interrupted at once, also without a deadline', async () => {
  const clock = createManualClock(new Date(0));
  const stop = new AbortController();
  const started = limitStart(NEVER, { clock, timeoutMs: undefined, stop: stop.signal, waitsFor });
  stop.abort();

  await expect(started).rejects.toThrow('the start was interrupted while it waited for --database embedded:./data.');
});

test('the error of a start is passed on', async () => {
  const clock = createManualClock(new Date(0));
  const failed = Promise.reject(new Error('no database'));

  await expect(limitStart(failed, { clock, timeoutMs: 1, stop: undefined, waitsFor })).rejects.toThrow('no database');
});
