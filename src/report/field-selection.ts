import { clearField, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { Privacy } from '../../gen/spartakus/options/v1/options_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { SpartakusError } from '../runtime/errors.ts';
import type { Omission } from './omitted-fields.ts';
import { listFields, parentOf, pathOf, type SchemaField } from './schema-fields.ts';
import { DEFAULT_AGREED_VERSION, isAgreed } from './schema-version.ts';

/** Optional fields of a report that --collect does not name. */
const ALWAYS_COLLECTED: ReadonlySet<string> = new Set(['masterVersion', 'missing[]']);

const TOP_LEVEL = listFields().filter(({ path }) => !path.includes('.'));

/** The names that --collect accepts: JSON names of fields of a report. */
export const COLLECTABLE: readonly string[] = TOP_LEVEL.filter(
  ({ path, required }) => !required && !ALWAYS_COLLECTED.has(path),
).map(({ descriptor }) => descriptor.jsonName);

export interface SelectionOptions {
  readonly collect: readonly string[];
  readonly omit?: readonly Omission[];
  /** The newest schema version that the administrator agreed to; default {@link DEFAULT_AGREED_VERSION}. */
  readonly agree?: number;
  /** The newest schema version whose fields the transport sends, whatever was agreed to; default any. */
  readonly schemaVersion?: number;
}

export interface FieldSelection {
  readonly fields: readonly SchemaField[];
  /** @param path a SchemaField.path */
  has(path: string): boolean;
  /** Clears all other fields but the id of the report, which the spool needs in every schema version; transports omit it in version 1. */
  trim(report: Report): void;
}

/**
 * Selects the fields that are agreed to, named in `collect` (of {@link COLLECTABLE}) or always collected, and not omitted.
 *
 * @param all the fields of the schema
 * @throws SpartakusError `invalid` where no report is possible: the anonymization of a required field has changed since the agreement
 */
export function createFieldSelection(
  { collect, omit = [], agree = DEFAULT_AGREED_VERSION, schemaVersion = Number.POSITIVE_INFINITY }: SelectionOptions,
  all = listFields(),
): FieldSelection {
  const omitted = omit.filter(({ entry }) => entry === undefined).map(({ path }) => path);
  const withheld = listWithheld(all, agree);
  const chosen = all.filter(({ path, since }) => {
    const top = /^\w+/.exec(path)?.[0] ?? '';
    const isCollected = !COLLECTABLE.includes(top) || collect.includes(top);
    const isOmitted = omitted.some((other) => path === other || path.startsWith(`${other}.`));
    return !withheld.has(path) && since <= schemaVersion && isCollected && !isOmitted;
  });
  // A message without fields is not sent. A list of such messages is sent, because its length is a value.
  const fields = chosen.filter(({ path, privacy, descriptor }) => {
    if (privacy !== Privacy.NESTED || descriptor.fieldKind === 'list') return true;
    return chosen.some((other) => other.path.startsWith(`${path}.`));
  });
  const paths = new Set(fields.map(({ path }) => path));
  const omittedEntries = omit.filter(({ entry }) => entry !== undefined);
  const omittedKeys = Map.groupBy(omittedEntries, ({ path }) => path);
  const kept = new Set([...paths, ReportSchema.field.reportId.jsonName]);
  const trim = createTrim(ReportSchema, '', kept, (path) => omittedKeys.get(path)?.map(({ entry }) => entry));
  return { fields, has: (path) => paths.has(path), trim: (report) => trim?.(report) };
}

export interface RecordSelection {
  /** @param path a SchemaField.path */
  has(path: string): boolean;
  /** Clears all other fields. */
  trim(record: KubermaticRecord): void;
}

/** Selects the fields of a record of Kubermatic's that the administrator has agreed to. Throws as {@link createFieldSelection}. */
export function createRecordSelection(
  agree: number = DEFAULT_AGREED_VERSION,
  all = listFields(RecordSchema),
): RecordSelection {
  const withheld = listWithheld(all, agree);
  const kept = new Set(all.map(({ path }) => path).filter((path) => !withheld.has(path)));
  const trim = createTrim(RecordSchema, '', kept, () => undefined);
  return { has: (path) => kept.has(path), trim: (record) => trim?.(record) };
}

/** The fields that are not agreed to, those in them, and those that have no meaning without them. */
function listWithheld(all: readonly SchemaField[], agree: number): ReadonlySet<string> {
  const byPath = new Map(all.map((field) => [field.path, field]));
  const withheld = new Set<string>();
  const withhold = (field: SchemaField, cause: SchemaField): void => {
    const { path, required, since } = field;
    withheld.add(path);
    if (!required || since > agree) return;
    const parent = byPath.get(parentOf(path));
    if (parent === undefined) throw changedError(cause, agree);
    withhold(parent, cause);
  };
  for (const field of all) {
    if (withheld.has(parentOf(field.path))) withheld.add(field.path);
    else if (!isAgreed(field, agree)) withhold(field, field);
  }
  // A message may have been withheld because of one of its last fields.
  for (const { path } of all) if (withheld.has(parentOf(path))) withheld.add(path);
  return withheld;
}

function changedError({ path, treatmentSince }: SchemaField, agree: number): SpartakusError {
  return new SpartakusError(
    'invalid',
    `Version ${treatmentSince} changes how ${path} is made anonymous, which nothing is sent without: see ` +
      `"spartakus volunteer explain --diff ${agree}", then agree to it with --agree ${treatmentSince}`,
    { field: '--agree' },
  );
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
      field.message?.file.proto.package.startsWith('spartakus.') === true
        ? createTrim(field.message, `${path}.`, kept, omittedKeysOf)
        : undefined;
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
