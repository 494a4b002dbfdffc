import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { assembleReport } from '../report/assemble.ts';
import { readClusterKey } from './cluster-key.ts';
import { readExtensions } from './extensions.ts';
import type { KubeClient } from './kube.ts';
import { listNodes } from './nodes.ts';
import { readVersion } from './version.ts';

export interface GatherConfig {
  /** --cluster-id */
  readonly clusterId: string;
  /** --extensions: a file or a directory. */
  readonly extensions?: string;
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
  /** Nodes a request. */
  readonly pageSize?: number;
}

/** Reads everything that a report holds, and makes the report. What cannot be read is a SpartakusError. */
export async function gatherReport(config: GatherConfig, options: GatherOptions): Promise<Report> {
  const { kube, version, now, random, sequence, pageSize } = options;
  const extensions = config.extensions === undefined ? [] : await readExtensions(config.extensions);
  const masterVersion = await readVersion(kube);
  const key = await readClusterKey(kube);
  const nodes = await listNodes(kube, { key, ...(pageSize === undefined ? {} : { pageSize }) });
  return assembleReport({
    version,
    clusterId: config.clusterId,
    masterVersion,
    nodes,
    extensions,
    observedAt: now,
    sequence,
    random,
  });
}
