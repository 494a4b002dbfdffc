import { expect, test } from 'vitest';
import { isBearerToken } from '../../src/runtime/bearer-token.ts';

test.each([
  ['a', true],
  ['!~', true],
  ['x'.repeat(8_192), true],
  ['x'.repeat(8_193), false],
  ['', false],
  ['a b', false],
  ['a\n', false],
  ['ä', false],
])('%j: %s', (text, expected) => {
  expect(isBearerToken(text)).toBe(expected);
});
