import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { FAULTS } from './faults.ts';

const ROOT = path.join(import.meta.dirname, '../..');

test.each(FAULTS)('the fault can be put in: $fault', ({ file, from, to, test: testFile }) => {
  const source = readFileSync(path.join(ROOT, 'src', file), 'utf8');

  expect(source.split(from)).toHaveLength(2);
  expect(to).not.toBe(from);
  expect(existsSync(path.join(ROOT, testFile))).toBe(true);
});

test('no fault is there twice', () => {
  expect(new Set(FAULTS.map(({ fault }) => fault)).size).toBe(FAULTS.length);
  expect(new Set(FAULTS.map(({ file, from, to }) => `${file} ${from} ${to}`)).size).toBe(FAULTS.length);
});
