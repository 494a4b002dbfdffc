import { stripVTControlCharacters } from 'node:util';

/**
 * Breaks a paragraph into lines.
 *
 * @param words a text, or words that may contain spaces and escape sequences and are not broken
 * @param width in characters
 * @param indent the start of all lines, or those of the first and of the other lines
 */
export function wrap(
  words: string | readonly string[],
  width: number,
  indent: string | readonly [string, string],
): string {
  const [first, other] = typeof indent === 'string' ? [indent, indent] : indent;
  const [head = '', ...rest] = typeof words === 'string' ? words.trim().split(/\s+/) : words;
  const lines: string[] = [];
  let line = first + head;
  for (const word of rest) {
    const longer = `${line} ${word}`;
    if (stripVTControlCharacters(longer).length <= width) line = longer;
    else {
      lines.push(line);
      line = other + word;
    }
  }
  return [...lines, line].join('\n');
}
