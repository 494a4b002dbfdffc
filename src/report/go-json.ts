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

/**
 * JSON as Go's encoding/json reads it into a struct (https://pkg.go.dev/encoding/json#Unmarshal), which is how every ancestor read
 * it. What protobuf JSON does not take by itself: keys in any case (of two that differ only in that, the last counts), null for
 * anything that is absent, and texts with half a surrogate pair. What Go refuses is refused: a value of another type than the
 * field's, except where the message takes numbers for texts.
 */
export interface GoJsonOptions {
  /** Fields, as `Message.jsonName`, that take a number where they hold a text. */
  readonly numbersAsText?: ReadonlySet<string>;
  /** Fields, as `Message.jsonName`, that take a text where they hold a list of texts. */
  readonly textsAsLists?: ReadonlySet<string>;
  /** Whether a key may be the field's name in the schema as well, and underscores do not count: `seedUUID`, `seed_uuid`, `seedUuid`. */
  readonly anySpelling?: boolean;
}

/**
 * The JSON text of a body. Bytes that are no UTF-8 become U+FFFD, as in Go; a byte order mark is no JSON, as in Go.
 *
 * @throws SpartakusError of kind `invalid`
 */
export function parseJson(body: Uint8Array): JsonValue {
  try {
    return JSON.parse(new TextDecoder('utf-8', { ignoreBOM: true }).decode(body)) as JsonValue;
  } catch (error) {
    throw new SpartakusError('invalid', `the body is not JSON: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Reads a message. Keys that the message does not know are ignored; null is an empty message.
 *
 * @throws SpartakusError of kind `invalid` with the path of the field that has the wrong type, such as `nodes[3].id`
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
    const field = isFieldError(cause) ? cause.field() : undefined;
    const path = field?.kind === 'field' ? field.jsonName : '';
    throw wrong(path, isFieldError(cause) ? cause.message : messageOf(error));
  }
}

/** A key as Go compares it: without regard to case, by Unicode's simple folding, which takes ſ for s. */
export function foldKey(key: string): string {
  return key.toLowerCase().replaceAll('ſ', 's');
}

function normalizeMessage(schema: DescMessage, json: JsonValue, path: string, options: GoJsonOptions): JsonObject {
  // Timestamps and their like have a JSON of their own.
  if (!isObject(json)) throw wrong(path, `expected an object, got ${kindOf(json)}`);
  const { anySpelling = false } = options;
  const fields = fieldsOf(schema, anySpelling);
  const normal: JsonObject = {};
  for (const [key, value] of Object.entries(json)) {
    const field = fields.get(anySpelling ? foldSpelling(key) : foldKey(key));
    if (field === undefined || value === null) continue;
    normal[field.jsonName] = normalizeField(
      field,
      value,
      path === '' ? field.jsonName : `${path}.${field.jsonName}`,
      options,
    );
  }
  return normal;
}

function normalizeField(field: DescField, value: JsonValue, path: string, options: GoJsonOptions): JsonValue {
  const one = (item: JsonValue, itemPath: string): JsonValue => {
    if (field.message !== undefined) {
      return isWellKnown(field.message)
        ? checked(field.message, item, itemPath)
        : normalizeMessage(field.message, item ?? {}, itemPath, options);
    }
    if (field.scalar === ScalarType.STRING) return readText(item, itemPath, isAmong(options.numbersAsText, field));
    return readPlain(field.scalar, item, itemPath);
  };
  switch (field.fieldKind) {
    case 'list':
      if (typeof value === 'string' && isAmong(options.textsAsLists, field))
        return value === '' ? [] : [one(value, path)];
      if (!Array.isArray(value)) throw wrong(path, `expected a list, got ${kindOf(value)}`);
      return value.map((item, index) => one(item, `${path}[${index}]`));
    case 'map':
      if (!isObject(value)) throw wrong(path, `expected an object, got ${kindOf(value)}`);
      return Object.fromEntries(
        Object.entries(value).map(
          ([key, item]) => [key.toWellFormed(), one(item, `${path}[${JSON.stringify(key)}]`)] as const,
        ),
      );
    case 'scalar':
    case 'message':
    case 'enum':
      return one(value, path);
  }
}

/** A text; null is an empty one, as it is in a Go list or map. */
function readText(value: JsonValue, path: string, takesNumber: boolean): string {
  if (typeof value === 'string') return value.toWellFormed();
  if (value === null) return '';
  if (takesNumber && typeof value === 'number') return String(value);
  throw wrong(path, `expected a text, got ${kindOf(value)}`);
}

/** A boolean or a number, of which Go takes no text. What else a number must be, its type in the schema says. */
function readPlain(scalar: ScalarType | undefined, value: JsonValue, path: string): JsonValue {
  if (scalar === ScalarType.BOOL && typeof value !== 'boolean')
    throw wrong(path, `expected a boolean, got ${kindOf(value)}`);
  if (
    scalar === ScalarType.UINT32 &&
    !(Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32)
  ) {
    throw wrong(
      path,
      `expected a whole number from 0 to 4294967295, got ${typeof value === 'number' ? value : kindOf(value)}`,
    );
  }
  return value;
}

/** A value of a message that has a JSON of its own, tried here because here its path is known. */
function checked(schema: DescMessage, value: JsonValue, path: string): JsonValue {
  try {
    fromJson(schema, value);
    return value;
  } catch (error) {
    throw wrong(path, messageOf(error));
  }
}

function isAmong(names: ReadonlySet<string> | undefined, field: DescField): boolean {
  return names?.has(`${field.parent.name}.${field.jsonName}`) === true;
}

/** A key without what spellings differ in. */
function foldSpelling(key: string): string {
  return foldKey(key).replaceAll('_', '');
}

const foldedFields = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();
const spelledFields = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

function fieldsOf(schema: DescMessage, anySpelling: boolean): ReadonlyMap<string, DescField> {
  const known = anySpelling ? spelledFields : foldedFields;
  let fields = known.get(schema);
  if (fields === undefined) {
    fields = new Map(
      schema.fields.flatMap((field) =>
        anySpelling
          ? [[foldSpelling(field.name), field] as const, [foldSpelling(field.jsonName), field] as const]
          : [[foldKey(field.jsonName), field] as const],
      ),
    );
    known.set(schema, fields);
  }
  return fields;
}

function isWellKnown({ typeName }: DescMessage): boolean {
  return typeName.startsWith('google.protobuf.');
}

/** Whether a JSON value is an object, neither null nor a list. */
export function isObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return (
    { object: 'an object', string: 'a text', number: 'a number', boolean: 'a boolean' }[typeof value as 'object'] ??
    typeof value
  );
}

/** What a field's reader says of a value that it does not take. */
export function wrong(path: string, complaint: string): SpartakusError {
  return new SpartakusError(
    'invalid',
    `the body is no report: ${path === '' ? '' : `${path}: `}${complaint}`,
    path === '' ? {} : { field: path },
  );
}
