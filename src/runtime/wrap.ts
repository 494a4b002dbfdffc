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
  const lines: string[] = [];
  let line = first;
  let length = first.length;
  let isEmpty = true;
  for (const word of typeof words === 'string' ? words.trim().split(/\s+/) : words) {
    const wordLength = stripVTControlCharacters(word).length;
    if (!isEmpty && length + 1 + wordLength > width) {
      lines.push(line);
      line = other;
      length = other.length;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    length += wordLength + (isEmpty ? 0 : 1);
    isEmpty = false;
  }
  return [...lines, line].join('\n');
}
