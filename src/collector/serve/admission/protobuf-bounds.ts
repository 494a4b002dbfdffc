import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { SpartakusError } from '../../../runtime/errors.ts';

/** Shorter messages are not checked. */
const SMALL_BYTES = 16_384;
/** Nested messages and unknown fields: a report of 30,000 nodes, more than MongoDB stores, has 200,000. */
const MAX_MESSAGES = 400_000;
/** Per part beyond the first thousand: the shortest common one, a resource of a node, takes ten. */
const MIN_BYTES_EACH = 8;
const FREE_MESSAGES = 1_000;

/** https://protobuf.dev/programming-guides/encoding/#structure */
const VARINT = 0;
const BIT64 = 1;
const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const BIT32 = 5;

interface Field {
  readonly message: DescMessage | undefined;
  /** Whether each occurrence is decoded to an object. */
  readonly isCounted: boolean;
  readonly wireTypes: readonly number[];
}

type Fields = ReadonlyMap<number, Field>;

const known = new WeakMap<DescMessage, Fields>();

/**
 * Counts nested messages and unknown fields before a message is decoded: an empty one takes two bytes on the wire, and a hundred times as
 * many in memory. Malformed messages are left to the decoder, except for groups, which proto3 does not have, and wire types that do not
 * match the field: the decoder reads these in another way.
 *
 * @throws SpartakusError `invalid` where the message has more parts than any report needs
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
        const text = `the message has a field of the wire type ${wireType} that its type does not allow`;
        throw new SpartakusError('invalid', text);
      }
      if (field === undefined || field.isCounted) count += 1;
      if (count > most) {
        const text = `the message has more than ${Math.floor(most)} parts in ${bytes.length} bytes: no report has so many`;
        throw new SpartakusError('invalid', text);
      }
      // Not by `skip`, which makes an array of each value.
      if (wireType === LENGTH_DELIMITED) {
        const length = reader.uint32();
        if (field?.message === undefined) reader.pos += length;
        else countWithin(field.message, reader.pos + length);
      } else if (wireType === VARINT) {
        while ((bytes[reader.pos] ?? 0) >= 0x80) reader.pos += 1;
        reader.pos += 1;
      } else {
        reader.pos += wireType === BIT64 ? 8 : 4;
      }
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
        // Messages of a map are within its entries, which are counted.
        const message = field.fieldKind === 'map' ? undefined : field.message;
        const isCounted = message !== undefined || field.fieldKind === 'list' || field.fieldKind === 'map';
        return [field.number, { message, isCounted, wireTypes: wireTypesOf(field) }];
      }),
    );
    known.set(schema, fields);
  }
  return fields;
}

const WIRE_TYPES: Readonly<Partial<Record<ScalarType, number>>> = {
  [ScalarType.STRING]: LENGTH_DELIMITED,
  [ScalarType.BYTES]: LENGTH_DELIMITED,
  [ScalarType.DOUBLE]: BIT64,
  [ScalarType.FIXED64]: BIT64,
  [ScalarType.SFIXED64]: BIT64,
  [ScalarType.FLOAT]: BIT32,
  [ScalarType.FIXED32]: BIT32,
  [ScalarType.SFIXED32]: BIT32,
};

function wireTypesOf(field: DescField): readonly number[] {
  if (field.fieldKind === 'map' || field.message !== undefined) return [LENGTH_DELIMITED];
  const one = field.scalar === undefined ? VARINT : (WIRE_TYPES[field.scalar] ?? VARINT);
  return field.fieldKind === 'list' ? [one, LENGTH_DELIMITED] : [one];
}
