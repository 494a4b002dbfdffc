import { SpartakusError } from './errors.ts';

/** How deep JSON may be nested: as deep as protobuf messages may. No report is deeper than ten. */
const MAX_DEPTH = 100;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Follows how deep JSON is nested, before anybody parses it: a body of opening brackets takes fifty times its size in memory once
 * it is parsed. It does not care whether the JSON is well-formed.
 */
export interface JsonDepth {
  /**
   * Takes the next bytes of a text in UTF-8.
   *
   * @throws SpartakusError `invalid` where they are nested too deep
   */
  push(bytes: Uint8Array): void;
}

export function createJsonDepth(): JsonDepth {
  let depth = 0;
  let inString = false;
  let escaped = false;
  return {
    push(bytes) {
      for (const byte of bytes) {
        if (inString) {
          if (escaped) escaped = false;
          else if (byte === BACKSLASH) escaped = true;
          else if (byte === QUOTE) inString = false;
          continue;
        }
        if (byte === QUOTE) {
          inString = true;
        } else if (byte === 0x5b || byte === 0x7b) {
          depth += 1;
          if (depth > MAX_DEPTH) throw new SpartakusError('invalid', `the JSON is nested deeper than ${MAX_DEPTH}`);
        } else if (byte === 0x5d || byte === 0x7d) {
          depth -= 1;
        }
      }
    },
  };
}

/** The same for a whole text. */
export function checkJsonDepth(bytes: Uint8Array): void {
  createJsonDepth().push(bytes);
}
