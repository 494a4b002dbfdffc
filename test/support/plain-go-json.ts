import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  ScalarType,
} from '@bufbuild/protobuf';
import { foldKey, type GoJsonOptions, invalidBody, isObject } from '../../src/report/go-json.ts';
import { isTooLong, maxBytesOf, tooLong } from '../../src/report/text-bounds.ts';
import { messageOf } from '../../src/runtime/errors.ts';

interface Options extends GoJsonOptions {
  readonly onDropped: () => void;
}

/** What readGoJson does, in two steps: the body becomes protobuf JSON, which the library decodes. */
export function readGoJsonPlainly<Schema extends DescMessage>(
  schema: Schema,
  json: JsonValue,
  options: GoJsonOptions = {},
  onDropped: () => void = () => undefined,
): MessageShape<Schema> {
  const normal = normalizeMessage(schema, json ?? {}, '', { ...options, onDropped });
  return fromJson(schema, normal);
}

function normalizeMessage(schema: DescMessage, json: JsonValue, path: string, options: Options): JsonObject {
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
      options.onDropped();
    }
  }
  return normal;
}

function normalizeField(field: DescField, value: JsonValue, path: string, options: Options): JsonValue {
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

function kindOf(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
