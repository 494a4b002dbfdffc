import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startBodyDeadline } from '../../../../src/collector/serve/admission/body-deadline.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a body that does not arrive in time is rejected once, with a time to retry', () => {
  const onLate = vi.fn<(error: unknown) => void>();
  startBodyDeadline(5_000, onLate);

  vi.advanceTimersByTime(4_999);
  expect(onLate).not.toHaveBeenCalled();
  vi.advanceTimersByTime(60_000);

  expect(onLate).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ kind: 'unavailable', retryAfterMs: 1_000 }));
  expect(String(onLate.mock.lastCall?.[0])).toContain('within 5000 ms');
});

test('while it is paused it does not end, and then the client has the whole time again', () => {
  const onLate = vi.fn<(error: unknown) => void>();
  const deadline = startBodyDeadline(5_000, onLate);

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
  const deadline = startBodyDeadline(5_000, onLate);

  for (let part = 0; part < 10; part += 1) {
    vi.advanceTimersByTime(3_000);
    deadline.restart();
  }

  expect(onLate).not.toHaveBeenCalled();
});

test('a body that has ended leaves no timer, whether it was paused or not', () => {
  const onLate = vi.fn<(error: unknown) => void>();
  const deadlines = [startBodyDeadline(5_000, onLate), startBodyDeadline(5_000, onLate)];
  deadlines[0]?.pause();

  for (const deadline of deadlines) deadline.end();

  expect(vi.getTimerCount()).toBe(0);
});
