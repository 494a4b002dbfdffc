import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { SpartakusError } from '../../../runtime/errors.ts';

/** What is shorter cannot become much. */
const SMALL_BYTES = 16_384;
/** How many messages and unknown fields there may be within one: a report of 30,000 nodes, more than MongoDB takes, has 200,000. */
const MAX_MESSAGES = 400_000;
/** How many bytes there are to each of them, but for the first: the shortest thing that a report is full of, a resource of a node, takes ten. */
const MIN_BYTES_EACH = 8;
const FREE_MESSAGES = 1_000;

/** The wire types (https://protobuf.dev/programming-guides/encoding/#structure). */
const VARINT = 0;
const BIT64 = 1;
const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const BIT32 = 5;

interface Field {
  /** What it holds, where that is a message. */
  readonly message: DescMessage | undefined;
  /** Whether it becomes an object each time. */
  readonly isCounted: boolean;
  /** How it may stand on the wire. */
  readonly wireTypes: readonly number[];
}

type Fields = ReadonlyMap<number, Field>;

const known = new WeakMap<DescMessage, Fields>();

/**
 * Counts the messages within a message, and the fields that are unknown here, before anybody makes objects of them: an empty one takes two
 * bytes on the wire and a hundred times as many in memory. What is malformed is the decoder's to refuse, but for two things of which it
 * would read another message than is counted here: groups, which proto3 does not have, and a wire type that is not the field's, which it
 * does not look at.
 *
 * @throws SpartakusError `invalid` where they are more than any report needs
 */
export function checkProtobufBounds(schema: DescMessage, bytes: Uint8Array): void {
  if (bytes.length < SMALL_BYTES) return;
  const most = Math.min(MAX_MESSAGES, FREE_MESSAGES + bytes.length / MIN_BYTES_EACH);
  const reader = new BinaryReader(bytes);
  let count = 0;
  const countWithin = (message: DescMessage, end: number): void => {
    const fields = fieldsOf(message);
    while (reader.pos < end) {
      const [number, type] = reader.tag();
      const wireType: number = type;
      const field = fields.get(number);
      if (wireType === START_GROUP || wireType === END_GROUP || field?.wireTypes.includes(wireType) === false) {
        throw new SpartakusError(
          'invalid',
          `the message has a field of the wire type ${wireType} where that cannot be`,
        );
      }
      if (field === undefined || field.isCounted) count += 1;
      if (count > most) {
        throw new SpartakusError(
          'invalid',
          `the message has more than ${Math.floor(most)} parts in ${bytes.length} bytes: no report has so many`,
        );
      }
      if (field?.message === undefined) {
        reader.skip(type, number);
        continue;
      }
      const length = reader.uint32();
      countWithin(field.message, reader.pos + length);
    }
  };
  try {
    countWithin(schema, bytes.length);
  } catch (error) {
    if (error instanceof SpartakusError) throw error;
  }
}

function fieldsOf(schema: DescMessage): Fields {
  let fields = known.get(schema);
  if (fields === undefined) {
    fields = new Map(
      schema.fields.map((field) => {
        // What a map holds is inside its entries, which are counted.
        const message = field.fieldKind === 'map' ? undefined : field.message;
        const isCounted = message !== undefined || field.fieldKind === 'list' || field.fieldKind === 'map';
        return [field.number, { message, isCounted, wireTypes: wireTypesOf(field) }];
      }),
    );
    known.set(schema, fields);
  }
  return fields;
}

function wireTypesOf(field: DescField): readonly number[] {
  if (field.fieldKind === 'map' || field.message !== undefined) return [LENGTH_DELIMITED];
  const one = field.scalar === undefined ? VARINT : wireTypeOf(field.scalar);
  return field.fieldKind === 'list' ? [one, LENGTH_DELIMITED] : [one];
}

function wireTypeOf(scalar: ScalarType): number {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return LENGTH_DELIMITED;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return BIT64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return BIT32;
    case ScalarType.BOOL:
    case ScalarType.INT32:
    case ScalarType.INT64:
    case ScalarType.SINT32:
    case ScalarType.SINT64:
    case ScalarType.UINT32:
    case ScalarType.UINT64:
      return VARINT;
  }
}
