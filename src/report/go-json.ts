import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  ScalarType,
} from '@bufbuild/protobuf';
import { isFieldError } from '@bufbuild/protobuf/reflect';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import { isTooLong, maxBytesOf, tooLong } from './text-bounds.ts';

/** Extensions of Go's rules for single APIs. */
export interface GoJsonOptions {
  /** String fields, as `Message.jsonName`, that accept a number. */
  readonly numbersAsText?: ReadonlySet<string>;
  /** Fields that hold a list of strings, as `Message.jsonName`, that accept one string. */
  readonly textsAsLists?: ReadonlySet<string>;
  /** Whether a key may also be the field's name in the schema: `seedUUID`, `seed_uuid`, `seedUuid`. */
  readonly anySpelling?: boolean;
  /** Fields that the API in Go did not have. It ignored their names, so one whose value does not fit is dropped. */
  readonly newer?: { has(field: DescField): boolean; onDropped(): void } | undefined;
}

/** Parses a body. As in Go, invalid UTF-8 becomes U+FFFD, and a byte order mark is an error. Throws a SpartakusError `invalid`. */
export function parseJson(body: Uint8Array): JsonValue {
  try {
    return JSON.parse(new TextDecoder('utf-8', { ignoreBOM: true }).decode(body)) as JsonValue;
  } catch (error) {
    throw new SpartakusError('invalid', `the body is not JSON: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Decodes a message as Go's encoding/json decodes a struct (https://pkg.go.dev/encoding/json#Unmarshal), as all earlier collectors did.
 * Beyond protobuf JSON, Go accepts keys in any case (the last of several wins), unknown keys, null for an absent value, and strings with
 * half a surrogate pair. It rejects a value of another type than the field's, and, unlike Go, a text that is too long.
 *
 * @throws SpartakusError of kind `invalid` with the path of the invalid field, such as `nodes[3].id`
 */
export function readGoJson<Schema extends DescMessage>(
  schema: Schema,
  json: JsonValue,
  options: GoJsonOptions = {},
): MessageShape<Schema> {
  const normal = normalizeMessage(schema, json ?? {}, '', options);
  try {
    return fromJson(schema, normal);
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (!isFieldError(cause)) throw invalidBody('', messageOf(error));
    const field = cause.field();
    throw invalidBody(field.kind === 'field' ? field.jsonName : '', cause.message);
  }
}

/** A key as Go compares it: case-insensitive by Unicode simple folding, where ſ equals s. */
export function foldKey(key: string): string {
  return key.toLowerCase().replaceAll('ſ', 's');
}

function normalizeMessage(schema: DescMessage, json: JsonValue, path: string, options: GoJsonOptions): JsonObject {
  if (!isObject(json)) throw invalidBody(path, `expected an object, got ${kindOf(json)}`);
  const { anySpelling = false, newer } = options;
  const fields = fieldsOf(schema, anySpelling);
  const normal: JsonObject = {};
  for (const [key, value] of Object.entries(json)) {
    const field = fields.get(anySpelling ? foldSpelling(key) : foldKey(key));
    if (field === undefined || value === null) continue;
    const fieldPath = path === '' ? field.jsonName : `${path}.${field.jsonName}`;
    if (newer?.has(field) !== true) {
      normal[field.jsonName] = normalizeField(field, value, fieldPath, options);
      continue;
    }
    try {
      const item = normalizeField(field, value, fieldPath, { ...options, newer: undefined });
      fromJson(schema, { [field.jsonName]: item });
      normal[field.jsonName] = item;
    } catch {
      newer.onDropped();
    }
  }
  return normal;
}

function normalizeField(field: DescField, value: JsonValue, path: string, options: GoJsonOptions): JsonValue {
  const maxBytes = maxBytesOf(field);
  const bounded = (text: string, textPath: string): string => {
    if (isTooLong(text, maxBytes)) throw invalidBody(textPath, tooLong(maxBytes));
    return text;
  };
  const one = (item: JsonValue, itemPath: string): JsonValue => {
    if (field.message !== undefined) {
      return field.message.typeName.startsWith('google.protobuf.')
        ? checked(field.message, item, itemPath)
        : normalizeMessage(field.message, item ?? {}, itemPath, options);
    }
    if (field.scalar === ScalarType.STRING)
      return bounded(readString(item, itemPath, isAmong(options.numbersAsText, field)), itemPath);
    return readOther(field.scalar, item, itemPath);
  };
  switch (field.fieldKind) {
    case 'list':
      if (typeof value === 'string' && isAmong(options.textsAsLists, field))
        return value === '' ? [] : [one(value, path)];
      if (!Array.isArray(value)) throw invalidBody(path, `expected an array, got ${kindOf(value)}`);
      return value.map((item, index) => one(item, `${path}[${index}]`));
    case 'map':
      if (!isObject(value)) throw invalidBody(path, `expected an object, got ${kindOf(value)}`);
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [
          bounded(key.toWellFormed(), path),
          one(item, `${path}[${JSON.stringify(key)}]`),
        ]),
      );
    case 'scalar':
    case 'message':
    case 'enum':
      return one(value, path);
  }
}

/** As in Go, null in an array or map is an empty string. */
function readString(value: JsonValue, path: string, acceptsNumber: boolean): string {
  if (typeof value === 'string') return value.toWellFormed();
  if (value === null) return '';
  if (acceptsNumber && typeof value === 'number') return String(value);
  throw invalidBody(path, `expected a string, got ${kindOf(value)}`);
}

/** A boolean or a number; protobuf JSON would also accept them as strings. */
function readOther(scalar: ScalarType | undefined, value: JsonValue, path: string): JsonValue {
  if (scalar === ScalarType.BOOL && typeof value !== 'boolean')
    throw invalidBody(path, `expected a boolean, got ${kindOf(value)}`);
  const isUint32 = Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;
  if (scalar === ScalarType.UINT32 && !isUint32) {
    const got = typeof value === 'number' ? value : kindOf(value);
    throw invalidBody(path, `expected a whole number from 0 to 4294967295, got ${got}`);
  }
  return value;
}

/** A value of a well-known type, which has its own JSON form. */
function checked(schema: DescMessage, value: JsonValue, path: string): JsonValue {
  try {
    fromJson(schema, value);
    return value;
  } catch (error) {
    throw invalidBody(path, messageOf(error));
  }
}

function isAmong(names: ReadonlySet<string> | undefined, field: DescField): boolean {
  return names?.has(`${field.parent.name}.${field.jsonName}`) === true;
}

function foldSpelling(key: string): string {
  return foldKey(key).replaceAll('_', '');
}

type FieldsByKey = ReadonlyMap<string, DescField>;
const foldedFields = new WeakMap<DescMessage, FieldsByKey>();
const spelledFields = new WeakMap<DescMessage, FieldsByKey>();

function fieldsOf(schema: DescMessage, anySpelling: boolean): FieldsByKey {
  const cache = anySpelling ? spelledFields : foldedFields;
  const keysOf = ({ name, jsonName }: DescField): string[] =>
    anySpelling ? [name, jsonName].map(foldSpelling) : [foldKey(jsonName)];
  const fields =
    cache.get(schema) ?? new Map(schema.fields.flatMap((field) => keysOf(field).map((key) => [key, field] as const)));
  cache.set(schema, fields);
  return fields;
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
