import { startDelivery } from '../delivery/delivery.ts';
import { createBackoff } from '../delivery/retry.ts';
import type { Outcome } from '../report/report-sink.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { logFailure } from '../runtime/logger.ts';
import { gatherInto, type VolunteerEnd, type VolunteerRun } from './run.ts';

const REMOVED = new SpartakusError(
  'unavailable',
  'The report is not in the spool any more: another volunteer with the same --spool-dir removed it, or it was corrupt (see the log).',
);

/** Gathers one report, and delivers the whole spool, both until the timeout. */
export async function runOnce(run: VolunteerRun): Promise<VolunteerEnd> {
  const { clock, logger, kube, stop, cancel, timeoutMs } = run;
  const deadlineMs = clock.now().getTime() + timeoutMs;
  const settled = new AbortController();
  const late = new AbortController();
  const waitForEnd = async (): Promise<void> => {
    await clock.sleep(timeoutMs, AbortSignal.any([stop, settled.signal]));
    if (stop.aborted || settled.signal.aborted) return;
    late.abort();
    kube.close();
    cancel.abort();
  };
  const fail = (error: SpartakusError): VolunteerEnd => {
    const { kind, field, message } = error;
    logFailure(logger, stop, { kind, field }, `No report was stored: ${message}`);
    return { status: 'failed', error };
  };

  const ended = waitForEnd();
  let reportId: string;
  try {
    reportId = await gatherUntil(run, AbortSignal.any([stop, late.signal]));
  } catch (thrown) {
    settled.abort();
    return fail(late.signal.aborted ? timeoutError(run) : SpartakusError.from(thrown));
  }
  let outcome: Outcome | undefined;
  const delivery = startDelivery({
    ...run,
    deadlineMs,
    onSettled: (settledId, finalOutcome) => {
      if (settledId !== reportId) return;
      outcome = finalOutcome;
      settled.abort();
    },
    onIdle: () => settled.abort(),
  });
  await ended;
  await delivery.close();
  if (outcome === undefined) return fail(delivery.lastError() ?? REMOVED);
  return outcome.status === 'failed' ? outcome : { status: 'stored' };
}

/** Gathers again while the Kubernetes API does not respond. Rejects at the end with the error, as for all other errors. */
async function gatherUntil(run: VolunteerRun, end: AbortSignal): Promise<string> {
  const { clock, random, logger, spool } = run;
  const backoff = createBackoff({ random });
  for (;;) {
    try {
      return await gatherInto(run, spool, 1);
    } catch (thrown) {
      const error = SpartakusError.from(thrown);
      const { kind, message, retryAfterMs } = error;
      if (end.aborted || (kind !== 'unavailable' && kind !== 'overloaded')) throw error;
      logger.debug({ kind }, `The report is not made yet: ${message}`);
      await clock.sleep(backoff.next(retryAfterMs), end);
    }
  }
}

function timeoutError({ kube, timeoutMs }: VolunteerRun): SpartakusError {
  const reason = kube.lastError()?.message ?? 'the Kubernetes API is slow.';
  return new SpartakusError(
    'unavailable',
    `The report was not made within ${timeoutMs / 1000} s (--timeout): ${reason}`,
  );
}
