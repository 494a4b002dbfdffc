import type { Writable } from 'node:stream';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { type AccessConfig, openAccess } from '../delivery/client-credentials.ts';
import { createLedger, type Ledger } from '../delivery/counters.ts';
import { type Delivery, type DeliveryOptions, startDelivery } from '../delivery/delivery.ts';
import { checkDatabase, openDatabase } from '../delivery/open-sink.ts';
import { createOutage } from '../delivery/outage-log.ts';
import { createBackoff } from '../delivery/retry.ts';
import { openSpool, type Spool } from '../delivery/spool/spool.ts';
import { type KubernetesClient, openKubernetesClient } from '../kubernetes/client.ts';
import type { Outcome, ReportSink } from '../report/report-sink.ts';
import type { Clock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { createHeartbeat, type Heartbeat } from '../runtime/heartbeat.ts';
import { logFailure, type Logger } from '../runtime/logger.ts';
import { maskUrl } from '../runtime/mask.ts';
import { type GatherConfig, gatherReport } from './gather/gather.ts';
import type { VolunteerHealth } from './health-server.ts';

export interface VolunteerConfig extends GatherConfig, AccessConfig {
  /** --period, in milliseconds; 0 makes one report and ends. */
  readonly periodMs: number;
  /** --database: see DATABASE_FORMS in deliver/open.ts. */
  readonly database: string;
  /** --kubeconfig */
  readonly kubeconfig?: string;
  /** --context */
  readonly context?: string;
  /** --spool-dir: where reports wait until they are stored; in memory where none is given. */
  readonly spoolDir?: string;
  /** --spool-size, in bytes. */
  readonly spoolBytes?: number;
  /** --initial-delay, in milliseconds: the first report waits a random part of it. A one-shot does not wait. */
  readonly initialDelayMs?: number;
  /** --timeout, in milliseconds: how long a delivery may take, and how long a one-shot tries. */
  readonly timeoutMs?: number;
  /** --health-port: where /livez, /readyz and /metrics are served; nowhere where none is given. */
  readonly healthPort?: number;
}

export interface VolunteerOptions {
  /** The program's own version with its leading "v", such as "v2.0.0". */
  readonly version: string;
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
  /** A number from 0 to less than 1, for what is only to differ from one volunteer to the next. */
  readonly random?: () => number;
  readonly logger: Logger;
  /** Where --database stdout prints. */
  readonly stdout: Writable;
  readonly env: NodeJS.ProcessEnv;
  /** Where the pod's service account is mounted, where it is not the usual place. */
  readonly serviceAccountDir?: string;
  /** Nodes a request. */
  readonly pageSize?: number;
  /** How long closing waits for a delivery that is under way before it gives it up, in milliseconds. */
  readonly graceMs?: number;
}

/** How a volunteer ended. */
export type VolunteerEnd =
  | { readonly status: 'stored' }
  /** The one report was not made or not stored; the log says the same. */
  | { readonly status: 'failed'; readonly error: SpartakusError }
  /** A periodic volunteer was closed. */
  | { readonly status: 'closed' };

export interface Volunteer {
  /** Resolves when the volunteer has ended, by itself (one-shot) or because it was closed; never rejects. */
  readonly done: Promise<VolunteerEnd>;
  /** The port of /livez, /readyz and /metrics, where one was asked for. */
  readonly healthPort?: number;
  /** Ends a sleep or a gathering at once, and a delivery within the grace; resolves when all is closed. Idempotent. */
  close(): Promise<void>;
}

/** What a spool holds where nobody says otherwise: weeks of reports of a large cluster. */
const DEFAULT_SPOOL_BYTES = 16 * 2 ** 20;
const DEFAULT_TIMEOUT_MS = 60_000;
/** Each period is a little longer or shorter, so that many volunteers which began together do not stay so. */
const PERIOD_JITTER = 0.05;
/** More than reading the largest cluster takes, with all its retries. */
const LONGEST_GATHERING_MS = 900_000;

/**
 * The volunteer: every period it gathers a report and puts it into the spool, from which reports are delivered beside that, for as
 * long as it takes. What fails is tried again and said quietly. A collector that asks for rarer reports than the period gets them.
 *
 * A one-shot gathers one report and tries to deliver it, and what an earlier run left in the spool, until the timeout.
 *
 * Rejects with a SpartakusError `invalid` where the configuration cannot be used: the database, the proxy that the environment names for it,
 * its certificates and token, the spool directory, the kubeconfig or its context, the health port.
 */
export async function startVolunteer(config: VolunteerConfig, options: VolunteerOptions): Promise<Volunteer> {
  const { clock, logger, stdout, env, serviceAccountDir, random = Math.random, graceMs = 5000 } = options;
  const { database, spoolDir, spoolBytes = DEFAULT_SPOOL_BYTES, timeoutMs = DEFAULT_TIMEOUT_MS } = config;
  const stop = new AbortController();
  const giveUp = new AbortController();
  const ended = new AbortController();
  checkDatabase(database);
  const access = await openAccess(config, database);
  const ledger = createLedger();
  const spool = await openSpool({ dir: spoolDir, maxBytes: spoolBytes }, { clock, logger, ledger });
  const kube = await openKubernetesClient(config, { env, clock, serviceAccountDir });
  const sink = await openDatabase(database, { stdout, timeoutMs, access, env, signal: giveUp.signal });

  const state: State = { gathered: false, gathering: createHeartbeat(clock), delivering: createHeartbeat(clock) };
  const health = await openHealth(config.healthPort, state, ledger, spool).catch(async (error: unknown) => {
    kube.close();
    await sink.close();
    throw error;
  });
  logger.info({ database: maskUrl(database), periodMs: config.periodMs }, 'The volunteer has started.');
  const run: Run = { config, options, kube, spool, sink, ledger, random, timeoutMs, state, stop: stop.signal, giveUp };
  const finish = async (): Promise<VolunteerEnd> => {
    const end = await (config.periodMs === 0 ? runOnce(run) : runForever(run));
    kube.close();
    await sink.close();
    await spool.close();
    await health?.close();
    ended.abort();
    return end;
  };
  const done = finish();

  return {
    done,
    ...(health === undefined ? {} : { healthPort: health.port }),
    close: async () => {
      stop.abort();
      kube.close();
      await clock.sleep(graceMs, ended.signal);
      giveUp.abort();
      await done;
    },
  };
}

/** How a volunteer fares, for its health. */
interface State {
  /** Whether the last gathering worked. */
  gathered: boolean;
  readonly gathering: Heartbeat;
  readonly delivering: Heartbeat;
}

async function openHealth(
  port: number | undefined,
  state: State,
  ledger: Ledger,
  spool: Spool,
): Promise<VolunteerHealth | undefined> {
  if (port === undefined) return undefined;
  // A server is 8 MiB that most volunteers have no need of.
  const { openVolunteerHealth } = await import('./health-server.ts');
  return openVolunteerHealth({
    port,
    isLive: () => state.gathering.isAlive() && state.delivering.isAlive(),
    isReady: () => state.gathered,
    ledger,
    spoolSize: () => spool.size(),
  });
}

/** A volunteer at work. */
interface Run {
  readonly config: VolunteerConfig;
  readonly options: VolunteerOptions;
  readonly kube: KubernetesClient;
  readonly spool: Spool;
  readonly sink: ReportSink;
  readonly ledger: Ledger;
  readonly random: () => number;
  readonly timeoutMs: number;
  readonly state: State;
  readonly stop: AbortSignal;
  /** Breaks off a delivery that is under way. */
  readonly giveUp: AbortController;
}

async function runForever(run: Run): Promise<VolunteerEnd> {
  const { config, options, stop, ledger, random, state } = run;
  const { clock, logger } = options;
  const { periodMs, initialDelayMs = 0 } = config;
  const outage = createOutage({ clock, logger, failing: 'No report can be made', working: 'Reports are made again' });
  const backoff = createBackoff({ random });

  // The backlog waits too: the volunteers of many clusters that are started at once do not all knock at once.
  if (initialDelayMs > 0) await rest(run, initialDelayMs * random());
  if (stop.aborted) return { status: 'closed' };
  const delivery = deliver(run);
  for (let sequence = 1; !stop.aborted;) {
    const beganMs = clock.now().getTime();
    state.gathering.beat(LONGEST_GATHERING_MS);
    try {
      await gatherInto(run, delivery, sequence, () => {
        state.gathered = true;
        sequence += 1;
        backoff.reset();
        outage.end();
      });
      await restUntilNext(run, delivery, beganMs);
    } catch (thrown) {
      if (stop.aborted) break;
      const error = SpartakusError.from(thrown);
      state.gathered = false;
      ledger.fail('gathering', error.kind);
      outage.fail(error);
      await rest(run, error.retryable ? Math.min(backoff.next(error.retryAfterMs), periodMs) : periodMs);
    }
  }
  await delivery.close();
  return { status: 'closed' };
}

async function runOnce(run: Run): Promise<VolunteerEnd> {
  const { options, stop, giveUp, spool, timeoutMs } = run;
  const { clock, logger } = options;
  const fail = (error: SpartakusError): VolunteerEnd => {
    const { kind, field, message } = error;
    logFailure(logger, stop, { kind, field }, `No report was stored: ${message}`);
    return { status: 'failed', error };
  };

  let reportId: string;
  try {
    reportId = await gatherInto(run, spool, 1);
  } catch (thrown) {
    return fail(SpartakusError.from(thrown));
  }
  const settled = new AbortController();
  let outcome: Outcome | undefined;
  const delivery = deliver(run, {
    onSettled: (settledId, finalOutcome) => {
      if (settledId !== reportId) return;
      outcome = finalOutcome;
      settled.abort();
    },
    onIdle: () => settled.abort(),
  });
  await clock.sleep(timeoutMs, AbortSignal.any([stop, settled.signal]));
  if (!stop.aborted && !settled.signal.aborted) giveUp.abort();
  await delivery.close();
  if (outcome === undefined) return fail(delivery.lastError() ?? GONE);
  return outcome.status === 'failed' ? outcome : { status: 'stored' };
}

/** Nothing failed, and yet there is no receipt. */
const GONE = new SpartakusError(
  'unavailable',
  'The report is no more in the spool: another volunteer that uses the same --spool-dir took it, or it was damaged there, which is said above.',
);

/**
 * Gathers a report and keeps it, encoded; gives its id. A function of its own, so that nothing holds on to the report while it is
 * delivered: of a large cluster it takes many times as much as its encoding.
 *
 * @param onGathered called before it is kept
 */
async function gatherInto(
  run: Run,
  keeper: Pick<Spool, 'add'>,
  sequence: number,
  onGathered?: () => void,
): Promise<string> {
  const report = await gather(run, sequence);
  run.ledger.add('made');
  onGathered?.();
  await keeper.add(report);
  return report.reportId;
}

function gather({ config, options, kube }: Run, sequence: number): Promise<Report> {
  const { version, clock, randomBytes, logger, pageSize } = options;
  return gatherReport(config, { kube, version, now: clock.now(), random: randomBytes(16), sequence, logger, pageSize });
}

function deliver(run: Run, hooks: Pick<DeliveryOptions, 'onSettled' | 'onIdle'> = {}): Delivery {
  const { spool, sink, options, random, ledger, state, timeoutMs } = run;
  const { clock, logger } = options;
  return startDelivery({
    spool,
    sink,
    clock,
    random,
    logger,
    ledger,
    heartbeat: state.delivering,
    timeoutMs,
    ...hooks,
  });
}

function rest({ options, state, stop }: Run, ms: number): Promise<void> {
  state.gathering.beat(ms);
  return options.clock.sleep(ms, stop);
}

/** Waits until the next report is due; what the collector asks for meanwhile counts already. */
async function restUntilNext(run: Run, delivery: Delivery, beganMs: number): Promise<void> {
  const { config, options, random, stop } = run;
  const { clock, logger } = options;
  const { periodMs } = config;
  const ownMs = periodMs * (1 + PERIOD_JITTER * (2 * random() - 1));
  const askedSpread = 1 + PERIOD_JITTER * random();
  let saidMs = periodMs;
  while (!stop.aborted) {
    const askedMs = delivery.nextReportAfterMs() ?? 0;
    if (askedMs > saidMs)
      logger.info({ askedMs, periodMs }, 'The collector asks for a longer time until the next report.');
    saidMs = Math.max(saidMs, askedMs);
    const leftMs = beganMs + Math.max(ownMs, askedMs > periodMs ? askedMs * askedSpread : 0) - clock.now().getTime();
    if (leftMs <= 0) return;
    await rest(run, leftMs);
  }
}
