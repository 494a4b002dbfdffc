import { startDelivery } from '../delivery/delivery.ts';
import type { Outcome } from '../report/report-sink.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { logFailure } from '../runtime/logger.ts';
import { gatherInto, type VolunteerEnd, type VolunteerRun } from './run.ts';

const REMOVED = new SpartakusError(
  'unavailable',
  'The report is not in the spool any more: another volunteer with the same --spool-dir removed it, or it was corrupt (see the log).',
);

/** Gathers one report, and delivers the whole spool until the timeout. */
export async function runOnce(run: VolunteerRun): Promise<VolunteerEnd> {
  const { clock, logger, stop, cancel, spool, timeoutMs } = run;
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
  const delivery = startDelivery({
    ...run,
    deadlineMs: clock.now().getTime() + timeoutMs,
    onSettled: (settledId, finalOutcome) => {
      if (settledId !== reportId) return;
      outcome = finalOutcome;
      settled.abort();
    },
    onIdle: () => settled.abort(),
  });
  await clock.sleep(timeoutMs, AbortSignal.any([stop, settled.signal]));
  if (!stop.aborted && !settled.signal.aborted) cancel.abort();
  await delivery.close();
  if (outcome === undefined) return fail(delivery.lastError() ?? REMOVED);
  return outcome.status === 'failed' ? outcome : { status: 'stored' };
}
