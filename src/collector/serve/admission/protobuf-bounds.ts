import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { SpartakusError } from '../../../runtime/errors.ts';

/** Shorter messages cannot grow to a harmful size. */
const SMALL_BYTES = 16_384;
/** The most messages and unknown fields within one message: a report of 30,000 nodes, more than MongoDB stores, has 200,000. */
const MAX_MESSAGES = 400_000;
/** The fewest bytes per part beyond the first thousand: the shortest common one, a resource of a node, takes ten. */
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
  /** The type of its values, where that is a message. */
  readonly message: DescMessage | undefined;
  /** Whether each occurrence is decoded to an object. */
  readonly isCounted: boolean;
  /** The wire types that its type allows. */
  readonly wireTypes: readonly number[];
}

type Fields = ReadonlyMap<number, Field>;

const known = new WeakMap<DescMessage, Fields>();

/**
 * Counts the nested messages and unknown fields of a message before it is decoded: an empty one takes two bytes on the wire, and a
 * hundred times as many in memory. Malformed messages are left to the decoder, except for two cases that it would decode differently from this
 * count: groups, which proto3 does not have, and wire types that do not match the field, which it ignores.
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
        throw new SpartakusError(
          'invalid',
          `the message has a field of the wire type ${wireType} that its type does not allow`,
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
        // Messages within a map are inside its entries, which are counted.
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
