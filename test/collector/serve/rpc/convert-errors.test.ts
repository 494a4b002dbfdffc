import { Code, type UnaryResponse } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { convertErrors, convertIterable } from '../../../../src/collector/serve/rpc/convert-errors.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';

const AWAY = new SpartakusError('unavailable', 'away');

async function* failAfterOne(reason: unknown): AsyncGenerator<number> {
  yield await Promise.resolve(1);
  throw reason;
}

/** The items, and the error after them. */
async function collect(items: AsyncIterable<unknown>): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  try {
    for await (const item of items) found.push(item);
  } catch (error) {
    found.push(error);
  }
  return found;
}

test('the items before an error are yielded, and a SpartakusError after them has its code', async () => {
  const other = new Error('other');

  await expect(collect(convertIterable(failAfterOne(AWAY)))).resolves.toMatchObject([1, { code: Code.Unavailable }]);
  await expect(collect(convertIterable(failAfterOne(other)))).resolves.toStrictEqual([1, other]);
});

test('an error is replaced where there is a replacement', async () => {
  const other = new Error('other');

  await expect(collect(convertIterable(failAfterOne(other), () => AWAY))).resolves.toMatchObject([
    1,
    { code: Code.Unavailable, cause: AWAY },
  ]);
  await expect(collect(convertIterable(failAfterOne(other), () => undefined))).resolves.toStrictEqual([1, other]);
});

test('errors of calls and of their streams are converted, and a unary response is the same', async () => {
  const call = (response: () => unknown) =>
    convertErrors(() => Promise.resolve(response()) as Promise<UnaryResponse>)({} as never);
  const unary = { stream: false, message: {} };

  await expect(call(() => unary)).resolves.toBe(unary);
  await expect(
    call(() => {
      throw AWAY;
    }),
  ).rejects.toMatchObject({ code: Code.Unavailable });
  const response = await call(() => ({ stream: true, message: failAfterOne(AWAY), header: 'kept' }));
  expect(response).toMatchObject({ header: 'kept' });
  await expect(collect(response.message as never)).resolves.toMatchObject([1, { code: Code.Unavailable }]);
});
