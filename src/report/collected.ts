import { type DescField, type DescMessage, getOption } from '@bufbuild/protobuf';
import { field_policy, Origin, Privacy, type RbacRule, Statistic } from '../../gen/spartakus/options/v1/options_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';

/** One thing that can be in a report, with what the schema's field options say of it. */
export interface CollectedField {
  /** Where it stands in the JSON of a report, such as `nodes[].capacity[].resource`. */
  readonly path: string;
  /** The schema version that brought it, from 1. */
  readonly since: number;
  /** Who or what provides it. */
  readonly origin: Origin;
  /** Where it is read, as a reader of Kubernetes' API reference or of the flags would write it. */
  readonly source: string;
  readonly privacy: Privacy;
  /** The rights that reading it takes in the cluster. */
  readonly rbac: readonly RbacRule[];
  readonly statistic: Statistic;
  /** Whether it belongs to whatever it is in, and cannot be left out by itself. */
  readonly required: boolean;
  /** Whether it names its entry of a list. */
  readonly key: boolean;
  readonly descriptor: DescField;
}

/** A rule of a Kubernetes ClusterRole, rbac.authorization.k8s.io/v1 PolicyRule, with the names that it has there. */
export type PolicyRule =
  | {
      readonly apiGroups: readonly [string];
      readonly resources: readonly string[];
      readonly resourceNames?: readonly string[];
      readonly verbs: readonly string[];
    }
  | { readonly nonResourceURLs: readonly string[]; readonly verbs: readonly string[] };

/** Options are decoded each time that they are asked for, and several parts of a program ask for them at its start. */
const listed = new WeakMap<DescMessage, readonly CollectedField[]>();

/**
 * Everything that can be in a report, in the order of the schema, a list before what is in it. A message is looked into where its
 * treatment is "nested"; the schema has no message that holds itself.
 */
export function listCollected(report: DescMessage = ReportSchema): readonly CollectedField[] {
  const fields = listed.get(report) ?? listFields(report, '');
  listed.set(report, fields);
  return fields;
}

function listFields(message: DescMessage, prefix: string): CollectedField[] {
  return message.fields.flatMap((descriptor) => {
    const { since, source, privacy, rbac, statistic, required, key } = getOption(descriptor, field_policy);
    const path = prefix + descriptor.jsonName + (descriptor.fieldKind === 'list' ? '[]' : '');
    const field: CollectedField = {
      path,
      since,
      origin: source?.origin ?? Origin.UNSPECIFIED,
      source: source?.path ?? '',
      privacy,
      rbac,
      statistic,
      required,
      key,
      descriptor,
    };
    if (privacy !== Privacy.NESTED || descriptor.message === undefined) return [field];
    return [field, ...listFields(descriptor.message, `${path}.`)];
  });
}

/** The fewest rights that reading these fields takes: one rule a resource (and name) or path, verbs in alphabetical order. */
export function listRules(fields: readonly CollectedField[]): PolicyRule[] {
  const merged = new Map<string, { readonly rule: RbacRule; readonly verbs: ReadonlySet<string> }>();
  for (const rule of fields.flatMap(({ rbac }) => rbac)) {
    const key = JSON.stringify([rule.apiGroup, rule.resource, rule.resourceName, rule.nonResourceUrl]);
    const verbs = merged.get(key)?.verbs ?? [];
    merged.set(key, { rule, verbs: new Set([...verbs, ...rule.verbs]) });
  }
  return [...merged.values()].map(({ rule, verbs: unsorted }) => {
    const verbs = [...unsorted].toSorted();
    if (rule.nonResourceUrl !== '') return { nonResourceURLs: [rule.nonResourceUrl], verbs };
    const resources = { apiGroups: [rule.apiGroup] as const, resources: [rule.resource] };
    return rule.resourceName === ''
      ? { ...resources, verbs }
      : { ...resources, resourceNames: [rule.resourceName], verbs };
  });
}
