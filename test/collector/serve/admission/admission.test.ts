import { expect, test, vi } from 'vitest';
import { createAdmission } from '../../../../src/collector/serve/admission/admission.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { createManualClock } from '../../../support/manual-clock.ts';

const ORIGIN = { protocol: 'grpc', addressKey: '192.0.2.1' } as const;
const UNKNOWN = { protocol: 'grpc' } as const;

function makeAdmission(limits: { readonly requests?: number; readonly bytes?: number }) {
  const clock = createManualClock(new Date(0));
  const authenticate = vi.fn<() => void>();
  const rejectIfFull = vi.fn<() => void>();
  const admission = createAdmission({
    limits: { requestsPerSecondPerAddress: limits.requests ?? 0, bytesPerSecondPerAddress: limits.bytes ?? 0 },
    authenticate,
    ingest: { rejectIfFull },
    clock,
  });
  return { admission, clock, authenticate, rejectIfFull };
}

test('a stream waits for the rate of its address, as soon as its burst is used', async () => {
  const { admission, clock } = makeAdmission({ requests: 2 });
  const { signal } = new AbortController();
  for (let sent = 0; sent < 10; sent += 1) await admission.pace(ORIGIN, signal);

  const paced = admission.pace(ORIGIN, signal);

  await expect(clock.asleep()).resolves.toBe(500);
  clock.advance(500);
  await paced;
});

test('a stream waits until its address is out of debt, which it has of bytes', async () => {
  const { admission, clock } = makeAdmission({ requests: 1_000, bytes: 100 });
  const { signal } = new AbortController();
  // The burst is that of 16 seconds.
  admission.chargeBytes(ORIGIN, 1_600 + 300);

  expect(() => admission.rejectIfInDebt(ORIGIN)).toThrow(
    expect.objectContaining({ kind: 'rate-limited', retryAfterMs: 3_000 }),
  );
  void admission.pace(ORIGIN, signal);
  await expect(clock.asleep()).resolves.toBe(3_000);

  clock.advance(3_000);
  expect(() => admission.rejectIfInDebt(ORIGIN)).not.toThrow();
});

test('a stream whose client leaves does not wait on', async () => {
  const { admission, clock } = makeAdmission({ bytes: 1 });
  const leaving = new AbortController();
  admission.chargeBytes(ORIGIN, 1_000);
  const paced = admission.pace(ORIGIN, leaving.signal);
  await clock.asleep();

  leaving.abort();

  await paced;
  expect(clock.sleepers()).toBe(0);
});

test('requests of which no client is known have no limit of an address', async () => {
  const { admission, clock } = makeAdmission({ requests: 1, bytes: 1 });

  for (let sent = 0; sent < 100; sent += 1) {
    admission.admitRequest(UNKNOWN);
    admission.chargeBytes(UNKNOWN, 1_000_000);
    await admission.pace(UNKNOWN, new AbortController().signal);
  }

  expect(clock.sleepers()).toBe(0);
});

test('the token is checked after the rates, and the capacity after the token', () => {
  const { admission, authenticate, rejectIfFull } = makeAdmission({ requests: 1 });
  authenticate.mockImplementation(() => {
    throw new SpartakusError('unauthenticated', 'no token');
  });
  for (let sent = 0; sent < 5; sent += 1)
    expect(() => admission.admitReport(ORIGIN, {})).toThrow(expect.objectContaining({ kind: 'unauthenticated' }));
  expect(() => admission.admitReport(ORIGIN, {})).toThrow(expect.objectContaining({ kind: 'rate-limited' }));

  expect(authenticate).toHaveBeenCalledTimes(5);
  expect(rejectIfFull).not.toHaveBeenCalled();
});

test('an address has five seconds of its requests at once, and is told when it may send the next one', () => {
  const { admission, clock } = makeAdmission({ requests: 2 });
  for (let sent = 0; sent < 10; sent += 1) admission.admitRequest(ORIGIN);

  expect(() => admission.admitRequest(ORIGIN)).toThrow(
    expect.objectContaining({
      kind: 'rate-limited',
      retryAfterMs: 500,
      message: expect.stringContaining('2 requests a second') as string,
    }) as Error,
  );
  expect(() => admission.admitRequest({ protocol: 'grpc', addressKey: '192.0.2.2' })).not.toThrow();
  clock.advance(500);
  expect(() => admission.admitRequest(ORIGIN)).not.toThrow();
});

test('an address in debt of bytes sends no report, and is told so in tenths of a second', () => {
  const { admission, authenticate } = makeAdmission({ bytes: 3 });
  admission.chargeBytes(ORIGIN, 3 * 16);
  expect(() => admission.admitReport(ORIGIN, {})).not.toThrow();
  admission.chargeBytes(ORIGIN, 1);

  expect(() => admission.admitReport(ORIGIN, {})).toThrow(
    expect.objectContaining({
      kind: 'rate-limited',
      retryAfterMs: 400,
      message: expect.stringContaining('3 bytes a second') as string,
    }) as Error,
  );
  expect(authenticate).toHaveBeenCalledTimes(1);
  expect(() => admission.admitRequest(ORIGIN)).not.toThrow();
});

test('a report is admitted with its headers where it has a token and there is capacity', () => {
  const { admission, authenticate, rejectIfFull } = makeAdmission({});
  const headers = { authorization: 'Bearer x' };

  admission.admitReport(ORIGIN, headers);

  expect(authenticate).toHaveBeenCalledExactlyOnceWith(headers);
  expect(rejectIfFull).toHaveBeenCalledOnce();
});

test('a stream within its rate does not wait', async () => {
  const { admission, clock } = makeAdmission({ requests: 2 });

  await admission.pace(ORIGIN, new AbortController().signal);

  expect(clock.sleepers()).toBe(0);
});
