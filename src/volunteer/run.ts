import type { Writable } from 'node:stream';
import type { ClientCredentialsConfig } from '../delivery/client-credentials.ts';
import type { DeliveryOptions } from '../delivery/delivery.ts';
import type { Database } from '../delivery/open-sink.ts';
import type { Spool } from '../delivery/spool/spool.ts';
import type { KubernetesConfig } from '../kubernetes/client.ts';
import type { RetryingClient } from '../kubernetes/retrying-client.ts';
import type { Clock } from '../runtime/clock.ts';
import type { SpartakusError } from '../runtime/errors.ts';
import type { Heartbeat } from '../runtime/heartbeat.ts';
import type { Logger } from '../runtime/logger.ts';
import { type GatherConfig, gatherReport } from './gather/gather.ts';
import type { IdKeyReader } from './gather/id-key.ts';

export interface VolunteerConfig extends GatherConfig, KubernetesConfig, ClientCredentialsConfig {
  /** --period, in milliseconds; 0 makes one report and ends. */
  readonly periodMs: number;
  readonly database: Database;
  /** Default: the spool is in memory. */
  readonly spoolDir?: string;
  readonly spoolBytes?: number;
  /** --initial-delay, in milliseconds: the first report waits for a random part of it; a one-shot does not wait. */
  readonly initialDelayMs?: number;
  /**
   * --timeout, in milliseconds: the deadline of one delivery attempt (default: 1 minute); of a one-shot, that of the gathering and all
   * delivery attempts together (default: 5 minutes).
   */
  readonly timeoutMs?: number;
  /** Default: no health server. */
  readonly healthPort?: number;
}

export interface VolunteerOptions {
  /** Such as "v2.0.0". */
  readonly version: string;
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly random?: () => number;
  readonly logger: Logger;
  readonly stdout: Writable;
  readonly env: NodeJS.ProcessEnv;
  readonly serviceAccountDir?: string;
  readonly pageSize?: number;
  /** The time after which close() cancels a delivery in progress, in milliseconds. */
  readonly graceMs?: number;
}

export type VolunteerEnd =
  | { readonly status: 'stored' }
  /** The report of a one-shot was not made or not stored; the error is logged. */
  | { readonly status: 'failed'; readonly error: SpartakusError }
  | { readonly status: 'closed' };

export interface VolunteerRun extends Omit<DeliveryOptions, 'onSettled' | 'onIdle'> {
  readonly config: VolunteerConfig;
  readonly options: VolunteerOptions;
  readonly kube: RetryingClient;
  /** The ids of the reports of this run that are not stored yet. */
  readonly made: Set<string>;
  readonly readKey: IdKeyReader;
  readonly gathering: { readonly heartbeat: Heartbeat; isReady: boolean };
  readonly stop: AbortSignal;
  readonly cancel: AbortController;
}

/**
 * Gathers a report and adds it to a spool; resolves to its id. One function, so that no reference to the report, which takes many times as
 * much memory as its encoding, remains during its delivery. `sequence` is its number in this run, from 1.
 */
export async function gatherInto(
  { config, options, kube, readKey, made, counters, clock, logger }: VolunteerRun,
  spool: Pick<Spool, 'add'>,
  sequence: number,
  onGathered?: () => void,
): Promise<string> {
  const { version, randomBytes, pageSize } = options;
  const [now, random] = [clock.now(), randomBytes(16)];
  kube.begin();
  const report = await gatherReport(config, { kube, readKey, version, now, random, sequence, logger, pageSize });
  kube.confirm();
  counters.add('made');
  onGathered?.();
  made.add(report.reportId);
  await spool.add(report);
  return report.reportId;
}
