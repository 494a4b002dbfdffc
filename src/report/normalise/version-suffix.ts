import words from '../known-values/version-words.json' with { type: 'json' };
import { compilePatterns, CUSTOM, matchAt, NUMBERS, OUTPUT_CHARS, withoutAddresses } from './patterns.ts';

const listValues = (groups: typeof words) => groups.flatMap(({ values }) => values);
const KNOWN = compilePatterns(listValues(words), 'iy');
const wordsOf = (wanted: string) => listValues(words.filter(({ kind }) => kind === wanted));
/** These have a meaning only in their place: after a word that was cut, they are cut as well. */
const BUILD = compilePatterns(wordsOf('build'), 'iy');
const HASHED = compilePatterns(wordsOf('hashed'), 'iy');

const SEPARATOR = /[-._+~:]{1,2}/y;
const UNKNOWN = /[^-._+~:]+/y;
const HASH = /[-.+](?:git|g)?[0-9a-f]{6,40}(?:\.\d{1,2})?(?![A-Za-z0-9])/y;
/** A version of another program: v1.19.10-vk-azure-aci-v1.4.1. */
const VERSION_LETTER = /v{1,2}(?=\d)/y;

/** No suffix of a public build has more parts. */
const MAX_PARTS = 12;
/** Numbers in a row that are joined by dashes, such as "-1-0017.7": more could be an address. */
const MAX_NUMBERS = 2;

/**
 * A version with what is known of its suffix. A known word remains, with the numbers after it; anything else is cut, with the numbers
 * and the positional words (`rc1`, `r5`) after it, and the result is marked {@link CUSTOM}. A commit after a word of kind "hashed" is
 * dropped without the mark, because the vendor puts one into each of its builds.
 *
 * @param version the leading numbers, already bounded
 * @param suffix what follows them, of bounded length
 * @param leadingNumbers whether a number may follow the version itself, as the build number of a kernel does; else only a known word
 */
export function normaliseSuffix(
  version: string,
  suffix: string,
  { leadingNumbers }: { readonly leadingNumbers: boolean },
): string {
  const marked = suffix.endsWith(CUSTOM);
  const text = marked ? suffix.slice(0, -CUSTOM.length) : suffix;
  let result = version;
  let custom = marked;
  let position = 0;
  let numbersLeft = leadingNumbers ? MAX_NUMBERS : 0;
  let cut = false;
  let hashed = false;
  for (let parts = 0; position < text.length; parts += 1) {
    const separator = matchAt(SEPARATOR, text, position) ?? '';
    position += separator.length;
    if (position === text.length) {
      // A single "+" at the end is the kernel's own mark of a tree with changes (scripts/setlocalversion).
      if (separator === '+' && leadingNumbers && !cut) result += separator;
      break;
    }
    const numbers: boolean = numbersLeft > 0 && !separator.startsWith('+');
    const kept: Part | undefined = separator === '' ? undefined : readPart(text, position, { cut, numbers });
    const next = separator + (kept?.text ?? '');
    if (kept === undefined || parts >= MAX_PARTS || result.length + next.length > OUTPUT_CHARS - CUSTOM.length) {
      position += (matchAt(UNKNOWN, text, position) ?? '').length;
      custom = true;
      cut = true;
      numbersLeft = 0;
      continue;
    }
    result += next;
    position += kept.text.length;
    if (kept.number) numbersLeft -= 1;
    else numbersLeft = cut ? 0 : MAX_NUMBERS;
    hashed = kept.hashed || (hashed && kept.number);
    if (hashed) position += (matchAt(HASH, text, position) ?? '').length;
  }
  const anonymous = withoutAddresses(result);
  return custom || anonymous !== result ? anonymous + CUSTOM : anonymous;
}

interface Part {
  readonly text: string;
  readonly hashed: boolean;
  readonly number: boolean;
}

function readPart(text: string, position: number, allowed: { cut: boolean; numbers: boolean }): Part | undefined {
  const word = matchAt(KNOWN, text, position);
  if (word !== undefined) {
    if (allowed.cut && matchAt(BUILD, text, position) === word) return undefined;
    return { text: word, hashed: matchAt(HASHED, text, position) === word, number: false };
  }
  if (!allowed.numbers) return undefined;
  const letter = matchAt(VERSION_LETTER, text, position) ?? '';
  const numbers = matchAt(NUMBERS, text, position + letter.length);
  return numbers === undefined ? undefined : { text: letter + numbers, hashed: false, number: true };
}
