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

const keys = (count: number, value: string): string =>
  Array.from({ length: count }, (_, index) => `"a-long-key-${index}":${value}`).join(',');

test.each([
  ['a deep object of too many keys', `${'['.repeat(99)}{${keys(10_001, '1')}}`],
  ['an object of too many keys whose values are lists', `{${keys(10_001, '[1,1]')}}`],
  ['too many brackets after as many that only close', `${']'.repeat(50)}${'['.repeat(101)}`],
])('JSON of %s is invalid', (_what, text) => {
  expect(() => checkJsonBounds(utf8(text))).toThrow(expect.objectContaining({ kind: 'invalid' }) as Error);
});

test.each([
  ['a list of twenty thousand values', `[${'1,'.repeat(20_000)}1]`],
  ['a deep list of twenty thousand values', `${'['.repeat(100)}${'1,'.repeat(20_000)}1`],
  ['a list of that length after an object', `[{},${'1,'.repeat(20_000)}1]`],
  ['two objects of six thousand keys each', `[{${keys(6_000, '1')}},{${keys(6_000, '1')}}]`],
  ['two deep objects of six thousand keys each', `[[{${keys(6_000, '1')}}],[{${keys(6_000, '1')}}]]`],
  ['ten thousand keys whose values have commas', `{${keys(10_000, '[1,1]')}}`],
  ['many values without an object around them', '1,'.repeat(20_000)],
  ['a text of commas', `{"a":"${','.repeat(20_000)}"}`],
  ['a bracket after a text that ends with a backslash', `["\\\\",${'[],'.repeat(100)}"["]`],
])('JSON with %s has as much as a report may have', (_what, text) => {
  expect(() => checkJsonBounds(utf8(text))).not.toThrow();
});

test('an object or list beyond the first thousand needs sixteen bytes, of all chunks together', () => {
  // 1,231 in 3,691 bytes; 231 times 16 are 3,696.
  const text = `[${'[],'.repeat(1_229)}[]]`;
  const push = (...chunks: readonly string[]) => {
    const bounds = createJsonBounds();
    return () => chunks.forEach((chunk) => bounds.push(utf8(chunk)));
  };

  expect(push(`     ${text}`)).not.toThrow();
  expect(push(`    ${text}`)).toThrow('the JSON has 1231 objects and lists in 3695 bytes');
  expect(push('   ', '  ', text)).not.toThrow();
  expect(push('   ', ' ', text)).toThrow(expect.objectContaining({ kind: 'invalid' }) as Error);
});

test('commas and brackets within a text that is split between chunks are none', () => {
  const bounds = createJsonBounds();
  for (const chunk of ['{"a', '{'.repeat(200), '\\', '"', '['.repeat(200), '"', ':1}', '['.repeat(100)])
    bounds.push(utf8(chunk));

  expect(() => bounds.push(utf8('['))).toThrow('the JSON is nested deeper than 100');
});
