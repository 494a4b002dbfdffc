import { isObject } from '../report/go-json.ts';

/** The path of the volunteer's health server with its status, for `volunteer doctor`. */
export const STATUS_PATH = '/status';

/** What happened in a run of a volunteer, in JSON. It has no data of reports, and no text of errors. */
export interface VolunteerStatus {
  /** Absent where the collector has stored no report of this run. `duplicate`: it had the report already. */
  readonly lastDelivery?: { readonly time: string; readonly outcome: 'stored' | 'duplicate' } | undefined;
  /** The kind of the last error, where no report was stored since. */
  readonly deliveryFailure?: string | undefined;
  /** The kind of the last error, where no report was made since. */
  readonly gatheringFailure?: string | undefined;
  /** Reports that the collector rejected for good. */
  readonly rejected: number;
  /** Reports in the spool, and those of them that are in memory only. */
  readonly waiting: number;
  readonly waitingInMemory: number;
}

/** Undefined where the text is not the status of a volunteer. */
export function parseStatus(text: string): VolunteerStatus | undefined {
  try {
    const status: unknown = JSON.parse(text);
    return isStatus(status) ? status : undefined;
  } catch {
    return undefined;
  }
}

/** Checks the texts too, which are printed. */
function isStatus(value: unknown): value is VolunteerStatus {
  if (!isObject(value)) return false;
  const { lastDelivery, deliveryFailure, gatheringFailure, rejected, waiting, waitingInMemory } = value;
  return (
    (lastDelivery === undefined || isDelivery(lastDelivery)) &&
    [deliveryFailure, gatheringFailure].every((kind) => kind === undefined || isText(kind, /^[a-z-]{1,40}$/)) &&
    [rejected, waiting, waitingInMemory].every((count) => Number.isSafeInteger(count))
  );
}

function isDelivery(value: unknown): boolean {
  if (!isObject(value)) return false;
  return isText(value['time'], /^[-0-9T:.]{1,30}Z$/) && isText(value['outcome'], /^(?:stored|duplicate)$/);
}

function isText(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}
