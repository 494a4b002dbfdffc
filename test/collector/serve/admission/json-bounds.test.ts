import { expect, test } from 'vitest';
import { checkJsonBounds, createJsonBounds } from '../../../../src/collector/serve/admission/json-bounds.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

test.each([
  ['lists in lists', '['.repeat(101)],
  ['objects in objects', '{"a":'.repeat(101)],
  ['objects side by side', `[${'{},'.repeat(2_000)}{}]`],
  ['lists side by side', `[${'[],'.repeat(2_000)}[]]`],
  [
    'more keys in one object than there are',
    `[[],{"a":{${Array.from({ length: 10_001 }, (_, index) => `"${index}":0`).join(',')}}}]`,
  ],
])('JSON of %s is rejected', (_what, text) => {
  expect(() => checkJsonBounds(utf8(text))).toThrow(/^the JSON /);
});

test.each([
  ['a depth of 100', `${'['.repeat(100)}${']'.repeat(100)}`],
  ['ten thousand keys in an object', `{${Array.from({ length: 10_000 }, (_, index) => `"${index}":0`).join(',')}}`],
])('JSON with %s is within bounds', (_what, text) => {
  expect(() => checkJsonBounds(utf8(text))).not.toThrow();
});

test('brackets within texts, behind quotes that are escaped too, are no brackets', () => {
  expect(() =>
    checkJsonBounds(utf8(JSON.stringify({ a: `${'['.repeat(500)}"${'{'.repeat(500)}\\`, b: '['.repeat(500) }))),
  ).not.toThrow();
});

test('JSON is followed from one chunk to the next', () => {
  const bounds = createJsonBounds();
  bounds.push(utf8('{"a":"\\'));
  bounds.push(utf8(`"${'['.repeat(300)}`));
  bounds.push(utf8('","b":'));

  expect(() => bounds.push(utf8('['.repeat(100)))).toThrow('nested deeper');
});
