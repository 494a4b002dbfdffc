import { type DescField, type DescMessage, getOption } from '@bufbuild/protobuf';
import {
  field_policy,
  Origin,
  Privacy,
  type RbacRule,
  review_policy,
  Statistic,
} from '../../gen/spartakus/options/v1/options_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';

/** A field of a report with its field policy, which options.proto documents. */
export interface SchemaField {
  /** Its path in the JSON of a report, such as `nodes[].capacity[].resource`. */
  readonly path: string;
  /** The schema version that added it, from 1; 0 for a field without a policy, which is never sent. */
  readonly since: number;
  /** The schema version that last changed its treatment; `since` where none did. */
  readonly treatmentSince: number;
  readonly origin: Origin;
  readonly source: string;
  readonly privacy: Privacy;
  readonly rbac: readonly RbacRule[];
  readonly statistic: Statistic;
  /** A sentence; empty where the statistic says it. */
  readonly purpose: string;
  /** When a person last asked whether it is needed, and when it may not be collected any more: such as "2026-11-21". */
  readonly review: string;
  readonly expires: string;
  readonly required: boolean;
  readonly key: boolean;
  readonly descriptor: DescField;
}

/** Decoding the options of fields is slow, and several modules do it at start-up. */
const cache = new WeakMap<DescMessage, readonly SchemaField[]>();

/**
 * All fields of a message and of the messages in it, in the order of the schema, without deprecated fields: these are accepted from old
 * clients, and not sent.
 */
export function listFields(message: DescMessage = ReportSchema): readonly SchemaField[] {
  const fields = cache.get(message) ?? listBelow(message, '');
  cache.set(message, fields);
  return fields;
}

function listBelow(message: DescMessage, prefix: string): SchemaField[] {
  const reviewed = getOption(message, review_policy);
  return message.fields.flatMap((descriptor) => {
    if (descriptor.deprecated) return [];
    const { since, treatmentSince, source, privacy, rbac, statistic, required, key, purpose, review, expires } =
      getOption(descriptor, field_policy);
    const path = pathOf(descriptor, prefix);
    const field = {
      path,
      since,
      treatmentSince: Math.max(since, treatmentSince),
      origin: source?.origin ?? Origin.UNSPECIFIED,
      source: source?.path ?? '',
      privacy,
      rbac,
      statistic,
      purpose,
      review: review || reviewed.review,
      expires: expires || reviewed.expires,
      required,
      key,
      descriptor,
    };
    if (privacy !== Privacy.NESTED || descriptor.message === undefined) return [field];
    return [field, ...listBelow(descriptor.message, `${path}.`)];
  });
}

export function pathOf({ jsonName, fieldKind }: DescField, prefix: string): string {
  return prefix + jsonName + (fieldKind === 'list' ? '[]' : '');
}

/** The path of the message that contains a field; empty for a top-level field. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('.'), 0));
}
