import { clearField, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { Privacy } from '../../gen/spartakus/options/v1/options_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { SpartakusError } from '../runtime/errors.ts';
import { type CollectedField, listCollected } from './collected.ts';
import type { Omission } from './omission.ts';
import { CURRENT_SCHEMA_VERSION } from './schema-version.ts';

/** What --collect can name: fields of a report, by their JSON names. Everything else is always in. */
export const COLLECTABLE = ['nodes', 'extensions', 'namespaces', 'workloads', 'lifetimes'] as const;

export type Collectable = (typeof COLLECTABLE)[number];

/** What an administrator lets into reports. */
export interface Choice {
  readonly collect: readonly Collectable[];
  readonly omit?: readonly Omission[];
  /** No field of a newer version is sent; the newest where none is given. */
  readonly schemaVersion?: number;
}

/** The fields that may be in a report. */
export interface Selection {
  /** In the order of the schema. */
  readonly fields: readonly CollectedField[];
  /** @param path as listCollected() has it */
  has(path: string): boolean;
  /**
   * Takes everything out of the report that is not selected, but what identifies the report itself: whatever the schema version, the
   * spool goes by it, and the legacy road does not send it.
   */
  trim(report: Report): void;
}

/** What to take out of a message. */
interface Trim {
  readonly clear: readonly DescField[];
  /** For each field that holds messages: the keys of entries to take out, and what to take out of the rest. */
  readonly nested: readonly {
    readonly field: DescField;
    readonly without: ReadonlySet<string>;
    readonly trim: Trim | undefined;
  }[];
}

export function createSelection({ collect, omit = [], schemaVersion = CURRENT_SCHEMA_VERSION }: Choice): Selection {
  const isChosen = ({ path, since }: CollectedField): boolean => {
    const top = /^\w+/.exec(path)?.[0] ?? '';
    return (
      // 0 is a field without a policy: a mistake in the schema, and not a reason to send it.
      since > 0 &&
      since <= schemaVersion &&
      (!isCollectable(top) || collect.includes(top)) &&
      !omit.some(
        (omission) => omission.entry === undefined && (path === omission.path || path.startsWith(`${omission.path}.`)),
      )
    );
  };
  const chosen = listCollected().filter(isChosen);
  // A message of which nothing is left is not sent either; a list is, for its length says something.
  const fields = chosen.filter(
    ({ path, privacy, descriptor }) =>
      privacy !== Privacy.NESTED ||
      descriptor.fieldKind === 'list' ||
      chosen.some((other) => other.path.startsWith(`${path}.`)),
  );
  const paths = new Set(fields.map(({ path }) => path));
  const envelope = new Set(
    listCollected()
      .filter(({ path, required }) => required && !path.includes('.'))
      .map(({ path }) => path),
  );
  const entries = Map.groupBy(
    omit.filter(({ entry }) => entry !== undefined),
    ({ path }) => path,
  );
  const trimOf = (message: DescMessage, prefix: string): Trim | undefined => {
    const clear: DescField[] = [];
    const nested: Trim['nested'][number][] = [];
    for (const field of message.fields) {
      const path = prefix + field.jsonName + (field.fieldKind === 'list' ? '[]' : '');
      if (!paths.has(path)) {
        if (!envelope.has(path)) clear.push(field);
        continue;
      }
      const without = new Set(entries.get(path)?.map(({ entry = '' }) => entry));
      const isOwn = field.message !== undefined && field.message.file === message.file;
      const trim = isOwn ? trimOf(field.message, `${path}.`) : undefined;
      if (without.size > 0 || trim !== undefined) nested.push({ field, without, trim });
    }
    return clear.length + nested.length === 0 ? undefined : { clear, nested };
  };
  const trim = trimOf(ReportSchema, '');
  return {
    fields,
    has: (path) => paths.has(path),
    trim: (report) => {
      if (trim !== undefined) applyTrim(report, trim);
    },
  };
}

/** The names of --collect, with commas in between. Throws a SpartakusError `invalid` for a name that is none. */
export function parseCollect(text: string): readonly Collectable[] {
  return text.split(',').map((part) => {
    const name = part.trim();
    if (isCollectable(name)) return name;
    throw new SpartakusError(
      'invalid',
      `${JSON.stringify(name)} is nothing that can be collected: use ${COLLECTABLE.join(', ')}`,
      { field: '--collect' },
    );
  });
}

function isCollectable(name: string): name is Collectable {
  return COLLECTABLE.some((known) => known === name);
}

function applyTrim(message: Report | object, { clear, nested }: Trim): void {
  const target = message as Report & Record<string, unknown>;
  for (const field of clear) clearField(target, field);
  for (const { field, without, trim } of nested) {
    if (without.size > 0)
      target[field.localName] = withoutEntries(target[field.localName] as readonly object[], field, without);
    const value: unknown = target[field.localName];
    if (trim === undefined || value === undefined) continue;
    for (const each of Array.isArray(value) ? (value as object[]) : [value as object]) applyTrim(each, trim);
  }
}

function withoutEntries(
  list: readonly object[],
  { message }: DescField,
  without: ReadonlySet<string>,
): readonly object[] {
  const key = listCollected(message).find((field) => field.key)?.descriptor.localName ?? '';
  return list.filter((entry) => !without.has(String((entry as Record<string, unknown>)[key])));
}
