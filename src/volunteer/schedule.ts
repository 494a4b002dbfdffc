import { type Delivery, startDelivery } from '../delivery/delivery.ts';
import { createOutageLog } from '../delivery/outage-log.ts';
import { createBackoff } from '../delivery/retry.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { gatherInto, type VolunteerEnd, type VolunteerRun } from './run.ts';

/** The part by which a period is longer or shorter, so that volunteers do not report at the same time. */
const PERIOD_JITTER = 0.05;
/** Longer than the gathering of the largest cluster takes with all its retries. */
const MAX_GATHERING_MS = 1_200_000;
/** The waits until a permission that is missing is checked again: doubled each time. */
const RECHECK_MS = { first: 300_000, max: 21_600_000 };

/**
 * Gathers a report every period until it is stopped, and delivers the spool in the background. A collector may only ask for a longer
 * period. A failed gathering is retried with backoff, at the latest after a period, and a permission that is granted later is used soon.
 */
export async function runPeriodically(run: VolunteerRun): Promise<VolunteerEnd> {
  const { config, clock, logger, stop, counters, random, gathering } = run;
  const { periodMs, initialDelayMs = 0 } = config;
  const [failing, working] = ['No report can be made', 'Reports are made again'];
  const outage = createOutageLog({ clock, logger, failing, working });
  const backoff = createBackoff({ random });
  const rechecks = { waitMs: RECHECK_MS.first };

  // The delivery of the spool waits too, so that volunteers do not connect at the same time.
  if (initialDelayMs > 0) await sleep(run, initialDelayMs * random());
  if (stop.aborted) return { status: 'closed' };
  const delivery = startDelivery(run);
  for (let sequence = 1; !stop.aborted;) {
    const startedMs = clock.now().getTime();
    gathering.heartbeat.beat(MAX_GATHERING_MS);
    try {
      await gatherInto(run, delivery, sequence, () => {
        gathering.isReady = true;
        sequence += 1;
        backoff.reset();
        outage.end();
      });
      await sleepUntilNext(run, delivery, startedMs, rechecks);
    } catch (thrown) {
      if (stop.aborted) break;
      const error = SpartakusError.from(thrown);
      gathering.isReady = false;
      counters.fail('gathering', error.kind);
      outage.fail(error);
      // Whatever the error: credentials, permissions and files are corrected without a restart.
      await sleep(run, Math.min(backoff.next(error.retryAfterMs), periodMs));
    }
  }
  await delivery.close();
  return { status: 'closed' };
}

function sleep({ clock, gathering, stop }: VolunteerRun, ms: number): Promise<void> {
  gathering.heartbeat.beat(ms);
  return clock.sleep(ms, stop);
}

/**
 * Waits until the next report is due: after a period, or as soon as a permission is found granted that the last report missed. A receipt that
 * arrives meanwhile may prolong the wait.
 */
async function sleepUntilNext(
  run: VolunteerRun,
  delivery: Delivery,
  startedMs: number,
  rechecks: { waitMs: number },
): Promise<void> {
  const { clock, kube, logger, random, stop } = run;
  const { periodMs } = run.config;
  const ownMs = periodMs * (1 + PERIOD_JITTER * (2 * random() - 1));
  const askedJitter = 1 + PERIOD_JITTER * random();
  let loggedMs = periodMs;
  if (!kube.hasForbidden()) rechecks.waitMs = RECHECK_MS.first;
  while (!stop.aborted) {
    const askedMs = delivery.nextReportAfterMs() ?? 0;
    if (askedMs > loggedMs)
      logger.info({ askedMs, periodMs }, 'The collector asks for a longer time until the next report.');
    loggedMs = Math.max(loggedMs, askedMs);
    const waitMs = Math.max(ownMs, askedMs > periodMs ? askedMs * askedJitter : 0);
    const leftMs = startedMs + waitMs - clock.now().getTime();
    if (leftMs <= 0) return;
    // A collector that asks for fewer reports gets no additional one.
    const isRechecked = kube.hasForbidden() && askedMs <= periodMs;
    const recheckMs = isRechecked ? rechecks.waitMs : leftMs;
    if (isRechecked) rechecks.waitMs = Math.min(RECHECK_MS.max, 2 * rechecks.waitMs);
    await sleep(run, Math.min(recheckMs, leftMs));
    if (recheckMs < leftMs && (await kube.isGranted()) && !stop.aborted) {
      logger.info({}, 'A permission that the last report missed is granted now: the next report is made at once.');
      return;
    }
  }
}
