import { create } from '@bufbuild/protobuf';
import { ExtensionSchema, type Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import type { Database } from '../../delivery/open-sink.ts';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { assembleReport, sortNodes } from '../../report/assemble.ts';
import { createFieldSelection, type FieldSelection } from '../../report/field-selection.ts';
import { createLegacyNodeId, createNodeIdentifier, type NodeIdentifier } from '../../report/ids.ts';
import { logNewerFields } from '../../report/newer-fields.ts';
import type { Omission } from '../../report/omitted-fields.ts';
import { startOfHour } from '../../report/report-id.ts';
import { CURRENT_SCHEMA_VERSION, DEFAULT_AGREED_VERSION, LEGACY_SCHEMA_VERSION } from '../../report/schema-version.ts';
import type { Logger } from '../../runtime/logger.ts';
import { readExtensions } from './extensions.ts';
import type { Gatherer } from './gatherer.ts';
import { createSentClusterId, type IdConfig, type IdKeyReader, needsKey, STDOUT_SCOPE } from './id-key.ts';
import { lifetimeGatherers } from './lifetimes.ts';
import { createMissingFields } from './missing-fields.ts';
import { namespacesGatherer } from './namespaces.ts';
import { nodesGatherer } from './nodes.ts';
import { createResourceSummaries } from './resource-summaries.ts';
import { versionGatherer } from './version.ts';
import { workloadGatherers } from './workloads.ts';

export interface GatherConfig extends IdConfig {
  readonly extensions?: string;
  /** --extensions-recursive */
  readonly extensionsRecursive?: boolean;
  readonly collect?: readonly string[];
  readonly omit?: readonly Omission[];
  /** --agree: the newest schema version that the administrator agreed to. */
  readonly agree?: number;
  /** --database: http(s):// sends the fields of the original and no others, which are not read then. */
  readonly database?: Database;
  /** --exact-quantities (default: two significant digits) */
  readonly exactQuantities?: boolean;
}

export interface GatherOptions {
  readonly kube: KubernetesClient;
  readonly readKey: IdKeyReader;
  /** Such as "v2.0.0". */
  readonly version: string;
  readonly now: Date;
  /** 16 fresh random bytes. */
  readonly random: Uint8Array;
  /** From 1. */
  readonly sequence: number;
  readonly logger?: Logger;
  /** Nodes per request. */
  readonly pageSize?: number;
}

/** The newest schema version whose fields are sent: that of --agree, or that of the transport where it is older. */
export function versionOf({ agree = DEFAULT_AGREED_VERSION, database }: GatherConfig): number {
  return database?.transport === 'http' ? LEGACY_SCHEMA_VERSION : agree;
}

/** Logs which fields these flags select that are newer than --agree. */
export function logUnsentFields(config: GatherConfig, logger: Logger): void {
  const { fields } = selectFields({ ...config, agree: CURRENT_SCHEMA_VERSION });
  logNewerFields(logger, fields, config.agree ?? DEFAULT_AGREED_VERSION, 'volunteer explain');
}

/** Throws as createFieldSelection() does. */
export function selectFields(config: GatherConfig): FieldSelection {
  const { collect, extensions, omit, agree } = config;
  return createFieldSelection({
    collect: collect ?? (extensions === undefined ? ['nodes'] : ['nodes', 'extensions']),
    omit,
    agree,
    schemaVersion: versionOf(config),
  });
}

/**
 * Makes a report of the selected fields; others are not read. Fields with a tolerated error are recorded as missing. Rejects with a
 * SpartakusError for other errors, where the key of ids cannot be read, and where all reads failed.
 */
export async function gatherReport(config: GatherConfig, options: GatherOptions): Promise<Report> {
  const { kube, readKey, version, now, random, sequence, logger, pageSize } = options;
  const { exactQuantities } = config;
  const selection = selectFields(config);
  const missing = createMissingFields(kube, logger);
  const summarize = createResourceSummaries(kube, startOfHour(now));
  const report = assembleReport({ version, clusterId: config.clusterId, observedAt: now, sequence, random });
  const run = async (gatherers: readonly Gatherer[], identify: NodeIdentifier): Promise<void> => {
    for (const { path, tolerance, gather } of gatherers) {
      if (!selection.has(path)) continue;
      await missing.attempt(path, tolerance, () =>
        gather(report, { kube, summarize, identify, pageSize, exactQuantities }),
      );
    }
  };

  if (config.extensions !== undefined && selection.has('extensions[]')) {
    const { extensions, problems } = await readExtensions(config.extensions, { recursive: config.extensionsRecursive });
    report.extensions = extensions.map((extension) => create(ExtensionSchema, extension));
    for (const { reason, message } of problems) missing.add('extensions[]', reason, message);
  }
  await run([versionGatherer], () => '');
  const key = needsKey(config, selection) ? await readKey() : undefined;
  if (key !== undefined) report.clusterId = createSentClusterId(config, key);
  await run(
    [nodesGatherer, namespacesGatherer, ...workloadGatherers, ...lifetimeGatherers],
    createIdentifier(config, selection, report.clusterId, key),
  );

  missing.throwIfAllFailed();
  report.missing = missing.list;
  selection.trim(report);
  sortNodes(report.nodes);
  return report;
}

function createIdentifier(
  { nodeId, idScope: scope = STDOUT_SCOPE }: IdConfig,
  selection: FieldSelection,
  clusterId: string,
  key: string | Uint8Array | undefined,
): NodeIdentifier {
  if (!selection.has('nodes[].id')) return () => '';
  if (nodeId === 'md5') return createLegacyNodeId;
  if (key === undefined) throw new TypeError('Node ids need a key.');
  return createNodeIdentifier({ secret: key, clusterId, scope });
}
