import { expect, test } from 'vitest';
import type { KubernetesClient } from '../../src/kubernetes/client.ts';
import { listPages, readJsonPage } from '../../src/kubernetes/pagination.ts';

interface PageAnswer {
  readonly items?: readonly number[];
  readonly token?: string;
  /** Status 410. */
  readonly isExpired?: boolean;
}

/** Lists numbers from pages that come in this order, and the paths that were asked for. */
function list(answers: readonly PageAnswer[]) {
  const paths: string[] = [];
  const kube = {
    get: (path: string) => {
      const { items = [], token = '', isExpired = false } = answers[paths.length] ?? {};
      paths.push(path);
      const body = Buffer.from(JSON.stringify({ items, metadata: { continue: token } }));
      return Promise.resolve({ status: isExpired ? 410 : 200, contentType: 'application/json', body, path });
    },
  } as never as KubernetesClient;
  const options = { path: '/api/v1/nodes', accept: 'application/json', read: readJsonPage, pageSize: 2 };
  const result = listPages(
    kube,
    options,
    () => [] as unknown[],
    (found, item) => void found.push(item),
  );
  return { result, paths };
}

test('the token of each page is sent escaped, up to the page without one', async () => {
  const { result, paths } = list([{ items: [1, 2], token: 'a+b/c&d=' }, { items: [3, 4], token: 'e' }, { items: [5] }]);

  await expect(result).resolves.toStrictEqual([1, 2, 3, 4, 5]);
  expect(paths).toStrictEqual([
    '/api/v1/nodes?limit=2',
    '/api/v1/nodes?limit=2&continue=a%2Bb%2Fc%26d%3D',
    '/api/v1/nodes?limit=2&continue=e',
  ]);
});

test('a list that expires is read again from its first page, and no item counts twice', async () => {
  const { result, paths } = list([
    { items: [1, 2], token: 'a' },
    { isExpired: true },
    { items: [1, 2], token: 'b' },
    {},
  ]);

  await expect(result).resolves.toStrictEqual([1, 2]);
  expect(paths[2]).toBe('/api/v1/nodes?limit=2');
});

test('a list that expires three times in a row is an error', async () => {
  const { result, paths } = list([{ isExpired: true }, { isExpired: true }, { isExpired: true }]);

  await expect(result).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('3 times') as string,
  });
  expect(paths).toHaveLength(3);
});

test('a token that repeats is an error', async () => {
  const { result } = list([{ token: 'a' }, { token: 'a' }]);

  await expect(result).rejects.toThrow('sent the same continue token');
});
