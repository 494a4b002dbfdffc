import { clearField, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { Privacy } from '../../gen/spartakus/options/v1/options_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { SpartakusError } from '../runtime/errors.ts';
import type { Omission } from './omitted-fields.ts';
import { listFields, pathOf, type SchemaField } from './schema-fields.ts';
import { CURRENT_SCHEMA_VERSION } from './schema-version.ts';

/** Optional fields of a report that --collect does not name. */
const ALWAYS_COLLECTED: ReadonlySet<string> = new Set(['masterVersion', 'missing[]']);

const TOP_LEVEL = listFields().filter(({ path }) => !path.includes('.'));

/** The names that --collect accepts: JSON names of fields of a report. */
export const COLLECTABLE: readonly string[] = TOP_LEVEL.filter(
  ({ path, required }) => !required && !ALWAYS_COLLECTED.has(path),
).map(({ descriptor }) => descriptor.jsonName);

export interface FieldSelection {
  readonly fields: readonly SchemaField[];
  /** @param path a SchemaField.path */
  has(path: string): boolean;
  /** Clears all other fields but the required ones of the report itself: the spool needs the id in every schema version. */
  trim(report: Report): void;
}

/** Selects the fields of a schema version that are named in `collect` (of {@link COLLECTABLE}) or always collected, and not omitted. */
export function createFieldSelection({
  collect,
  omit = [],
  schemaVersion = CURRENT_SCHEMA_VERSION,
}: {
  readonly collect: readonly string[];
  readonly omit?: readonly Omission[];
  readonly schemaVersion?: number;
}): FieldSelection {
  const omitted = omit.filter(({ entry }) => entry === undefined).map(({ path }) => path);
  const chosen = listFields().filter(({ path, since }) => {
    const top = /^\w+/.exec(path)?.[0] ?? '';
    const isCollected = !COLLECTABLE.includes(top) || collect.includes(top);
    const isOmitted = omitted.some((other) => path === other || path.startsWith(`${other}.`));
    return since > 0 && since <= schemaVersion && isCollected && !isOmitted;
  });
  // A message without fields is not sent. A list of such messages is sent, because its length is a value.
  const fields = chosen.filter(
    ({ path, privacy, descriptor }) =>
      privacy !== Privacy.NESTED ||
      descriptor.fieldKind === 'list' ||
      chosen.some((other) => other.path.startsWith(`${path}.`)),
  );
  const paths = new Set(fields.map(({ path }) => path));
  const omittedKeys = Map.groupBy(
    omit.filter(({ entry }) => entry !== undefined),
    ({ path }) => path,
  );
  const kept = new Set([...paths, ...TOP_LEVEL.filter(({ required }) => required).map(({ path }) => path)]);
  const trim = createTrim(ReportSchema, '', kept, (path) => omittedKeys.get(path)?.map(({ entry }) => entry));
  return { fields, has: (path) => paths.has(path), trim: (report) => trim?.(report) };
}

type Trim = (message: object) => void;

/** Clears the fields whose path is not in `kept`, and removes list entries by their keys; undefined if there is nothing to do. */
function createTrim(
  schema: DescMessage,
  prefix: string,
  kept: ReadonlySet<string>,
  omittedKeysOf: (path: string) => readonly unknown[] | undefined,
): Trim | undefined {
  const steps = schema.fields.flatMap((field): Trim[] => {
    const path = pathOf(field, prefix);
    if (!kept.has(path)) return [(message) => clearField(message as Report, field)];
    const omittedKeys = omittedKeysOf(path);
    const nested =
      field.message?.file === schema.file ? createTrim(field.message, `${path}.`, kept, omittedKeysOf) : undefined;
    return [
      ...(omittedKeys === undefined ? [] : [createEntryFilter(field, omittedKeys)]),
      ...(nested === undefined ? [] : [(message: object) => messagesOf(message, field).forEach(nested)]),
    ];
  });
  return steps.length === 0 ? undefined : (message) => steps.forEach((step) => step(message));
}

function createEntryFilter(list: DescField, keys: readonly unknown[]): Trim {
  const keyName = listFields(list.message).find(({ key }) => key)?.descriptor.localName ?? '';
  return (message) => {
    const entries = messagesOf(message, list).filter((entry) => !keys.includes(Reflect.get(entry, keyName)));
    Reflect.set(message, list.localName, entries);
  };
}

function messagesOf(message: object, { localName }: DescField): object[] {
  return [(Reflect.get(message, localName) as object | object[] | undefined) ?? []].flat();
}

/** Parses the comma-separated names of --collect. Throws a SpartakusError `invalid` that lists the valid names. */
export function parseCollect(text: string): readonly string[] {
  return text.split(',').map((part) => {
    const name = part.trim();
    if (COLLECTABLE.includes(name)) return name;
    const problem = `is not a field that can be collected: use ${COLLECTABLE.join(', ')}`;
    throw new SpartakusError('invalid', `${JSON.stringify(name)} ${problem}`, { field: '--collect' });
  });
}
