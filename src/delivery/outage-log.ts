import type { Clock } from '../runtime/clock.ts';
import type { ErrorKind, SpartakusError } from '../runtime/errors.ts';
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

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Logs an outage when it begins, once a day while it lasts, within an hour when its cause changes, and when it ends. */
export function createOutageLog({ clock, logger, failing, working, waiting }: OutageLogOptions) {
  let sinceMs: number | undefined;
  let loggedMs = 0;
  let loggedKind: ErrorKind | undefined;
  return {
    isOngoing: (): boolean => sinceMs !== undefined,
    fail: ({ kind, message }: SpartakusError): void => {
      const nowMs = clock.now().getTime();
      const fields = { kind, ...(waiting && { waiting: waiting() }) };
      const isDue = nowMs - loggedMs >= (kind === loggedKind ? DAY_MS : HOUR_MS);
      if (sinceMs === undefined || isDue) {
        loggedMs = nowMs;
        loggedKind = kind;
      }
      if (sinceMs === undefined) {
        sinceMs = nowMs;
        logger.warn(fields, `${failing}: ${message} It will be retried; while it fails, this is logged once a day.`);
      } else if (isDue) {
        const lastedMs = nowMs - sinceMs;
        logger.warn(
          { ...fields, forSeconds: seconds(lastedMs) },
          `${failing}, for ${inWords(lastedMs)} now: ${message}`,
        );
      } else logger.debug(fields, `${failing}: ${message}`);
    },
    /** @param stored the number of reports that waited and are stored; by default, it is not logged */
    end: (stored?: number): void => {
      if (sinceMs === undefined) return;
      const lastedMs = clock.now().getTime() - sinceMs;
      const text = stored
        ? `: ${stored} ${stored === 1 ? 'report' : 'reports'} waited, and ${stored === 1 ? 'is' : 'are'} stored`
        : '';
      logger.info(
        { ...(stored !== undefined && { reports: stored }), forSeconds: seconds(lastedMs) },
        `${working}, after ${inWords(lastedMs)}${text}.`,
      );
      sinceMs = undefined;
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
