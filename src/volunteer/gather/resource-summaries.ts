import { type DescField, getOption } from '@bufbuild/protobuf';
import {
  type ObjectMeta,
  PartialObjectMetadataListSchema,
} from '../../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { field_policy } from '../../../gen/spartakus/options/v1/options_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { listPages, protobufPages } from '../../kubernetes/pagination.ts';
import { METADATA_LIST_TYPE } from '../../kubernetes/response.ts';

/** Of fewer objects, the average would say much about each. */
const MIN_AGES = 8;
/** The metadata of an object is about 500 bytes. */
const PAGE_SIZE = 500;

export interface ResourceSummary {
  readonly count: number;
  /** Its keys, the names of namespaces, are never sent. */
  readonly countByNamespace: ReadonlyMap<string, number>;
  /** Undefined where fewer than {@link MIN_AGES} objects have a creation time. */
  readonly averageAgeSeconds: number | undefined;
}

/** Summarizes the resource of a field's RBAC rule. Each resource is read once; a failure is the same SpartakusError for all its fields. */
export type ResourceSummaries = (field: DescField) => Promise<ResourceSummary>;

/** @param now the end of ages; objects that were created later have the age 0 */
export function createResourceSummaries(kube: KubernetesClient, now: Date, pageSize = PAGE_SIZE): ResourceSummaries {
  const summaries = new Map<string, Promise<ResourceSummary>>();
  return (field) => {
    const path = listPathOf(field);
    const summary = summaries.get(path) ?? summarize(kube, path, now, pageSize);
    summaries.set(path, summary);
    return summary;
  };
}

function listPathOf(field: DescField): string {
  const [rule] = getOption(field, field_policy).rbac;
  if (rule === undefined) throw new TypeError(`The policy of ${field.toString()} has no RBAC rule.`);
  const { apiGroup, resource } = rule;
  return `${apiGroup === '' ? '/api' : `/apis/${apiGroup}`}/v1/${resource}`;
}

interface Totals {
  count: number;
  readonly countByNamespace: Map<string, number>;
  withAge: number;
  ageSeconds: number;
}

async function summarize(kube: KubernetesClient, path: string, now: Date, pageSize: number): Promise<ResourceSummary> {
  const { count, countByNamespace, withAge, ageSeconds } = await listPages(
    kube,
    { path, accept: METADATA_LIST_TYPE, read: protobufPages(PartialObjectMetadataListSchema), pageSize },
    (): Totals => ({ count: 0, countByNamespace: new Map(), withAge: 0, ageSeconds: 0 }),
    (totals, { metadata }) => add(totals, metadata, now),
  );
  return { count, countByNamespace, averageAgeSeconds: withAge < MIN_AGES ? undefined : ageSeconds / withAge };
}

function add(totals: Totals, metadata: ObjectMeta | undefined, now: Date): void {
  const { namespace = '', creationTimestamp } = metadata ?? {};
  totals.count += 1;
  totals.countByNamespace.set(namespace, (totals.countByNamespace.get(namespace) ?? 0) + 1);
  if (creationTimestamp === undefined) return;
  totals.withAge += 1;
  totals.ageSeconds += Math.max(0, now.getTime() / 1000 - Number(creationTimestamp.seconds));
}
