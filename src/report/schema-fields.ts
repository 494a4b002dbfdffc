import { type DescField, type DescMessage, getOption } from '@bufbuild/protobuf';
import { field_policy, Origin, Privacy, type RbacRule, Statistic } from '../../gen/spartakus/options/v1/options_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';

/** A field of a report, with its field options from the schema (options.proto documents them). */
export interface SchemaField {
  /** Its path in the JSON of a report, such as `nodes[].capacity[].resource`. */
  readonly path: string;
  /** The schema version that added it, from 1; 0 for a field without a policy, which is a mistake in the schema and is never sent. */
  readonly since: number;
  readonly origin: Origin;
  /** The object and path that it is read from, such as `Node .status.nodeInfo.osImage`, or the flag. */
  readonly source: string;
  readonly privacy: Privacy;
  readonly rbac: readonly RbacRule[];
  readonly statistic: Statistic;
  /** Whether a message without it means nothing, so that it cannot be omitted by itself. */
  readonly required: boolean;
  /** Whether it identifies an entry of the list that it is in. */
  readonly key: boolean;
  readonly descriptor: DescField;
}

/** Decoding field options is slow, and several modules list the fields at start-up. */
const cache = new WeakMap<DescMessage, readonly SchemaField[]>();

/**
 * All fields of a message and of the messages nested in it, in the order of the schema; no message contains itself. Deprecated fields are
 * not listed: they are accepted from old clients, and not sent.
 */
export function listFields(message: DescMessage = ReportSchema): readonly SchemaField[] {
  const fields = cache.get(message) ?? listBelow(message, '');
  cache.set(message, fields);
  return fields;
}

function listBelow(message: DescMessage, prefix: string): SchemaField[] {
  return message.fields.flatMap((descriptor) => {
    if (descriptor.deprecated) return [];
    const { since, source, privacy, rbac, statistic, required, key } = getOption(descriptor, field_policy);
    const path = pathOf(descriptor, prefix);
    const { origin = Origin.UNSPECIFIED, path: sourcePath = '' } = source ?? {};
    const field = { path, since, origin, source: sourcePath, privacy, rbac, statistic, required, key, descriptor };
    if (privacy !== Privacy.NESTED || descriptor.message === undefined) return [field];
    return [field, ...listBelow(descriptor.message, `${path}.`)];
  });
}

export function pathOf({ jsonName, fieldKind }: DescField, prefix: string): string {
  return prefix + jsonName + (fieldKind === 'list' ? '[]' : '');
}
