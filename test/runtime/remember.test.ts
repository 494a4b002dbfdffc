import { expect, test } from 'vitest';
import { rememberResults } from '../../src/runtime/remember.ts';

test('a result is computed once, and again after too many texts, and each time for a long text', () => {
  const computed: string[] = [];
  const upper = rememberResults((text) => (computed.push(text), text.toUpperCase()), 2, 3);

  expect(['a', 'b', 'a', 'long', 'long'].map(upper)).toStrictEqual(['A', 'B', 'A', 'LONG', 'LONG']);
  expect(computed).toStrictEqual(['a', 'b', 'long', 'long']);
  upper('c');
  upper('a');
  expect(computed).toStrictEqual(['a', 'b', 'long', 'long', 'c', 'a']);
});
