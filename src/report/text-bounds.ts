import { type DescField, type DescMessage, getOption, hasOption, type Message, ScalarType } from '@bufbuild/protobuf';
import { max_bytes } from '../../gen/spartakus/options/v1/options_pb.js';
import { SpartakusError } from '../runtime/errors.ts';

/** Of a text whose field has no `max_bytes` in the schema. */
const DEFAULT_MAX_BYTES = 1_024;
/** In UTF-8, of a UTF-16 code unit. */
const MAX_BYTES_PER_UNIT = 3;

/** A message by the local names of its fields. `Reflect.get` takes several times as long. */
type Fields = Readonly<Record<string, unknown>>;
/** A text that is too long. Its path is made once it is found: making that of each message would take longer than the check. */
interface Finding {
  readonly path: string;
  readonly maxBytes: number;
}
/** Returns the first text that is too long. */
type Check = (message: Fields) => Finding | undefined;

const checks = new WeakMap<DescMessage, Check>();
/** Decoding the options of a field is slow. */
const bounds = new WeakMap<DescField, number>();

/** The maximum length of a text in bytes of UTF-8: of a list or map, that of each entry. */
export function maxBytesOf(field: DescField): number {
  let maxBytes = bounds.get(field);
  if (maxBytes === undefined) {
    maxBytes = hasOption(field, max_bytes) ? getOption(field, max_bytes) : DEFAULT_MAX_BYTES;
    bounds.set(field, maxBytes);
  }
  return maxBytes;
}

export function isTooLong(text: string, maxBytes: number): boolean {
  if (text.length * MAX_BYTES_PER_UNIT <= maxBytes) return false;
  return text.length > maxBytes || Buffer.byteLength(text) > maxBytes;
}

/** The rule that a too long text breaks, to follow the name of the field. */
export function tooLong(maxBytes: number): string {
  return `is longer than ${maxBytes} bytes: shorten it`;
}

/**
 * Checks the length of each text in a message and the messages in it.
 *
 * @param base the path of the message, with a dot at its end where it is not empty
 * @throws SpartakusError `invalid` with the JSON path of the field
 */
export function checkTexts(schema: DescMessage, message: Message, base = ''): void {
  const found = checkOf(schema)(message);
  if (found === undefined) return;
  const field = base + found.path;
  throw new SpartakusError('invalid', `${field} ${tooLong(found.maxBytes)}`, { field });
}

function checkOf(schema: DescMessage): Check {
  let check = checks.get(schema);
  if (check === undefined) {
    const { fields } = schema;
    const texts = fields
      .filter(({ fieldKind, scalar }) => fieldKind === 'scalar' && scalar === ScalarType.STRING)
      .map((field) => ({ field, name: field.localName, maxBytes: maxBytesOf(field) }));
    const others = fields.map(createCheck).filter((one) => one !== undefined);
    check = (message) => {
      for (const { field, name, maxBytes } of texts) {
        const text = message[name] as string | undefined;
        if (text !== undefined && isTooLong(text, maxBytes)) return { path: field.jsonName, maxBytes };
      }
      for (const one of others) {
        const found = one(message);
        if (found !== undefined) return found;
      }
      return undefined;
    };
    checks.set(schema, check);
  }
  return check;
}

/** Of a field that is a message, a list or a map. */
function createCheck(field: DescField): Check | undefined {
  const { localName, jsonName, fieldKind } = field;
  const maxBytes = maxBytesOf(field);
  const checkText = (text: unknown): Finding | undefined =>
    typeof text === 'string' && isTooLong(text, maxBytes) ? { path: '', maxBytes } : undefined;
  if (fieldKind === 'map') {
    return (message) => {
      for (const [key, value] of Object.entries(message[localName] as Fields)) {
        if (checkText(key) !== undefined) return { path: jsonName, maxBytes };
        if (checkText(value) !== undefined) return { path: `${jsonName}[${JSON.stringify(key)}]`, maxBytes };
      }
      return undefined;
    };
  }
  const check = field.message === undefined ? checkText : (checkOf(field.message) as typeof checkText);
  if (fieldKind === 'message') {
    return (message) => {
      const value = message[localName];
      return value === undefined ? undefined : within(jsonName, check(value));
    };
  }
  if (fieldKind !== 'list' || (field.message === undefined && field.scalar !== ScalarType.STRING)) return undefined;
  return (message) => {
    const items = message[localName] as readonly unknown[];
    for (let index = 0; index < items.length; index += 1) {
      const found = check(items[index]);
      if (found !== undefined) return within(`${jsonName}[${index}]`, found);
    }
    return undefined;
  };
}

/** The same text, with its path from the message above. */
function within(name: string, found: Finding | undefined): Finding | undefined {
  return found && { ...found, path: found.path === '' ? name : `${name}.${found.path}` };
}
