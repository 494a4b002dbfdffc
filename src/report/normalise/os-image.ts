import { rememberResults } from '../../runtime/remember.ts';
import words from '../known-values/distribution-words.json' with { type: 'json' };
import distributions from '../known-values/distributions.json' with { type: 'json' };
import { compilePatterns, INPUT_CHARS, matchAt, NUMBERS, OTHER, OUTPUT_CHARS, withoutAddresses } from './patterns.ts';

const DISTRIBUTIONS = compilePatterns(Object.keys(distributions), 'iy');
const COMMON_WORDS = words.flatMap(({ values }) => values);

/** The words of each distribution, by its name in lower case. */
const WORDS_OF: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(distributions).map(([name, entry]) => [
    name.toLowerCase(),
    typeof entry === 'string' ? [] : entry.words,
  ]),
);

const SEPARATOR = /[ ()[\],/:"'_+~.-]{1,3}/y;
/** A release may be written with a letter before it: v3.19, V10, r151038. */
const LETTER = /[vr](?=\d)/iy;
/** The release, and what is joined to it by a dash or follows in brackets. */
const MAX_NUMBERS = 2;
const MAX_PARTS = 12;

/**
 * `.status.nodeInfo.osImage` (PRETTY_NAME of /etc/os-release): a distribution of distributions.json, its release, and the words that are
 * known of it (code names, editions), such as "Debian GNU/Linux 12 (bookworm)". The text is cut without a mark at the first word that
 * is not known, because vendors add words of their own. An unknown distribution is "other", and empty stays empty.
 */
export function normaliseOsImage(osImage: string): string {
  const text = osImage.slice(0, INPUT_CHARS).trim();
  if (text === '') return '';
  const name = matchAt(DISTRIBUTIONS, text, 0);
  if (name === undefined) return OTHER;
  const known = wordsOf(name.toLowerCase());
  let result = name;
  let position = name.length;
  let numbers = 0;
  for (let parts = 0; parts < MAX_PARTS; parts += 1) {
    const separator = matchAt(SEPARATOR, text, position);
    if (separator === undefined) break;
    const start = position + separator.length;
    const part = matchAt(known, text, start) ?? readRelease(text, start, separator, numbers);
    if (part === undefined || result.length + separator.length + part.length >= OUTPUT_CHARS) break;
    if (/^[vr]?\d/i.test(part)) numbers += 1;
    result += separator + part;
    position = start + part.length;
  }
  return closeBrackets(withoutAddresses(result));
}

const wordsOf = rememberResults((distribution) =>
  compilePatterns([...COMMON_WORDS, ...(WORDS_OF.get(distribution) ?? [])], 'iy'),
);

/** The first number, or one that is joined to what is before it, or in brackets: "415.92.202403191241-0", "Talos (v1.7.0)". */
function readRelease(text: string, start: number, separator: string, numbers: number): string | undefined {
  if (numbers >= MAX_NUMBERS || (numbers > 0 && separator === ' ')) return undefined;
  const letter = matchAt(LETTER, text, start) ?? '';
  const found = matchAt(NUMBERS, text, start + letter.length);
  return found === undefined ? undefined : letter + found;
}

/** Closes a bracket that the cut left open. */
function closeBrackets(text: string): string {
  const round = text.lastIndexOf('(') > text.lastIndexOf(')') ? ')' : '';
  const square = text.lastIndexOf('[') > text.lastIndexOf(']') ? ']' : '';
  return text + round + square;
}
