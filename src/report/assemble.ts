import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  ExtensionSchema,
  type Lifetimes,
  type Missing,
  type Node,
  NodeSchema,
  type Report,
  ReportSchema,
  ResourceSchema,
  type Workloads,
} from '../../gen/spartakus/report/v1/report_pb.js';
import { cloudProviderOf } from './cloud-provider.ts';
import type { NodeIdentifier, NodeIdentity } from './ids.ts';
import { createReportId } from './report-id.ts';

/** What a node says of itself in the Kubernetes API, as far as a report needs it. Empty texts mean: not known. */
export interface NodeFacts extends NodeIdentity {
  readonly operatingSystem: string;
  readonly osImage: string;
  readonly kernelVersion: string;
  readonly architecture: string;
  readonly containerRuntimeVersion: string;
  readonly kubeletVersion: string;
  /** `.spec.providerID`, whole. */
  readonly providerId: string;
  /** Resource names and Kubernetes quantities, in any order. */
  readonly capacity: Iterable<readonly [resource: string, value: string]>;
}

/** One extension that the administrator chose to add. */
export interface ExtensionFacts {
  readonly name: string;
  readonly value: string;
}

/** Everything that a report is made of. */
export interface ReportFacts {
  /** The program's own version with its leading "v", such as "v2.0.0". */
  readonly version: string;
  readonly clusterId: string;
  /** `gitVersion` of the control plane; empty where it says none. */
  readonly masterVersion: string;
  /** Already anonymous: see {@link assembleNode}. */
  readonly nodes: readonly Node[];
  readonly extensions: readonly ExtensionFacts[];
  /** When the Kubernetes API was read. */
  readonly observedAt: Date;
  /** The number of this report among those of this run, from 1. */
  readonly sequence: number;
  /** 16 fresh random bytes for the report's id. */
  readonly random: Uint8Array;
  /** How many there are; absent where it was not asked for or cannot be had, as the next two. */
  readonly namespaces?: number;
  readonly workloads?: Workloads;
  readonly lifetimes?: Lifetimes;
  readonly missing?: readonly Missing[];
}

/** A report, as the original made it, with what was added since: an id, the time of observation and a number. */
export function assembleReport(facts: ReportFacts): Report {
  const { namespaces, workloads, lifetimes, missing = [] } = facts;
  return create(ReportSchema, {
    version: facts.version,
    timestamp: String(Math.floor(facts.observedAt.getTime() / 1000)),
    clusterId: facts.clusterId,
    masterVersion: present(facts.masterVersion),
    nodes: [...facts.nodes],
    extensions: facts.extensions.map(({ name, value }) => create(ExtensionSchema, { name, value })),
    reportId: createReportId(facts.observedAt, facts.random),
    observedAt: timestampFromDate(facts.observedAt),
    sequence: facts.sequence,
    namespaces,
    workloads,
    lifetimes,
    missing: [...missing],
  });
}

/**
 * A node as a report shows it: anonymous, empty fields absent, resources in the order of their names.
 *
 * @param identify makes its id
 */
export function assembleNode(identify: NodeIdentifier, facts: NodeFacts): Node {
  return create(NodeSchema, {
    id: identify(facts),
    operatingSystem: present(facts.operatingSystem),
    osImage: present(facts.osImage),
    kernelVersion: present(facts.kernelVersion),
    architecture: present(facts.architecture),
    containerRuntimeVersion: present(facts.containerRuntimeVersion),
    kubeletVersion: present(facts.kubeletVersion),
    cloudProvider: cloudProviderOf(facts.providerId),
    capacity: [...facts.capacity]
      .toSorted(([a], [b]) => compareText(a, b))
      .map(([resource, value]) => create(ResourceSchema, { resource, value })),
  });
}

/** The text, or nothing where it is empty: the original leaves empty fields out. */
function present(text: string): string | undefined {
  return text === '' ? undefined : text;
}

/** Byte order, as Go's sort.Strings: resource names are qualified names and so ASCII, where UTF-16 order is byte order. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
