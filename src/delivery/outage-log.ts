import type { Clock } from '../runtime/clock.ts';
import type { SpartakusError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';

interface OutageLogOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
  /** Such as "No report can be delivered". */
  readonly failing: string;
  readonly working: string;
  /** The number of waiting reports (default: not logged). */
  readonly waiting?: () => number;
}

const DAY_MS = 86_400_000;

/** Logs an outage when it begins, once a day while it lasts, and when it ends. */
export function createOutageLog({ clock, logger, failing, working, waiting }: OutageLogOptions) {
  let sinceMs: number | undefined;
  let loggedMs = 0;
  let maxWaiting = 0;
  /** The maximum, because the reports are already delivered when the outage ends. */
  const countWaiting = (): object => {
    if (waiting === undefined) return {};
    maxWaiting = Math.max(maxWaiting, waiting());
    return { waiting: maxWaiting };
  };
  return {
    fail: ({ kind, message }: SpartakusError): void => {
      const nowMs = clock.now().getTime();
      const fields = { kind, ...countWaiting() };
      if (sinceMs === undefined) {
        sinceMs = nowMs;
        loggedMs = nowMs;
        logger.warn(fields, `${failing}: ${message} It will be retried; while it fails, this is logged once a day.`);
      } else if (nowMs - loggedMs >= DAY_MS) {
        loggedMs = nowMs;
        const lastedMs = nowMs - sinceMs;
        logger.warn(
          { ...fields, forSeconds: seconds(lastedMs) },
          `${failing}, for ${inWords(lastedMs)} now: ${message}`,
        );
      } else logger.debug(fields, `${failing}: ${message}`);
    },
    end: (): void => {
      if (sinceMs === undefined) return;
      const lastedMs = clock.now().getTime() - sinceMs;
      const waited = waiting === undefined ? '' : `; ${maxWaiting} ${maxWaiting === 1 ? 'report' : 'reports'} waited`;
      logger.info(
        { ...countWaiting(), forSeconds: seconds(lastedMs) },
        `${working}, after ${inWords(lastedMs)}${waited}.`,
      );
      sinceMs = undefined;
      maxWaiting = 0;
    },
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}

/** The two largest units of a duration, such as "3 d 4 h". */
function inWords(ms: number): string {
  const total = Math.max(0, seconds(ms));
  const parts = [
    { amount: Math.floor(total / 86_400), unit: 'd' },
    { amount: Math.floor(total / 3_600) % 24, unit: 'h' },
    { amount: Math.floor(total / 60) % 60, unit: 'min' },
    { amount: total % 60, unit: 's' },
  ];
  const largest = parts.findIndex(({ amount }) => amount > 0);
  if (largest === -1) return '0 s';
  const shown = parts.slice(largest, largest + 2).filter(({ amount }) => amount > 0);
  return shown.map(({ amount, unit }) => `${amount} ${unit}`).join(' ');
}
