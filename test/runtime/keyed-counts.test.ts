import { expect, test } from 'vitest';
import { createKeyedCounts } from '../../src/runtime/keyed-counts.ts';

test('a key is kept while its count is not 0', () => {
  const counts = createKeyedCounts();
  counts.increment('a');
  counts.increment('a');
  counts.increment('b');
  expect([counts.get('a'), counts.get('b'), counts.get('c'), counts.size]).toStrictEqual([2, 1, 0, 2]);

  counts.decrement('a');
  counts.decrement('b');
  counts.decrement('c');

  expect([counts.get('a'), counts.get('b'), counts.get('c'), counts.size]).toStrictEqual([1, 0, 0, 1]);
});
