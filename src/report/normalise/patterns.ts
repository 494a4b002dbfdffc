/** The longest text that a normaliser reads: what Kubernetes reports is shorter, and the time that it takes stays bounded. */
export const INPUT_CHARS = 256;

/** The longest text that a normaliser returns, its mark included. */
export const OUTPUT_CHARS = 100;

/** What a normaliser returns for a text that it does not know. */
export const OTHER = 'other';

/** Appended to a version of which a part was cut. */
export const CUSTOM = '+custom';

/** `%`: a day, 20YYMMDD, optionally with the time of day. A number that is no date does not pass for one. */
const DATE =
  String.raw`20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])` +
  String.raw`(?:(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d)?)?)?`;

const SYMBOLS: Readonly<Record<string, string>> = { '#': String.raw`\d{1,7}`, '?': String.raw`\d`, '%': DATE };

function sourceOf(pattern: string): string {
  return pattern.replaceAll(
    /[^A-Za-z0-9]/g,
    (char) => SYMBOLS[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * Compiles patterns of known-values/ (see its README.md for the syntax) to one regular expression. Each alternative has a bounded
 * length and no nested repetition, so a match takes bounded time.
 *
 * @param flags `y` to match at `lastIndex` up to the end of a word, longest pattern first, or none to match a whole text
 */
export function compilePatterns(patterns: Iterable<string>, flags: 'iy' | ''): RegExp {
  const sources = [...patterns].toSorted((a, b) => b.length - a.length).map(sourceOf);
  // An empty list matches nothing.
  const any = sources.length === 0 ? '(?!)' : `(?:${sources.join('|')})`;
  return flags === '' ? new RegExp(`^${any}$`) : new RegExp(`${any}(?![A-Za-z0-9])`, flags);
}

/** The text that a sticky expression matches at a position; undefined where it does not match. */
export function matchAt(expression: RegExp, text: string, position: number): string | undefined {
  expression.lastIndex = position;
  return expression.exec(text)?.[0];
}

/** Up to five dotted numbers, each of at most six digits or a date: a longer number could be a serial or a phone number. */
const NUMBER = String.raw`(?:${DATE}|\d{1,6})(?![A-Za-z0-9])`;
export const NUMBERS: RegExp = new RegExp(String.raw`${NUMBER}(?:\.${NUMBER}){0,4}`, 'y');

const RUNS = { '.': /\d+(?:\.\d+){2,}/g, '-': /\d+(?:-\d+){2,}/g };
/** Where four numbers are the build number of a kernel: 5.10.0-60.18.0.50.oe2203, 5.10.0-182.0.0.95.r1941_123.hce2. */
const BEFORE_BUILD = /^\d+\.\d+\.\d+-$/;
const AFTER_BUILD = /^\.(?:el|oe|r)\d/;

/**
 * The text without IPv4 addresses, also with dashes, as host names contain them. An address is a run of four numbers below 256, of which
 * the first is at least 10 (no kernel, Kubernetes or runtime has such a version), or of three that begin like a private address (RFC 1918
 * but for 10.0.0.0/8, loopback, link-local). At most two numbers of it remain, and what is joined to
 * them is cut.
 */
export function withoutAddresses(text: string): string {
  return cutAddresses(cutAddresses(text, '.'), '-');
}

function cutAddresses(text: string, separator: '.' | '-'): string {
  return text.replace(RUNS[separator], (run, offset: number) => {
    const parts = run.split(separator);
    const numbers = parts.map(Number);
    const address = parts.findIndex((_, index) => isAddress(numbers.slice(index, index + 4)));
    const build =
      parts.length <= 5 &&
      BEFORE_BUILD.test(text.slice(0, offset)) &&
      AFTER_BUILD.test(text.slice(offset + run.length));
    return address === -1 || build ? run : parts.slice(0, Math.max(address + 1, 2)).join(separator);
  });
}

/** @param numbers up to four in a row */
function isAddress(numbers: readonly number[]): boolean {
  const [first = 0, second = 0] = numbers;
  const tooLarge = numbers.findIndex((number) => number > 255);
  const count = tooLarge === -1 ? numbers.length : tooLarge;
  const isPrivate =
    first === 127 ||
    (first === 172 && second >= 16 && second < 32) ||
    (first === 192 && second === 168) ||
    (first === 169 && second === 254);
  return (isPrivate && count >= 3) || (first >= 10 && count === 4);
}
