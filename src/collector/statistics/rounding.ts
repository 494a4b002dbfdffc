import { createCipheriv, createHmac } from 'node:crypto';

/** Rounds numbers for an answer. The label separates numbers that have nothing to do with each other. */
export interface Round {
  (count: number, label: string): number;
  /** The same for many numbers with one label, which takes a twentieth of the time. */
  all(counts: readonly number[], label: string): number[];
}

/**
 * Controlled random rounding to a multiple of `base`, as statistical offices do (the source is Statistics Canada's and Stats NZ's "random
 * rounding to base"): to the multiple below or above, with probabilities that keep the expected value. The choice depends on the key, the
 * label and the number, so it is the same as long as the number is, on any day and in any answer; repeated queries do not average it out.
 *
 * @param key secret: who has it can tell which numbers are possible
 */
export function createRounding(key: Uint8Array, base: number): Round {
  return createRound(key, () => base);
}

/**
 * Rounds to a multiple of `leastBase`, and to so many significant digits, in the same way: for numbers to which one cluster can contribute any
 * amount, such as nodes and bytes.
 */
export function createAmountRounding(key: Uint8Array, leastBase: number, digits: number): Round {
  return createRound(key, (count) => Math.max(10 ** (Math.floor(Math.log10(count)) + 1 - digits), leastBase));
}

function createRound(key: Uint8Array, baseOf: (count: number) => number): Round {
  const all = (counts: readonly number[], label: string): number[] => {
    const rounded = counts.map((count) => (count > 0 && Number.isFinite(count) ? count : 0));
    const between = rounded.flatMap((count, index) => {
      const base = count === 0 ? 1 : baseOf(count);
      return Number.isInteger(count / base) ? [] : [{ index, count, base }];
    });
    const shares = uniform(key, label, between);
    for (const [position, { index, count, base }] of between.entries()) {
      const below = Math.floor(count / base);
      const up = (shares[position] ?? 0) < count / base - below;
      // A multiplication of a decimal base, such as 0.1, has rounding errors of its own.
      rounded[index] = Number(((below + (up ? 1 : 0)) * base).toPrecision(12));
    }
    return rounded;
  };
  return Object.assign((count: number, label: string) => all([count], label)[0] ?? 0, { all });
}

const BLOCK_BYTES = 16;

/** A number from 0 to less than 1 for each: the AES of base and number, a block, with a key for the label. */
function uniform(
  key: Uint8Array,
  label: string,
  numbers: readonly { readonly base: number; readonly count: number }[],
): number[] {
  if (numbers.length === 0) return [];
  const blocks = Buffer.alloc(numbers.length * BLOCK_BYTES);
  for (const [index, { base, count }] of numbers.entries()) {
    blocks.writeDoubleBE(base, index * BLOCK_BYTES);
    blocks.writeDoubleBE(count, index * BLOCK_BYTES + 8);
  }
  const labelKey = createHmac('sha256', key).update(label).digest();
  // Each block is encrypted by itself: it is used as a keyed hash, and equal numbers must have equal results.
  const hashes = createCipheriv('aes-256-ecb', labelKey, null).setAutoPadding(false).update(blocks);
  return numbers.map((_, index) => hashes.readUInt32BE(index * BLOCK_BYTES) / 2 ** 32);
}
