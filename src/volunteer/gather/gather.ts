import { create } from '@bufbuild/protobuf';
import {
  type Lifetimes,
  LifetimesSchema,
  type Report,
  type Workloads,
  WorkloadsSchema,
} from '../../../gen/spartakus/report/v1/report_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { assembleReport, type ExtensionFacts } from '../../report/assemble.ts';
import { createFieldSelection, type FieldSelection } from '../../report/field-selection.ts';
import { createClusterId, createLegacyNodeId, createNodeIdentifier, type NodeIdentifier } from '../../report/ids.ts';
import type { Omission } from '../../report/omitted-fields.ts';
import type { Logger } from '../../runtime/logger.ts';
import { AUTO_CLUSTER_ID, type KeyConfig, needsKey, readKey } from './cluster-key.ts';
import { readExtensions } from './extensions.ts';
import { averageLifetimeSeconds, LIFETIMES } from './lifetimes.ts';
import { createMissingRecord, type MissingRecord } from './missing.ts';
import { countNamespaces } from './namespaces.ts';
import { listNodes } from './nodes.ts';
import { createSummaries, type Summaries } from './summaries.ts';
import { readVersion } from './version.ts';
import { countWorkloads, WORKLOADS } from './workloads.ts';

export interface GatherConfig extends KeyConfig {
  /** --extensions: a file or a directory. */
  readonly extensions?: string;
  /** --collect: nodes, and extensions where they are given, unless it says otherwise. */
  readonly collect?: readonly string[];
  /** --omit */
  readonly omit?: readonly Omission[];
  /** --schema-version: no field of a newer version is read or sent. */
  readonly schemaVersion?: number;
}

export interface GatherOptions {
  readonly kube: KubeClient;
  /** The program's own version with its leading "v". */
  readonly version: string;
  /** Now: the moment that the report is of. */
  readonly now: Date;
  /** 16 fresh random bytes. */
  readonly random: Uint8Array;
  /** The number of the report in this run, from 1. */
  readonly sequence: number;
  /** Told what could not be gathered. */
  readonly logger?: Logger;
  /** Nodes a request. */
  readonly pageSize?: number;
}

/** What goes into reports, as the flags say. */
export function selectFields({ collect, extensions, omit, schemaVersion }: GatherConfig): FieldSelection {
  return createFieldSelection({
    collect: collect ?? (extensions === undefined ? ['nodes'] : ['nodes', 'extensions']),
    omit,
    schemaVersion,
  });
}

/**
 * Reads everything that a report holds, and makes the report. Nothing is read that is not to be sent.
 *
 * A right that is not granted, a workload or lifetime that cannot be read, and a bad extension are recorded in the report, and the
 * rest goes on. Rejects with a SpartakusError where ids cannot be made anonymous, where nodes or the version cannot be read for any
 * other reason, and where nothing at all can be read of the cluster.
 */
export async function gatherReport(config: GatherConfig, options: GatherOptions): Promise<Report> {
  const { kube, version, now, random, sequence, logger, pageSize } = options;
  const selection = selectFields(config);
  const record = createMissingRecord(kube, logger);
  const summaries = createSummaries(kube, now);

  const extensions =
    config.extensions === undefined || !selection.has('extensions[]')
      ? []
      : await gatherExtensions(config.extensions, record);
  const masterVersion = selection.has('masterVersion')
    ? await record.attempt('masterVersion', 'anything', () => readVersion(kube))
    : undefined;
  const key = needsKey(config, selection) ? await readKey(kube, config) : undefined;
  const identify = identifier(config, selection, key);
  const nodes = selection.has('nodes[]')
    ? await record.attempt('nodes[]', 'anything', () => listNodes(kube, { identify, pageSize }))
    : undefined;
  const namespaces = selection.has('namespaces')
    ? await record.attempt('namespaces', 'little', () => countNamespaces(summaries))
    : undefined;
  const workloads = await gatherWorkloads(selection, record, summaries);
  const lifetimes = await gatherLifetimes(selection, record, summaries);

  const failure = record.totalFailure();
  if (failure !== undefined) throw failure;
  const report = assembleReport({
    version,
    clusterId: config.clusterId === AUTO_CLUSTER_ID && key !== undefined ? createClusterId(key) : config.clusterId,
    masterVersion: masterVersion ?? '',
    nodes: nodes ?? [],
    extensions,
    observedAt: now,
    sequence,
    random,
    namespaces,
    workloads,
    lifetimes,
    missing: record.missing,
  });
  selection.trim(report);
  return report;
}

function identifier(
  { nodeId }: KeyConfig,
  selection: FieldSelection,
  key: string | Uint8Array | undefined,
): NodeIdentifier {
  if (!selection.has('nodes[].id')) return () => '';
  if (nodeId === 'md5') return createLegacyNodeId;
  if (key === undefined) throw new TypeError('Ids need a key.');
  return createNodeIdentifier(key);
}

async function gatherExtensions(extensionsPath: string, record: MissingRecord): Promise<readonly ExtensionFacts[]> {
  const { extensions, problems } = await readExtensions(extensionsPath);
  for (const { reason, message } of problems) record.add('extensions[]', reason, message);
  return extensions;
}

async function gatherWorkloads(
  selection: FieldSelection,
  record: MissingRecord,
  summaries: Summaries,
): Promise<Workloads | undefined> {
  const workloads = create(WorkloadsSchema);
  let known = false;
  for (const workload of WORKLOADS) {
    const path = `workloads.${workload}[]`;
    const buckets = selection.has(path)
      ? await record.attempt(path, 'little', () => countWorkloads(summaries, workload))
      : undefined;
    if (buckets === undefined) continue;
    workloads[workload] = buckets;
    known = true;
  }
  return known ? workloads : undefined;
}

async function gatherLifetimes(
  selection: FieldSelection,
  record: MissingRecord,
  summaries: Summaries,
): Promise<Lifetimes | undefined> {
  const lifetimes = create(LifetimesSchema);
  let known = false;
  for (const lifetime of LIFETIMES) {
    const path = `lifetimes.${lifetime}Seconds`;
    const seconds = selection.has(path)
      ? await record.attempt(path, 'little', () => averageLifetimeSeconds(summaries, lifetime))
      : undefined;
    if (seconds === undefined) continue;
    lifetimes[`${lifetime}Seconds`] = seconds;
    known = true;
  }
  return known ? lifetimes : undefined;
}
