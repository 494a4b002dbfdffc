import { create, type JsonValue } from '@bufbuild/protobuf';
import { type CoreosNode, CoreosReportSchema } from '../../../gen/spartakus/legacy/v1/coreos_pb.js';
import { type Node, NodeSchema, type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { foldKey, type GoJsonOptions, isObject, readGoJson } from '../../report/go-json.ts';
import { NODE_TEXTS } from '../../report/normalise/normalise-report.ts';

/** Clients send numbers here too: CoreOS' README has a text for a timestamp, and Kubernetes accepts both for a quantity. */
const OPTIONS: GoJsonOptions = { numbersAsText: new Set(['CoreosMetadata.timestamp', 'CoreosNodeStatus.capacity']) };

/** Whether a body has an object `payload`, and no clusterID beside it: with one, it is Spartakus' with an unknown field. */
export function isCoreosReport(json: JsonValue): boolean {
  if (!isObject(json) || Object.hasOwn(json, 'clusterID')) return false;
  const body = new Map(Object.entries(json).map(([key, value]) => [foldKey(key), value]));
  return isObject(body.get('payload')) && !body.has('clusterid');
}

/** @throws SpartakusError `invalid` with the path of the field that has the wrong type */
export function readCoreosReport(json: JsonValue): Report {
  const { metadata, payload } = readGoJson(CoreosReportSchema, json, OPTIONS);
  return create(ReportSchema, {
    timestamp: metadata?.timestamp ?? '',
    clusterId: payload?.clusterId ?? '',
    nodes: (payload?.nodes ?? []).map(toNode),
  });
}

function toNode({ status }: CoreosNode): Node {
  const node = create(NodeSchema, { capacity: toCapacity(status?.capacity ?? {}) });
  for (const field of NODE_TEXTS) {
    const value = status?.nodeInfo?.[field];
    if (value !== undefined && value !== '') node[field] = value;
  }
  return node;
}

function toCapacity(capacity: Readonly<Record<string, string>>): { resource: string; value: string }[] {
  return Object.entries(capacity)
    .map(([resource, value]) => ({ resource, value }))
    .toSorted((left, right) => (left.resource < right.resource ? -1 : 1));
}
