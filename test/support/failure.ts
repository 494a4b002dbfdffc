import { expect } from 'vitest';
import { SpartakusError } from '../../src/runtime/errors.ts';

/** The error of a call that must fail with one of ours. */
export async function failureOf(call: Promise<unknown>): Promise<SpartakusError> {
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(SpartakusError);
  return SpartakusError.from(failure);
}
