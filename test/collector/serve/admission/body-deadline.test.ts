import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createBodyDeadlines } from '../../../../src/collector/serve/admission/body-deadline.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a body that does not arrive in time is rejected once, with a time to retry', () => {
  const onLate = vi.fn<(error: unknown) => void>();
  createBodyDeadlines(5_000)(onLate);

  vi.advanceTimersByTime(4_999);
  expect(onLate).not.toHaveBeenCalled();
  vi.advanceTimersByTime(60_000);

  expect(onLate).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ kind: 'unavailable', retryAfterMs: 1_000 }));
  expect(String(onLate.mock.lastCall?.[0])).toContain('within 5000 ms');
});

test('while it is paused it does not end, and then the client has the whole time again', () => {
  const onLate = vi.fn<(error: unknown) => void>();
  const deadline = createBodyDeadlines(5_000)(onLate);

  deadline.pause();
  vi.advanceTimersByTime(60_000);
  vi.advanceTimersByTime(4_000);
  deadline.restart();
  vi.advanceTimersByTime(4_999);
  expect(onLate).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);

  expect(onLate).toHaveBeenCalledOnce();
});

test('each part of a stream has the whole time', () => {
  const onLate = vi.fn<(error: unknown) => void>();
  const deadline = createBodyDeadlines(5_000)(onLate);

  for (let part = 0; part < 10; part += 1) {
    vi.advanceTimersByTime(3_000);
    deadline.restart();
  }

  expect(onLate).not.toHaveBeenCalled();
});

test('a body that has ended is not late, whether it was paused or not, and cannot start again', () => {
  const onLate = vi.fn<(error: unknown) => void>();
  const start = createBodyDeadlines(5_000);
  const deadlines = [start(onLate), start(onLate)];
  deadlines[0]?.pause();

  for (const deadline of deadlines) deadline.end();
  for (const deadline of deadlines) deadline.restart();
  vi.advanceTimersByTime(60_000);

  expect(onLate).not.toHaveBeenCalled();
});

test('bodies share a timer, and each is late at its own time', () => {
  const late: string[] = [];
  const start = createBodyDeadlines(5_000);
  const first = start(() => late.push('first'));
  vi.advanceTimersByTime(1_000);
  start(() => late.push('second'));
  vi.advanceTimersByTime(1_000);
  start(() => late.push('third'));
  first.restart();

  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(3_999);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(late).toEqual(['second']);
  vi.advanceTimersByTime(1_000);
  expect(late).toEqual(['second', 'third', 'first']);
});

test('the timer does not keep the process running', () => {
  vi.useRealTimers();
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();

  createBodyDeadlines(60_000)(() => undefined);

  expect(timers()).toBe(before);
});
