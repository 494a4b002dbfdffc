import { SpartakusError } from '../../../runtime/errors.ts';

/** As in protobuf. No report is deeper than ten. */
const MAX_DEPTH = 100;
/** Objects and lists: a report of 16,000 nodes has 110,000; MongoDB's largest document has less than twice as many. */
const MAX_CONTAINERS = 200_000;
/** Per object or list beyond the first thousand: the shortest common one, a resource of a node, takes thirty. */
const MIN_BYTES_EACH = 16;
const FREE_CONTAINERS = 1_000;
/** Counted by commas: a report of 16,000 nodes has 340,000. */
const MAX_VALUES = 1_000_000;
/** Per object: a million take seconds to parse; objects of reports have tens. */
const MAX_KEYS = 10_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING_LIST = 0x5b;
const CLOSING_LIST = 0x5d;
const OPENING_OBJECT = 0x7b;
const CLOSING_OBJECT = 0x7d;

/**
 * Bounds the parts of JSON before it is parsed: a body of brackets would take fifty times its size in memory, and seconds. Malformed JSON
 * is left to the parser.
 */
export function createJsonBounds() {
  let depth = 0;
  let containers = 0;
  let values = 0;
  /** Per open list or object: its commas so far, and whether it is an object. */
  const counts: number[] = [0];
  const isObject: boolean[] = [false];
  let seenBytes = 0;
  let inString = false;
  let escaped = false;
  const open = (byte: number): void => {
    depth += 1;
    containers += 1;
    if (depth > MAX_DEPTH) throw new SpartakusError('invalid', `the JSON is nested deeper than ${MAX_DEPTH}`);
    counts[depth] = 0;
    isObject[depth] = byte === OPENING_OBJECT;
  };
  const countValue = (): void => {
    values += 1;
    const count = (counts[depth] ?? 0) + 1;
    counts[depth] = count;
    if (count >= MAX_KEYS && isObject[depth] === true)
      throw new SpartakusError('invalid', `the JSON has an object of more than ${MAX_KEYS} keys`);
  };
  return {
    /** Checks the next bytes. Throws SpartakusError `invalid` where the text has more than any report needs. */
    push(bytes: Uint8Array): void {
      // Runs for every byte: by index and with local variables, which is fastest.
      const { length } = bytes;
      let at = 0;
      let isText = inString;
      if (escaped && length > 0) {
        escaped = false;
        at = 1;
      }
      while (at < length) {
        const byte = bytes[at] as number;
        at += 1;
        if (isText) {
          if (byte === QUOTE) {
            isText = false;
          } else if (byte === BACKSLASH) {
            escaped = at === length;
            at += 1;
          }
          continue;
        }
        if (byte === QUOTE) isText = true;
        else if (byte === COMMA) countValue();
        else if (byte === OPENING_LIST || byte === OPENING_OBJECT) open(byte);
        else if (byte === CLOSING_LIST || byte === CLOSING_OBJECT) depth = Math.max(0, depth - 1);
      }
      inString = isText;
      seenBytes += bytes.length;
      if (containers > Math.min(MAX_CONTAINERS, FREE_CONTAINERS + seenBytes / MIN_BYTES_EACH)) {
        const text = `the JSON has ${containers} objects and lists in ${seenBytes} bytes: no report has so many`;
        throw new SpartakusError('invalid', text);
      }
      if (values > MAX_VALUES)
        throw new SpartakusError('invalid', `the JSON has more than ${MAX_VALUES} values: no report has so many`);
    },
  };
}

export function checkJsonBounds(bytes: Uint8Array): void {
  createJsonBounds().push(bytes);
}
