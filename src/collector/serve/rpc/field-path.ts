import { type DescMessage, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { isObject } from '../../../report/go-json.ts';
import { SpartakusError } from '../../../runtime/errors.ts';

/**
 * Replaces an error's field, also in its message, by a path from the request message with the names of the .proto files, such as
 * `report.cluster_id`.
 *
 * @param thrown its field, where it has one, is a path of JSON names from the message at `base`
 * @param aliases fields that have another name in the request
 */
export function withRequestPath(
  thrown: unknown,
  request: DescMessage,
  base: string,
  aliases: Readonly<Record<string, string>> = {},
): SpartakusError {
  const error = SpartakusError.from(thrown);
  const { kind, message, field: jsonPath, retryAfterMs, cause } = error;
  if (jsonPath === undefined) return error;
  const field = toProtoPath(request, `${base}.${aliases[jsonPath] ?? jsonPath}`);
  return new SpartakusError(kind, message.replace(jsonPath, field), { field, retryAfterMs, cause });
}

function toProtoPath(schema: DescMessage, path: string): string {
  let message: DescMessage | undefined = schema;
  // Map keys are quoted.
  return path.replaceAll(/"(?:[^"\\]|\\.)*"|[^.[\]"]+/g, (part) => {
    if (/^["\d]/.test(part)) return part;
    const field = message?.fields.find(({ name, jsonName }) => part === name || part === jsonName);
    message = field?.message;
    return field?.name ?? part;
  });
}

/** The path of the first field in a message's JSON that cannot be decoded. It decodes once per level, so only for rejected messages. */
export function findWrongField(schema: DescMessage, json: JsonValue): string | undefined {
  if (!isObject(json)) return undefined;
  for (const [key, value] of Object.entries(json)) {
    const field = schema.fields.find(({ name, jsonName }) => key === name || key === jsonName);
    if (field === undefined || isDecodable(schema, { [key]: value })) continue;
    const within = (item: JsonValue, path: string): string => {
      const inner = field.message === undefined ? undefined : findWrongField(field.message, item);
      return inner === undefined ? path : `${path}.${inner}`;
    };
    if (field.fieldKind !== 'list' || !Array.isArray(value)) return within(value, field.name);
    const index = value.findIndex((item) => !isDecodable(schema, { [key]: [item] }));
    return index === -1 ? field.name : within(value[index] ?? null, `${field.name}[${index}]`);
  }
  return undefined;
}

function isDecodable(schema: DescMessage, json: JsonValue): boolean {
  try {
    fromJson(schema, json, { ignoreUnknownFields: true });
    return true;
  } catch {
    return false;
  }
}
