import { expect } from 'vitest';
import { SpartakusError } from '../../src/runtime/errors.ts';

/** Resolves with the error of a call that must fail with a SpartakusError. */
export async function failureOf(call: Promise<unknown>): Promise<SpartakusError> {
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(SpartakusError);
  return SpartakusError.from(failure);
}
