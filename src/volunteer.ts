import type { Writable } from 'node:stream';
import { checkDatabase, openDatabase } from './deliver/open.ts';
import { gatherReport } from './gather/gather.ts';
import type { GatherConfig } from './gather/gather.ts';
import { openKubeClient } from './gather/kube.ts';
import type { KubeClient } from './gather/kube.ts';
import { SpartakusError } from './report/errors.ts';
import { maskUrl } from './report/mask.ts';
import type { Clock, Logger, Outcome, ReportSink } from './report/ports.ts';

export interface VolunteerConfig extends GatherConfig {
  /** --period, in milliseconds; 0 makes one report and ends. */
  readonly periodMs: number;
  /** --database: see DATABASE_FORMS in deliver/open.ts. */
  readonly database: string;
  /** --kubeconfig */
  readonly kubeconfig?: string;
  /** --context */
  readonly context?: string;
}

export interface VolunteerOptions {
  /** The program's own version with its leading "v", such as "v2.0.0". */
  readonly version: string;
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
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
  /** Ends a sleep or a gathering at once, and a delivery within the grace; resolves when all is closed. Idempotent. */
  close(): Promise<void>;
}

/**
 * The volunteer: every period it gathers a report and delivers it. What fails is logged, and the next period tries anew; a one-shot
 * ends with it. A collector that asks for rarer reports than the period gets them.
 *
 * Rejects with a SpartakusError `invalid` where the configuration cannot be used: the database, the kubeconfig or its context.
 */
export async function startVolunteer(config: VolunteerConfig, options: VolunteerOptions): Promise<Volunteer> {
  const { clock, logger, stdout, env, serviceAccountDir, graceMs = 5000 } = options;
  const stop = new AbortController();
  const giveUp = new AbortController();
  const ended = new AbortController();
  checkDatabase(config.database);
  const kube = await openKubeClient(config, { env, clock, ...(serviceAccountDir === undefined ? {} : { serviceAccountDir }) });
  const sink = await openDatabase(config.database, { stdout, signal: giveUp.signal });

  logger.info({ database: maskUrl(config.database), periodMs: config.periodMs }, 'The volunteer has started.');
  const finish = async (): Promise<VolunteerEnd> => {
    const end = await run({ config, options, kube, sink, stop: stop.signal });
    kube.close();
    await sink.close();
    ended.abort();
    return end;
  };
  const done = finish();

  return {
    done,
    close: async () => {
      stop.abort();
      kube.close();
      await clock.sleep(graceMs, ended.signal);
      giveUp.abort();
      await done;
    },
  };
}

interface Run {
  readonly config: VolunteerConfig;
  readonly options: VolunteerOptions;
  readonly kube: KubeClient;
  readonly sink: ReportSink;
  readonly stop: AbortSignal;
}

async function run({ config, options, kube, sink, stop }: Run): Promise<VolunteerEnd> {
  const { periodMs } = config;
  for (let sequence = 1; ; sequence++) {
    const outcome = await reportOnce(config, options, { kube, sink, sequence });
    log(outcome, options.logger, stop);
    if (periodMs === 0) return outcome.status === 'failed' ? outcome : { status: 'stored' };
    const nextInMs = waitMs(periodMs, outcome);
    if (nextInMs > periodMs) options.logger.info({ nextInMs, periodMs }, 'The collector asks for a longer time until the next report.');
    await options.clock.sleep(nextInMs, stop);
    if (stop.aborted) return { status: 'closed' };
  }
}

/** Gathers a report and delivers it; never rejects. */
async function reportOnce(
  config: VolunteerConfig,
  { version, clock, randomBytes, logger, pageSize }: VolunteerOptions,
  { kube, sink, sequence }: { readonly kube: KubeClient; readonly sink: ReportSink; readonly sequence: number },
): Promise<Outcome> {
  try {
    const report = await gatherReport(config, {
      kube,
      version,
      now: clock.now(),
      random: randomBytes(16),
      sequence,
      logger,
      ...(pageSize === undefined ? {} : { pageSize }),
    });
    const [outcome] = await sink.put([{ report }]);
    return outcome ?? { status: 'failed', error: new SpartakusError('internal', 'The database gave no outcome for the report.') };
  } catch (error) {
    return { status: 'failed', error: SpartakusError.from(error) };
  }
}

function waitMs(periodMs: number, outcome: Outcome): number {
  const askedMs = outcome.status === 'failed' ? undefined : outcome.nextReportAfterMs;
  return Math.max(periodMs, askedMs ?? 0);
}

function log(outcome: Outcome, logger: Logger, stop: AbortSignal): void {
  if (outcome.status !== 'failed') {
    logger.info({ outcome: outcome.status }, 'The report is stored.');
    return;
  }
  const { kind, field, message } = outcome.error;
  // What was broken off on purpose is no error.
  const write = stop.aborted ? logger.info.bind(logger) : logger.error.bind(logger);
  write({ kind, ...(field === undefined ? {} : { field }) }, `No report was stored: ${message}`);
}
