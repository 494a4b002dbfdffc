import { type DescField, type DescMessage, getOption, type Message } from '@bufbuild/protobuf';
import {
  field_policy,
  type FieldPolicy,
  Origin,
  Privacy,
  review_policy,
} from '../../gen/spartakus/options/v1/options_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';

/**
 * A field of a report with its field policy, which options.proto documents. Without a policy, `since` is 0, and the field is never sent.
 * `treatmentSince`, `review` and `expires` are those that apply, whether the field states them or not.
 */
export interface SchemaField extends Readonly<Omit<FieldPolicy, keyof Message | 'source'>> {
  /** Its path in the JSON of a report, such as `nodes[].capacity[].resource`. */
  readonly path: string;
  readonly origin: Origin;
  readonly source: string;
  readonly descriptor: DescField;
  /** The fields with the messages that contain it, from the report. */
  readonly parents: readonly DescField[];
}

/** Decoding the options of fields is slow, and several modules do it at start-up. */
const cache = new WeakMap<DescMessage, readonly SchemaField[]>();

/**
 * All fields of a message and of the messages in it, in the order of the schema, without deprecated fields: these are accepted from old
 * clients, and not sent.
 */
export function listFields(message: DescMessage = ReportSchema): readonly SchemaField[] {
  const fields = cache.get(message) ?? listBelow(message, '', []);
  cache.set(message, fields);
  return fields;
}

function listBelow(message: DescMessage, prefix: string, parents: readonly DescField[]): SchemaField[] {
  const reviewed = getOption(message, review_policy);
  return message.fields.flatMap((descriptor) => {
    if (descriptor.deprecated) return [];
    const { source, ...policy } = getOption(descriptor, field_policy);
    const path = pathOf(descriptor, prefix);
    const field = {
      ...policy,
      path,
      treatmentSince: Math.max(policy.since, policy.treatmentSince),
      origin: source?.origin ?? Origin.UNSPECIFIED,
      source: source?.path ?? '',
      review: policy.review || reviewed.review,
      expires: policy.expires || reviewed.expires,
      descriptor,
      parents,
    };
    if (policy.privacy !== Privacy.NESTED || descriptor.message === undefined) return [field];
    return [field, ...listBelow(descriptor.message, `${path}.`, [...parents, descriptor])];
  });
}

export function pathOf({ jsonName, fieldKind }: DescField, prefix: string): string {
  return prefix + jsonName + (fieldKind === 'list' ? '[]' : '');
}

/** The path of the message that contains a field; empty for a top-level field. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('.'), 0));
}
