/** Of one call: the system's source takes as long for 16 bytes as for some thousands. */
const BLOCK_BYTES = 4_096;

/**
 * Takes random bytes from blocks. Every byte is returned once.
 *
 * @param randomBytes the source, which is cryptographically strong where the result is to be
 */
export function createRandomBlocks(randomBytes: (count: number) => Uint8Array): (count: number) => Uint8Array {
  let block: Uint8Array = new Uint8Array();
  return (count) => {
    if (count > BLOCK_BYTES) return randomBytes(count);
    if (count > block.length) block = randomBytes(BLOCK_BYTES);
    const taken = block.subarray(0, count);
    block = block.subarray(count);
    return taken;
  };
}
