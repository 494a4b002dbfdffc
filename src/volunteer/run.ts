import type { Writable } from 'node:stream';
import type { ClientCredentialsConfig } from '../delivery/client-credentials.ts';
import type { Counters } from '../delivery/counters.ts';
import { type Delivery, type DeliveryOptions, startDelivery } from '../delivery/delivery.ts';
import type { Spool } from '../delivery/spool/spool.ts';
import type { KubeClient } from '../kubernetes/client.ts';
import type { ReportSink } from '../report/ports.ts';
import type { Clock } from '../runtime/clock.ts';
import type { SpartakusError } from '../runtime/errors.ts';
import type { Heartbeat } from '../runtime/heartbeat.ts';
import type { Logger } from '../runtime/logger.ts';
import { type GatherConfig, gatherReport } from './gather/gather.ts';

export interface VolunteerConfig extends GatherConfig, ClientCredentialsConfig {
  /** --period, in milliseconds; 0 makes one report and ends. */
  readonly periodMs: number;
  /** --database, see DATABASE_FORMS in delivery/open-sink.ts. */
  readonly database: string;
  /** --kubeconfig */
  readonly kubeconfig?: string;
  /** --context */
  readonly context?: string;
  /** --spool-dir (default: in memory). */
  readonly spoolDir?: string;
  /** --spool-size, in bytes. */
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
  /** A number from 0 to less than 1, for jitter. */
  readonly random?: () => number;
  readonly logger: Logger;
  /** The stream that --database stdout prints to. */
  readonly stdout: Writable;
  readonly env: NodeJS.ProcessEnv;
  /** The mount point of the pod's service account (default: that of Kubernetes). */
  readonly serviceAccountDir?: string;
  /** How many nodes one request reads. */
  readonly pageSize?: number;
  /** How long close() waits for a delivery in progress before it is cancelled, in milliseconds. */
  readonly graceMs?: number;
}

/** The result of a volunteer. */
export type VolunteerEnd =
  | { readonly status: 'stored' }
  /** The report of a one-shot was not made or not stored; the log has the same error. */
  | { readonly status: 'failed'; readonly error: SpartakusError }
  /** A periodic volunteer was closed. */
  | { readonly status: 'closed' };

/** The parts of a volunteer that is running. */
export interface VolunteerRun {
  readonly config: VolunteerConfig;
  readonly options: VolunteerOptions;
  readonly kube: KubeClient;
  readonly spool: Spool;
  readonly sink: ReportSink;
  readonly counters: Counters;
  readonly random: () => number;
  readonly timeoutMs: number;
  readonly health: {
    /** Whether the last gathering succeeded. */
    isReady: boolean;
    readonly gathering: Heartbeat;
    readonly delivering: Heartbeat;
  };
  readonly stop: AbortSignal;
  /** Cancels a delivery in progress. */
  readonly cancel: AbortController;
}

/**
 * Gathers a report and adds it to a spool; gives its id. This is one function so that nothing else refers to the report while it is delivered:
 * that of a large cluster takes many times as much memory as its encoding.
 *
 * @param sequence the number of the report in this run, from 1
 * @param onGathered called before it is added
 */
export async function gatherInto(
  { config, options, kube, counters }: VolunteerRun,
  spool: Pick<Spool, 'add'>,
  sequence: number,
  onGathered?: () => void,
): Promise<string> {
  const { version, clock, randomBytes, logger, pageSize } = options;
  const now = clock.now();
  const report = await gatherReport(config, {
    kube,
    version,
    now,
    random: randomBytes(16),
    sequence,
    logger,
    pageSize,
  });
  counters.add('made');
  onGathered?.();
  await spool.add(report);
  return report.reportId;
}

export function deliver(run: VolunteerRun, hooks: Pick<DeliveryOptions, 'onSettled' | 'onIdle'> = {}): Delivery {
  const { spool, sink, options, random, counters, health, timeoutMs } = run;
  const { clock, logger } = options;
  return startDelivery({
    spool,
    sink,
    clock,
    random,
    logger,
    counters,
    heartbeat: health.delivering,
    timeoutMs,
    ...hooks,
  });
}
