import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  type MessageShape,
  ScalarType,
} from '@bufbuild/protobuf';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import { isTooLong, maxBytesOf, tooLong } from './text-bounds.ts';

/** Extensions of Go's rules for single APIs. One object per API: readers are compiled once for each. */
export interface GoJsonOptions {
  /** String fields, as `Message.jsonName`, that accept a number. */
  readonly numbersAsText?: ReadonlySet<string>;
  /** Fields that hold a list of strings, as `Message.jsonName`, that accept one string. */
  readonly textsAsLists?: ReadonlySet<string>;
  /** Whether a key may also be the field's name in the schema: `seedUUID`, `seed_uuid`, `seedUuid`. */
  readonly anySpelling?: boolean;
  /** Fields that the API in Go did not have. It ignored their names, so one whose value does not fit is dropped. */
  readonly newer?: ReadonlySet<DescField>;
}

const NO_OPTIONS: GoJsonOptions = {};

/** Parses a body. As in Go, invalid UTF-8 becomes U+FFFD, and a byte order mark is an error. Throws a SpartakusError `invalid`. */
export function parseJson(body: Uint8Array): JsonValue {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString()) as JsonValue;
  } catch (error) {
    throw new SpartakusError('invalid', `the body is not JSON: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Decodes a message as Go's encoding/json decodes a struct (https://pkg.go.dev/encoding/json#Unmarshal), as all earlier collectors did.
 * Beyond protobuf JSON, Go accepts keys in any case (the last of several wins), unknown keys, null for an absent value, and strings with
 * half a surrogate pair. It rejects a value of another type than the field's, and, unlike Go, a text that is too long.
 *
 * @param onDropped called for each field of `newer` whose value does not fit
 * @throws SpartakusError of kind `invalid` with the path of the invalid field, such as `nodes[3].id`
 */
export function readGoJson<Schema extends DescMessage>(
  schema: Schema,
  json: JsonValue,
  options: GoJsonOptions = NO_OPTIONS,
  onDropped: OnDropped = () => undefined,
): MessageShape<Schema> {
  try {
    return readerOf(schema, options)(json ?? {}, onDropped) as MessageShape<Schema>;
  } catch (error) {
    throw error instanceof WrongValue ? invalidBody(error.path, error.message) : error;
  }
}

/** A key as Go compares it: case-insensitive by Unicode simple folding, where ſ equals s. */
export function foldKey(key: string): string {
  return key.toLowerCase().replaceAll('ſ', 's');
}

type OnDropped = () => void;
/** Returns the value of a field, or of one item of it, as a message holds it. Throws a WrongValue with the path below the field. */
type Reader = (value: JsonValue, onDropped: OnDropped) => unknown;
type MessageReader = (value: JsonValue, onDropped: OnDropped) => Message;

/** Each level adds itself to the path where one is needed: most values are right. */
class WrongValue extends Error {
  path = '';

  within(name: string): this {
    const separator = this.path === '' || this.path.startsWith('[') ? '' : '.';
    this.path = `${name}${separator}${this.path}`;
    return this;
  }
}

function expected(what: string, value: JsonValue): WrongValue {
  return new WrongValue(`expected ${what}, got ${kindOf(value)}`);
}

function within(error: unknown, name: string): unknown {
  return error instanceof WrongValue ? error.within(name) : error;
}

const readers = new WeakMap<GoJsonOptions, Map<DescMessage, MessageReader>>();

function readerOf(schema: DescMessage, options: GoJsonOptions): MessageReader {
  let bySchema = readers.get(options);
  if (bySchema === undefined) {
    bySchema = new Map();
    readers.set(options, bySchema);
  }
  let reader = bySchema.get(schema);
  if (reader === undefined) {
    reader = createMessageReader(schema, options);
    bySchema.set(schema, reader);
  }
  return reader;
}

interface FieldReader {
  readonly jsonName: string;
  readonly localName: string;
  readonly read: Reader;
  readonly isNewer: boolean;
}

function createMessageReader(schema: DescMessage, options: GoJsonOptions): MessageReader {
  const { anySpelling = false, newer, ...others } = options;
  const fold = anySpelling ? foldSpelling : foldKey;
  // By their usual keys, and by these folded.
  const fields = new Map<string, FieldReader>();
  for (const field of schema.fields) {
    const { name, jsonName, localName } = field;
    const isNewer = newer?.has(field) === true;
    // A newer field is dropped as a whole.
    const read = createFieldReader(field, isNewer ? { anySpelling, ...others } : options);
    const entry = { jsonName, localName, read, isNewer };
    for (const key of anySpelling ? [jsonName, name] : [jsonName]) fields.set(key, entry).set(fold(key), entry);
  }
  return (json, onDropped) => {
    if (!isObject(json)) throw expected('an object', json);
    const message = create(schema) as Message & Record<string, unknown>;
    for (const key of Object.keys(json)) {
      const field = fields.get(key) ?? fields.get(fold(key));
      const value = json[key];
      if (field === undefined || value === null || value === undefined) continue;
      try {
        message[field.localName] = field.read(value, onDropped);
      } catch (error) {
        if (!field.isNewer) throw within(error, field.jsonName);
        onDropped();
      }
    }
    return message;
  };
}

/** @throws Error for a kind of field that no schema uses yet */
function createFieldReader(field: DescField, options: GoJsonOptions): Reader {
  const read = createItemReader(field, options);
  if (field.fieldKind === 'map') return createMapReader(field, read);
  if (field.fieldKind !== 'list') return read;
  const acceptsText = isAmong(options.textsAsLists, field);
  return (value, onDropped) => {
    if (acceptsText && typeof value === 'string') return value === '' ? [] : [read(value, onDropped)];
    if (!Array.isArray(value)) throw expected('an array', value);
    let index = 0;
    try {
      const items: unknown[] = [];
      for (; index < value.length; index += 1) items.push(read(value[index] as JsonValue, onDropped));
      return items;
    } catch (error) {
      throw within(error, `[${index}]`);
    }
  };
}

function createMapReader(field: DescField, readItem: Reader): Reader {
  const readKey = createTextReader(field, false);
  return (value, onDropped) => {
    if (!isObject(value)) throw expected('an object', value);
    return Object.fromEntries(
      Object.entries(value).map(([key, item]): [string, unknown] => {
        const wellFormed = readKey(key, onDropped) as string;
        try {
          return [wellFormed, readItem(item, onDropped)];
        } catch (error) {
          throw within(error, `[${JSON.stringify(key)}]`);
        }
      }),
    );
  };
}

/** Of a field that is no list, or of each item of one. */
function createItemReader(field: DescField, options: GoJsonOptions): Reader {
  const { message, scalar } = field;
  if (message?.typeName.startsWith('google.protobuf.') === true) return createWellKnownReader(message);
  if (message !== undefined) {
    const read = createMessageReader(message, options);
    return (value, onDropped) => read(value ?? {}, onDropped);
  }
  if (scalar === ScalarType.STRING) return createTextReader(field, isAmong(options.numbersAsText, field));
  if (scalar === ScalarType.BOOL) return readBoolean;
  if (scalar === ScalarType.UINT32) return readUint32;
  throw new Error(`report/go-json.ts does not support ${field.toString()}: add it there`);
}

/** As in Go, null in an array or map is an empty string. */
function createTextReader(field: DescField, acceptsNumber: boolean): Reader {
  const maxBytes = maxBytesOf(field);
  return (value) => {
    if (value === null) return '';
    let text = value;
    if (acceptsNumber && typeof text === 'number') text = String(text);
    if (typeof text !== 'string') throw expected('a string', text);
    if (isTooLong(text, maxBytes)) throw new WrongValue(tooLong(maxBytes));
    return text.toWellFormed();
  };
}

/** Protobuf JSON would also accept a string, as for a number. */
function readBoolean(value: JsonValue): boolean {
  if (typeof value !== 'boolean') throw expected('a boolean', value);
  return value;
}

function readUint32(value: JsonValue): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32) return value as number;
  const got = typeof value === 'number' ? value : kindOf(value);
  throw new WrongValue(`expected a whole number from 0 to 4294967295, got ${got}`);
}

/** Well-known types have JSON forms of their own. */
function createWellKnownReader(schema: DescMessage): Reader {
  return (value) => {
    try {
      return fromJson(schema, value);
    } catch (error) {
      throw new WrongValue(messageOf(error));
    }
  };
}

function isAmong(names: ReadonlySet<string> | undefined, field: DescField): boolean {
  return names?.has(`${field.parent.name}.${field.jsonName}`) === true;
}

function foldSpelling(key: string): string {
  return foldKey(key).replaceAll('_', '');
}

export function isObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** The error for an invalid field; an empty path stands for the whole body. */
export function invalidBody(path: string, problem: string): SpartakusError {
  const message = `the body is not a report: ${path === '' ? '' : `${path}: `}${problem}`;
  return new SpartakusError('invalid', message, { field: path || undefined });
}
