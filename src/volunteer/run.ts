import type { Writable } from 'node:stream';
import type { ClientCredentialsConfig } from '../delivery/client-credentials.ts';
import type { DeliveryOptions } from '../delivery/delivery.ts';
import type { Spool } from '../delivery/spool/spool.ts';
import type { KubernetesClient } from '../kubernetes/client.ts';
import type { Clock } from '../runtime/clock.ts';
import type { SpartakusError } from '../runtime/errors.ts';
import type { Heartbeat } from '../runtime/heartbeat.ts';
import type { Logger } from '../runtime/logger.ts';
import { type GatherConfig, gatherReport } from './gather/gather.ts';
import type { IdKeyReader } from './gather/id-key.ts';

export interface VolunteerConfig extends GatherConfig, ClientCredentialsConfig {
  /** --period, in milliseconds; 0 makes one report and ends. */
  readonly periodMs: number;
  /** --database, see DATABASE_FORMS in delivery/open-sink.ts. */
  readonly database: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  /** --spool-dir (default: in memory). */
  readonly spoolDir?: string;
  readonly spoolBytes?: number;
  /** --initial-delay, in milliseconds: the first report waits a random part of it; a one-shot does not wait. */
  readonly initialDelayMs?: number;
  /** --timeout, in milliseconds: the deadline of a delivery, and of all attempts of a one-shot. */
  readonly timeoutMs?: number;
  /** --health-port of /livez, /readyz and /metrics (default: not served). */
  readonly healthPort?: number;
}

export interface VolunteerOptions {
  /** The program's version with its leading "v", such as "v2.0.0". */
  readonly version: string;
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly random?: () => number;
  readonly logger: Logger;
  readonly stdout: Writable;
  readonly env: NodeJS.ProcessEnv;
  readonly serviceAccountDir?: string;
  readonly pageSize?: number;
  /** How long close() waits for a delivery in progress before it is cancelled, in milliseconds. */
  readonly graceMs?: number;
}

export type VolunteerEnd =
  | { readonly status: 'stored' }
  /** The report of a one-shot was not made or not stored; the log has the same error. */
  | { readonly status: 'failed'; readonly error: SpartakusError }
  | { readonly status: 'closed' };

export interface VolunteerRun extends Omit<DeliveryOptions, 'onSettled' | 'onIdle'> {
  readonly config: VolunteerConfig;
  readonly options: VolunteerOptions;
  readonly kube: KubernetesClient;
  readonly readKey: IdKeyReader;
  readonly gathering: { readonly heartbeat: Heartbeat; isReady: boolean };
  readonly stop: AbortSignal;
  /** Cancels a delivery in progress. */
  readonly cancel: AbortController;
}

/**
 * Gathers a report and adds it to a spool; gives its id. This is one function so that nothing else refers to the report while it is
 * delivered: that of a large cluster takes many times as much memory as its encoding.
 *
 * @param sequence the number of the report in this run, from 1
 * @param onGathered called before it is added
 */
export async function gatherInto(
  { config, options, kube, readKey, counters, clock, logger }: VolunteerRun,
  spool: Pick<Spool, 'add'>,
  sequence: number,
  onGathered?: () => void,
): Promise<string> {
  const { version, randomBytes, pageSize } = options;
  const [now, random] = [clock.now(), randomBytes(16)];
  const report = await gatherReport(config, { kube, readKey, version, now, random, sequence, logger, pageSize });
  counters.add('made');
  onGathered?.();
  await spool.add(report);
  return report.reportId;
}
