import { Binary, BSONType } from 'bson';

/** Native code is faster for longer texts. */
const MAX_LOOP_UNITS = 40;
const MAX_BYTES_PER_UNIT = 3;
const MIN_INT32 = -(2 ** 31);
const MAX_INT32 = 2 ** 31 - 1;
const UINT32 = 2 ** 32;

/** The name of a field as BSON (https://bsonspec.org/spec.html) has it: with a null byte at its end. */
export function bsonName(name: string): Uint8Array {
  return Buffer.from(`${name}\0`);
}

const indexes = Array.from({ length: 1_000 }, (_, index) => bsonName(String(index)));

/** The name of an item of an array. */
export function bsonIndex(index: number): Uint8Array {
  return indexes[index] ?? bsonName(String(index));
}

/**
 * Writes documents of BSON one after the other into one buffer, which grows. MongoDB's serializer takes four times as long, and needs the
 * documents as objects.
 */
export class BsonWriter {
  #buffer: Buffer;
  #used: number;

  /** @param start where the first document begins: room before it */
  constructor(expectedBytes: number, start = 0) {
    this.#buffer = Buffer.allocUnsafeSlow(start + expectedBytes);
    this.#used = start;
  }

  get used(): number {
    return this.#used;
  }

  /** What was written from a position on, as a view of the writer's own buffer. */
  bytes(from: number): Uint8Array {
    return new Uint8Array(this.#buffer.buffer, this.#buffer.byteOffset + from, this.#used - from);
  }

  /** Removes what was written after a position. */
  truncate(used: number): void {
    this.#used = used;
  }

  /** Begins a document or array; returns what `end` needs. */
  begin(): number {
    const start = this.#used;
    this.#reserve(4);
    this.#used += 4;
    return start;
  }

  end(start: number): void {
    this.#reserve(1);
    this.#buffer[this.#used] = 0;
    this.#used += 1;
    this.#setInt32(start, this.#used - start);
  }

  /** The type and the name of the next value. */
  #key(type: number, name: Uint8Array): void {
    const { length } = name;
    this.#reserve(length + 1 + 8);
    const buffer = this.#buffer;
    let at = this.#used;
    buffer[at] = type;
    at += 1;
    for (let index = 0; index < length; index += 1) buffer[at + index] = name[index] as number;
    this.#used = at + length;
  }

  beginDocument(name: Uint8Array): number {
    this.#key(BSONType.object, name);
    return this.begin();
  }

  beginArray(name: Uint8Array): number {
    this.#key(BSONType.array, name);
    return this.begin();
  }

  string(name: Uint8Array, text: string): void {
    this.#key(BSONType.string, name);
    const { length } = text;
    this.#reserve(length * MAX_BYTES_PER_UNIT + 5);
    const buffer = this.#buffer;
    const start = this.#used + 4;
    let at = start;
    let index = 0;
    if (length <= MAX_LOOP_UNITS) {
      for (; index < length; index += 1) {
        const unit = text.charCodeAt(index);
        if (unit > 0x7f) break;
        buffer[at] = unit;
        at += 1;
      }
    }
    if (index < length) at = start + buffer.write(text, start);
    buffer[at] = 0;
    this.#setInt32(this.#used, at + 1 - start);
    this.#used = at + 1;
  }

  /** As MongoDB's driver: an int32 where it is one, a double otherwise. */
  number(name: Uint8Array, value: number): void {
    const isInt32 = Number.isInteger(value) && value >= MIN_INT32 && value <= MAX_INT32 && !Object.is(value, -0);
    this.#key(isInt32 ? BSONType.int : BSONType.double, name);
    if (isInt32) {
      this.#setInt32(this.#used, value);
      this.#used += 4;
    } else {
      this.#used = this.#buffer.writeDoubleLE(value, this.#used);
    }
  }

  bigint(name: Uint8Array, value: bigint): void {
    this.#key(BSONType.long, name);
    this.#used = this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, value), this.#used);
  }

  boolean(name: Uint8Array, value: boolean): void {
    this.#key(BSONType.bool, name);
    this.#buffer[this.#used] = value ? 1 : 0;
    this.#used += 1;
  }

  /** @param ms whole milliseconds since 1970 */
  date(name: Uint8Array, ms: number): void {
    this.#key(BSONType.date, name);
    const high = Math.floor(ms / UINT32);
    this.#setInt32(this.#used, ms - high * UINT32);
    this.#setInt32(this.#used + 4, high);
    this.#used += 8;
  }

  binary(name: Uint8Array, bytes: Uint8Array): void {
    this.#key(BSONType.binData, name);
    this.#reserve(bytes.length + 5);
    this.#setInt32(this.#used, bytes.length);
    this.#buffer[this.#used + 4] = Binary.SUBTYPE_DEFAULT;
    this.#buffer.set(bytes, this.#used + 5);
    this.#used += bytes.length + 5;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.ceil(1.5 * (this.#used + bytes)));
    larger.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = larger;
  }

  #setInt32(at: number, value: number): void {
    const buffer = this.#buffer;
    buffer[at] = value;
    buffer[at + 1] = value >>> 8;
    buffer[at + 2] = value >>> 16;
    buffer[at + 3] = value >>> 24;
  }
}
