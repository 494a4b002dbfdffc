import { expect, test } from 'vitest';
import { excerpt } from '../../../src/delivery/transport/excerpt.ts';

test('a text of 200 characters is shown whole, and of a longer one the first 200', () => {
  expect(excerpt('x'.repeat(200))).toBe('x'.repeat(200));
  expect(excerpt('x'.repeat(201))).toBe(`${'x'.repeat(200)}…`);
});

test('a text is one line without control characters', () => {
  expect(excerpt(' a\r\n\tb\u001b[31m c\u009f ')).toBe('a b [31m c');
});

test('passwords in its URLs are masked, also where the end of one is cut off', () => {
  expect(excerpt('at https://user:secret@host/x and grpc://u:p@h')).toBe(
    'at https://user:***@host/x and grpc://u:***@h',
  );
  expect(excerpt(`${'x'.repeat(180)} https://user:secret@host/`)).not.toContain('sec');
});
