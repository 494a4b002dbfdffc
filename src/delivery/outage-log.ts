import type { Clock } from '../runtime/clock.ts';
import type { SpartakusError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';

/** Says that something does not work once when that begins, once a day while it lasts, and once when it ends. */
export interface OutageLog {
  /** It failed, and will be tried again. */
  fail(error: SpartakusError): void;
  /** It worked. */
  end(): void;
}

export interface OutageLogOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
  /** What does not work, such as "No report can be delivered". */
  readonly failing: string;
  /** What works again, such as "Reports are delivered again". */
  readonly working: string;
  /** How many reports wait now; none are told of where it is absent. */
  readonly waiting?: () => number;
}

const DAY_MS = 86_400_000;

export function createOutageLog({ clock, logger, failing, working, waiting }: OutageLogOptions): OutageLog {
  let sinceMs: number | undefined;
  let saidMs = 0;
  let mostWaiting = 0;
  /** Once an outage is over its reports are no more there to be counted. */
  const countWaiting = (): object => {
    if (waiting === undefined) return {};
    mostWaiting = Math.max(mostWaiting, waiting());
    return { waiting: mostWaiting };
  };
  return {
    fail: (error) => {
      const nowMs = clock.now().getTime();
      const fields = { kind: error.kind, ...countWaiting() };
      if (sinceMs === undefined) {
        sinceMs = nowMs;
        saidMs = nowMs;
        logger.warn(
          fields,
          `${failing}: ${error.message} It will be tried again; for as long as it fails this is said once a day.`,
        );
      } else if (nowMs - saidMs >= DAY_MS) {
        saidMs = nowMs;
        logger.warn(
          { ...fields, forSeconds: seconds(nowMs - sinceMs) },
          `${failing}, for ${inWords(nowMs - sinceMs)} now: ${error.message}`,
        );
      } else logger.debug(fields, `${failing}: ${error.message}`);
    },
    end: () => {
      if (sinceMs === undefined) return;
      const lastedMs = clock.now().getTime() - sinceMs;
      const waited = waiting === undefined ? '' : `; ${mostWaiting} ${mostWaiting === 1 ? 'report' : 'reports'} waited`;
      logger.info(
        { ...countWaiting(), forSeconds: seconds(lastedMs) },
        `${working}, after ${inWords(lastedMs)}${waited}.`,
      );
      sinceMs = undefined;
      mostWaiting = 0;
    },
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}

/** The two largest units of a duration, such as "3 d 4 h". */
function inWords(ms: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ] as const;
  let left = Math.max(0, seconds(ms));
  const parts = units.map(([unit, size]) => {
    const amount = Math.floor(left / size);
    left -= amount * size;
    return { amount, unit };
  });
  const first = parts.findIndex(({ amount }) => amount > 0);
  const shown = first === -1 ? parts.slice(-1) : parts.slice(first, first + 2).filter(({ amount }) => amount > 0);
  return shown.map(({ amount, unit }) => `${amount} ${unit}`).join(' ');
}
