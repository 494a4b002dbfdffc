import { expect, test } from 'vitest';
import { normaliseOsImage } from '../../../src/report/normalise/os-image.ts';
import { OUTPUT_CHARS } from '../../../src/report/normalise/patterns.ts';

const NAME = 'Debian GNU/Linux';

test.each([
  ['a second number after a space is cut', `${NAME} 12 13`, `${NAME} 12`],
  ['a second number that is joined stays', `${NAME} 12-13`, `${NAME} 12-13`],
  ['a second number in brackets stays', `${NAME} 12 (13)`, `${NAME} 12 (13)`],
  ['a third number is cut', `${NAME} 12-13-14`, `${NAME} 12-13`],
  ['a letter before the release stays', `${NAME} v12`, `${NAME} v12`],
  ['a release with a letter is a number as well', `${NAME} v12 13`, `${NAME} v12`],
  ['a letter before a word does not count', `${NAME} vjane`, NAME],
  ['an unknown word ends it', `${NAME} jane 12`, NAME],
  ['an unknown word directly after the name makes it unknown', 'Debianjane 12', 'other'],
  ['a round bracket that the cut left open is closed', `${NAME} 12 (bookworm, jane)`, `${NAME} 12 (bookworm)`],
  ['a square bracket that the cut left open is closed', `${NAME} [Version 12 jane]`, `${NAME} [Version 12]`],
  ['an address is cut', `${NAME} 10.20.30.40`, `${NAME} 10.20`],
  [
    'the case of the name does not matter',
    `${NAME.toUpperCase()} 12 (BOOKWORM)`,
    `${NAME.toUpperCase()} 12 (BOOKWORM)`,
  ],
  ['space around it is dropped', ` ${NAME} 12 `, `${NAME} 12`],
  ['the words of another distribution are unknown', `${NAME} (Soaring Falcon)`, NAME],
])('%s: %s becomes %s', (_what, text, normalised) => {
  expect(normaliseOsImage(text)).toBe(normalised);
});

test('twelve words stay, and the thirteenth is cut', () => {
  const ofWords = (words: number) => `Debian${' LTS'.repeat(words)}`;

  expect(normaliseOsImage(ofWords(12))).toBe(ofWords(12));
  expect(normaliseOsImage(ofWords(13))).toBe(ofWords(12));
});

test('there is a place for the bracket that closes the longest text', () => {
  const words = NAME + ' Container'.repeat(8);

  expect(normaliseOsImage(`${words} U5`)).toBe(`${words} U5`);
  expect(`${words} U55`.length).toBe(OUTPUT_CHARS);
  expect(normaliseOsImage(`${words} U55`)).toBe(words);
});
