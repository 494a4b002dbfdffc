import { SpartakusError } from '../../../runtime/errors.ts';

/** How deep JSON may be nested: as deep as protobuf messages may. No report is deeper than ten. */
const MAX_DEPTH = 100;
/** How many objects and lists there may be: a report of 16,000 nodes has 110,000, and MongoDB's largest document not twice as many. */
const MAX_CONTAINERS = 200_000;
/** How many bytes there are to each of them, but for the first: the shortest thing that a report is full of, a resource of a node, takes thirty. */
const MIN_BYTES_EACH = 16;
const FREE_CONTAINERS = 1_000;

/** How many values there may be in all, by the commas between them: a report of 16,000 nodes has 340,000. */
const MAX_VALUES = 1_000_000;
/** How many keys one object may have: a million of them take seconds. Those of reports have some tens. */
const MAX_KEYS = 10_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING_LIST = 0x5b;
const CLOSING_LIST = 0x5d;
const OPENING_OBJECT = 0x7b;
const CLOSING_OBJECT = 0x7d;

/**
 * Follows how deep JSON is nested, and of how many objects and lists it is, before anybody parses it: a body of brackets takes fifty
 * times its size in memory once it is parsed, and seconds. It does not care whether the JSON is well-formed.
 */
export interface JsonBounds {
  /**
   * Takes the next bytes of a text in UTF-8.
   *
   * @throws SpartakusError `invalid` where they are more than any report needs
   */
  push(bytes: Uint8Array): void;
}

export function createJsonBounds(): JsonBounds {
  let depth = 0;
  let containers = 0;
  let values = 0;
  /** Of each list or object that is open, how many commas it has so far, and whether it is an object. */
  const counts = new Uint32Array(MAX_DEPTH + 1);
  const isObject = new Uint8Array(MAX_DEPTH + 1);
  let seenBytes = 0;
  let inString = false;
  let escaped = false;
  return {
    push(bytes) {
      // By index: it is as fast as it gets, and every byte of JSON comes by here.
      for (let at = 0; at < bytes.length; at += 1) {
        const byte = bytes[at] ?? 0;
        if (inString) {
          if (escaped) escaped = false;
          else if (byte === BACKSLASH) escaped = true;
          else if (byte === QUOTE) inString = false;
        } else if (byte === QUOTE) {
          inString = true;
        } else if (byte === OPENING_LIST || byte === OPENING_OBJECT) {
          depth += 1;
          containers += 1;
          if (depth > MAX_DEPTH) throw new SpartakusError('invalid', `the JSON is nested deeper than ${MAX_DEPTH}`);
          counts[depth] = 0;
          isObject[depth] = byte === OPENING_OBJECT ? 1 : 0;
        } else if (byte === CLOSING_LIST || byte === CLOSING_OBJECT) {
          depth = Math.max(0, depth - 1);
        } else if (byte === COMMA) {
          values += 1;
          const count = (counts[depth] ?? 0) + 1;
          counts[depth] = count;
          if (count >= MAX_KEYS && isObject[depth] === 1)
            throw new SpartakusError('invalid', `the JSON has an object of more than ${MAX_KEYS} keys`);
        }
      }
      seenBytes += bytes.length;
      if (containers > Math.min(MAX_CONTAINERS, FREE_CONTAINERS + seenBytes / MIN_BYTES_EACH)) {
        throw new SpartakusError(
          'invalid',
          `the JSON has ${containers} objects and lists in ${seenBytes} bytes: no report has so many`,
        );
      }
      if (values > MAX_VALUES)
        throw new SpartakusError('invalid', `the JSON has more than ${MAX_VALUES} values: no report has so many`);
    },
  };
}

/** The same for a whole text. */
export function checkJsonBounds(bytes: Uint8Array): void {
  createJsonBounds().push(bytes);
}
