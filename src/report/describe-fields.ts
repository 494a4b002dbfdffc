import { FIELD_DOCS } from '../../gen/field-docs.ts';
import { Origin, PrivacySchema, StatisticSchema } from '../../gen/spartakus/options/v1/options_pb.js';
import { listRules, type PolicyRule } from './cluster-role.ts';
import { COLLECTABLE } from './field-selection.ts';
import type { SchemaField } from './schema-fields.ts';

/** The documentation of a field, for any output format. */
export interface FieldDescription extends Pick<SchemaField, 'path' | 'expires' | 'since' | 'required'> {
  /** From the .proto file, on one line. */
  readonly comment: string;
  readonly origin: 'Kubernetes' | 'administrator' | 'volunteer' | 'agent';
  /** Such as `Node .status.nodeInfo.osImage`, or a flag. */
  readonly source: string;
  /** The anonymization, such as `keyed hash`. */
  readonly privacy: string;
  readonly privacyComment: string;
  /** Such as `Which kernels nodes run.` */
  readonly purpose: string;
  /** When a person last asked whether it is still needed: an ISO date, as `expires` is. */
  readonly reviewed: string;
  /** Its name in `--collect`; empty for a field that is always collected. */
  readonly collect: string;
  readonly rights: readonly PolicyRule[];
}

/** @throws Error for a field or enum value without a comment in `docs`, which has the comments by descriptor (its toString()) */
export function describeFields(
  fields: readonly SchemaField[],
  docs: ReadonlyMap<string, string> = FIELD_DOCS,
): FieldDescription[] {
  const commentOf = (descriptor: { toString(): string } | undefined): string => {
    const comment = docs.get(String(descriptor));
    if (comment === undefined) throw new Error(`There is no comment for ${String(descriptor)}.`);
    return comment.trim().replaceAll(/\s+/g, ' ');
  };
  return fields.map((field) => ({
    path: field.path,
    comment: commentOf(field.descriptor),
    origin: originOf(field),
    source: field.source,
    privacy: (PrivacySchema.value[field.privacy]?.localName ?? '').toLowerCase().replaceAll('_', ' '),
    privacyComment: commentOf(PrivacySchema.value[field.privacy]),
    purpose: field.purpose || commentOf(StatisticSchema.value[field.statistic]),
    reviewed: field.review,
    expires: field.expires,
    since: field.since,
    collect: COLLECTABLE.find((name) => name === /^\w+/.exec(field.path)?.[0]) ?? '',
    required: field.required,
    rights: listRules([field]),
  }));
}

function originOf({ origin, descriptor }: SchemaField): FieldDescription['origin'] {
  if (origin === Origin.KUBERNETES) return 'Kubernetes';
  if (origin === Origin.ADMINISTRATOR) return 'administrator';
  return descriptor.parent.file.proto.package === 'spartakus.kubermatic.v1' ? 'agent' : 'volunteer';
}
