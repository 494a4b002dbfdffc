import { type DescField, type DescMessage, type MessageShape, ScalarType } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** Longer strings are rarely repeated. */
const MAX_CACHED_BYTES = 64;
/** A power of two, larger than the number of strings that the nodes of a page share. */
const CACHED_STRINGS = 512;

const { Varint, Bit64, LengthDelimited, StartGroup, EndGroup, Bit32 } = WireType;
const WIRE_TYPES = [Varint, Bit64, LengthDelimited, StartGroup, EndGroup, Bit32] as const;

type Fields = Record<string, unknown>;

interface Decoder {
  readonly create: () => Fields;
  /** By field number; fields without a reader are skipped. */
  readonly fields: readonly (FieldReader | undefined)[];
}

type FieldReader = (message: Fields, reader: Reader) => void;

/**
 * Decodes a message as `fromBinary` does with `readUnknownFields: false`, in a fraction of the time and memory: undeclared fields are
 * skipped without allocation, repeated strings are decoded once, and bytes fields are views of `bytes`. Throws where `fromBinary` does, and
 * a TypeError for field types that kubernetes.proto does not have.
 */
export function readMessage<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  const decoder = decoderOf(schema);
  const message = decoder.create();
  readFields(message, decoder, new Reader(bytes), bytes.length);
  return message as MessageShape<Desc>;
}

function readFields(message: Fields, { fields }: Decoder, reader: Reader, length: number): void {
  const end = reader.pos + length;
  while (reader.pos < end) {
    const tag = reader.tagNumber();
    const read = fields[tag >>> 3];
    if (read === undefined) reader.stepOver(tag);
    else read(message, reader);
  }
}

class Reader extends BinaryReader {
  readonly #bytes: Buffer;
  readonly #cache: string[] = [];

  constructor(bytes: Uint8Array) {
    super(bytes);
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The field number and the wire type. */
  tagNumber(): number {
    const byte = this.#bytes[this.pos];
    if (byte !== undefined && byte > 7 && byte < 0x80 && (byte & 7) < WIRE_TYPES.length) {
      this.pos += 1;
      return byte;
    }
    const [number, type] = this.tag();
    return ((number << 3) | type) >>> 0;
  }

  stepOver(tag: number): void {
    const type = WIRE_TYPES[tag & 7];
    if (type === LengthDelimited) this.#step();
    else if (type !== undefined) this.skip(type, tag >>> 3);
  }

  /** Returns the same object for repeated short ASCII strings. */
  text(): string {
    const lengthAt = this.pos;
    const start = this.#step();
    const end = this.pos;
    const bytes = this.#bytes;
    let all = 0;
    let slot = 0;
    for (let at = start; at < end && at < start + MAX_CACHED_BYTES; at++) {
      const byte = bytes[at] ?? 0;
      all |= byte;
      slot = (Math.imul(slot, 31) + byte) | 0;
    }
    if (all > 0x7f || end - start > MAX_CACHED_BYTES) {
      this.pos = lengthAt;
      // Strict, because proto3 forbids invalid UTF-8.
      return this.string(true);
    }
    slot &= CACHED_STRINGS - 1;
    const cached = this.#cache[slot];
    return cached !== undefined && isStringOf(cached, bytes, start, end)
      ? cached
      : (this.#cache[slot] = bytes.toString('latin1', start, end));
  }

  /** Skips a length-delimited field, and returns the start of its content. */
  #step(): number {
    const length = this.uint32();
    const start = this.pos;
    this.pos += length;
    if (this.pos > this.len) throw new RangeError('The message ends within a field.');
    return start;
  }
}

function isStringOf(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let at = start; at < end; at++) {
    if (text.charCodeAt(at - start) !== bytes[at]) return false;
  }
  return true;
}

type Scalar = { readonly zero: unknown; readonly read: (reader: Reader) => unknown };

const SCALARS: ReadonlyMap<ScalarType, Scalar> = new Map<ScalarType, Scalar>([
  [ScalarType.STRING, { zero: '', read: (reader) => reader.text() }],
  [ScalarType.BYTES, { zero: new Uint8Array(), read: (reader) => reader.bytes() }],
  [ScalarType.INT32, { zero: 0, read: (reader) => reader.int32() }],
  [ScalarType.INT64, { zero: 0n, read: (reader) => reader.int64() }],
]);

const decoders = new WeakMap<DescMessage, Decoder>();

function decoderOf(schema: DescMessage): Decoder {
  const known = decoders.get(schema);
  if (known !== undefined) return known;
  const fields: (FieldReader | undefined)[] = [];
  for (const field of schema.fields) fields[field.number] = fieldReader(field);
  const decoder = { create: creator(schema), fields };
  decoders.set(schema, decoder);
  return decoder;
}

/** The messages of a type get their fields in the same order, for which V8 optimises. */
function creator(schema: DescMessage): () => Fields {
  const empty: Fields = { $typeName: schema.typeName };
  for (const field of schema.fields)
    empty[field.localName] = field.fieldKind === 'scalar' ? scalarOf(field).zero : undefined;
  const containers = schema.fields.filter(({ fieldKind }) => fieldKind === 'list' || fieldKind === 'map');
  return () => {
    const message = { ...empty };
    for (const { localName, fieldKind } of containers) message[localName] = fieldKind === 'list' ? [] : {};
    return message;
  };
}

function fieldReader(field: DescField): FieldReader {
  const { localName: name } = field;
  if (field.oneof !== undefined) return unsupported(field);
  if (field.fieldKind === 'scalar') {
    const { read } = scalarOf(field);
    return (message, reader) => (message[name] = read(reader));
  }
  if (field.message === undefined) return unsupported(field);
  const decoder = decoderOf(field.message);
  switch (field.fieldKind) {
    case 'message':
      // Repeated occurrences are merged.
      return (message, reader) =>
        (message[name] = readInto((message[name] as Fields | undefined) ?? decoder.create(), decoder, reader));
    case 'list':
      return (message, reader) => (message[name] as Fields[]).push(readInto(decoder.create(), decoder, reader));
    case 'map':
      return field.mapKey === ScalarType.STRING ? entryReader(name, decoder) : unsupported(field);
    default:
      return unsupported(field);
  }
}

function readInto(message: Fields, decoder: Decoder, reader: Reader): Fields {
  readFields(message, decoder, reader, reader.uint32());
  return message;
}

function scalarOf(field: DescField): Scalar {
  return (field.scalar === undefined ? undefined : SCALARS.get(field.scalar)) ?? unsupported(field);
}

/** A map entry is a message of key = 1 and value = 2. */
function entryReader(name: string, value: Decoder): FieldReader {
  const entry: Decoder = {
    create: () => ({ key: '', value: undefined }),
    fields: [
      undefined,
      (message, reader) => (message['key'] = reader.text()),
      (message, reader) =>
        (message['value'] = readInto((message['value'] as Fields | undefined) ?? value.create(), value, reader)),
    ],
  };
  return (message, reader) => {
    const { key, value: read = value.create() } = readInto(entry.create(), entry, reader);
    // An assignment would set the prototype for this key.
    if (key === '__proto__')
      Object.defineProperty(message[name], key, { value: read, writable: true, enumerable: true, configurable: true });
    else (message[name] as Fields)[key as string] = read;
  };
}

function unsupported(field: DescField): never {
  throw new TypeError(`There is no reader for ${field.toString()}.`);
}
