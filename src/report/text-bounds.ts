import { type DescField, type DescMessage, getOption, hasOption, type Message, ScalarType } from '@bufbuild/protobuf';
import { max_bytes } from '../../gen/spartakus/options/v1/options_pb.js';
import { SpartakusError } from '../runtime/errors.ts';

/** Of a text whose field has no `max_bytes` in the schema. */
const DEFAULT_MAX_BYTES = 1_024;
/** In UTF-8, of a UTF-16 code unit. */
const MAX_BYTES_PER_UNIT = 3;

/** Throws with the path of the first text that is too long. */
type Check = (message: Message, path: string) => void;

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
 * @param path of the message, with a dot at its end where it is not empty
 * @throws SpartakusError `invalid` with the JSON path of the field
 */
export function checkTexts(schema: DescMessage, message: Message, path = ''): void {
  checkOf(schema)(message, path);
}

function checkOf(schema: DescMessage): Check {
  let check = checks.get(schema);
  if (check === undefined) {
    const each = schema.fields.map(createCheck).filter((one) => one !== undefined);
    check = (message, path) => {
      for (const one of each) one(message, path);
    };
    checks.set(schema, check);
  }
  return check;
}

function createCheck(field: DescField): Check | undefined {
  const { localName, jsonName, fieldKind } = field;
  const maxBytes = maxBytesOf(field);
  const checkText = (text: unknown, pathOf: () => string): void => {
    if (typeof text !== 'string' || !isTooLong(text, maxBytes)) return;
    const path = pathOf();
    throw new SpartakusError('invalid', `${path} ${tooLong(maxBytes)}`, { field: path });
  };
  if (fieldKind === 'map') {
    return (message, path) => {
      const entries = Object.entries(Reflect.get(message, localName) as Record<string, unknown>);
      for (const [key, value] of entries) {
        checkText(key, () => path + jsonName);
        checkText(value, () => `${path}${jsonName}[${JSON.stringify(key)}]`);
      }
    };
  }
  const isText = field.scalar === ScalarType.STRING;
  if (field.message === undefined && !isText) return undefined;
  const checkMessage = field.message === undefined ? undefined : checkOf(field.message);
  if (fieldKind === 'list') {
    return (message, path) => {
      const items = Reflect.get(message, localName) as readonly unknown[];
      for (const [index, item] of items.entries()) {
        if (checkMessage === undefined) checkText(item, () => `${path}${jsonName}[${index}]`);
        else checkMessage(item as Message, `${path}${jsonName}[${index}].`);
      }
    };
  }
  return (message, path) => {
    const value: unknown = Reflect.get(message, localName);
    if (value === undefined) return;
    if (checkMessage === undefined) checkText(value, () => path + jsonName);
    else checkMessage(value as Message, `${path}${jsonName}.`);
  };
}
