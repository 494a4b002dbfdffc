import type { DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

import { SpartakusError } from './errors.ts';

/** What is shorter cannot become much. */
const SMALL_BYTES = 16_384;
/** How many messages, and fields that nobody knows, there may be within one: a report of 30,000 nodes, more than MongoDB takes, has 200,000. */
const MAX_MESSAGES = 400_000;
/** How many bytes there are to each of them, but for the first: the shortest thing that a report is full of, a resource of a node, takes ten. */
const MIN_BYTES_EACH = 8;
const FREE_MESSAGES = 1_000;

/** By field number, the message that a field holds; undefined where it holds none. What is not there is unknown. */
type Nested = ReadonlyMap<number, DescMessage | undefined>;

const known = new WeakMap<DescMessage, Nested>();

/**
 * Counts the messages within a message, and the fields that are kept unread, before anybody makes objects of them: an empty one takes two bytes on the wire and a hundred
 * times as many in memory. What is malformed is the decoder's to refuse.
 *
 * @throws SpartakusError `invalid` where they are more than any report needs
 */
export function checkProtobufBounds(schema: DescMessage, bytes: Uint8Array): void {
  if (bytes.length < SMALL_BYTES) return;
  const most = Math.min(MAX_MESSAGES, FREE_MESSAGES + bytes.length / MIN_BYTES_EACH);
  const reader = new BinaryReader(bytes);
  let count = 0;
  const countWithin = (message: DescMessage, end: number): void => {
    const nested = nestedOf(message);
    while (reader.pos < end) {
      const [number, type] = reader.tag();
      const child = type === WireType.LengthDelimited ? nested.get(number) : undefined;
      if (child !== undefined || !nested.has(number)) count += 1;
      if (count > most) {
        throw new SpartakusError('invalid', `the message has more than ${Math.floor(most)} parts in ${bytes.length} bytes: no report has so many`);
      }
      if (child === undefined) {
        reader.skip(type, number);
        continue;
      }
      const length = reader.uint32();
      countWithin(child, reader.pos + length);
    }
  };
  try {
    countWithin(schema, bytes.length);
  } catch (error) {
    if (error instanceof SpartakusError) throw error;
  }
}

function nestedOf(schema: DescMessage): Nested {
  const found = known.get(schema);
  if (found !== undefined) return found;
  const nested = new Map(schema.fields.map(({ number, message }) => [number, message] as const));
  known.set(schema, nested);
  return nested;
}
