import { expect, test } from 'vitest';
import type { KubernetesClient } from '../../../src/kubernetes/client.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { createMissingFields } from '../../../src/volunteer/gather/missing-fields.ts';

function makeMissing() {
  let isClosed = false;
  const kube = { isClosed: () => isClosed } as unknown as KubernetesClient;
  return { missing: createMissingFields(kube, undefined), close: () => (isClosed = true) };
}

const failWith = (failure: SpartakusError) => (): Promise<never> => Promise.reject(failure);
const FORBIDDEN = new SpartakusError('forbidden', 'not permitted');
const CANCELLED = new SpartakusError('unavailable', 'the request was cancelled');

test('a field that cannot be read is recorded, and the report is made of the others', async () => {
  const { missing } = makeMissing();

  await expect(missing.attempt('masterVersion', 'all', () => Promise.resolve('v1'))).resolves.toBe('v1');
  await expect(missing.attempt('namespaces', 'forbidden', failWith(FORBIDDEN))).resolves.toBeUndefined();

  expect(missing.list).toMatchObject([{ what: 'namespaces', reason: 'not permitted' }]);
  expect(() => missing.throwIfAllFailed()).not.toThrow();
});

test('a report of which everything failed is not made', async () => {
  const { missing } = makeMissing();

  for (const what of ['masterVersion', 'namespaces'])
    await missing.attempt(what, 'all', failWith(new SpartakusError('forbidden', `no ${what}`)));

  expect(() => missing.throwIfAllFailed()).toThrow(
    expect.objectContaining({
      kind: 'forbidden',
      message: 'Nothing can be read. masterVersion: no masterVersion namespaces: no namespaces',
    }),
  );
});

test('once the client is closed in the middle of a gathering no report is made, whatever was read and is tolerated', async () => {
  const { missing, close } = makeMissing();
  await missing.attempt('masterVersion', 'all', () => Promise.resolve('v1'));

  close();

  await expect(missing.attempt('namespaces', 'all', failWith(CANCELLED))).rejects.toBe(CANCELLED);
  expect(missing.list).toStrictEqual([]);
});
