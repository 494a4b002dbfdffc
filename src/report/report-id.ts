import { v7 } from 'uuid';

const HOUR_MS = 3_600_000;

/** The start of the hour of a time, in UTC. Reports have no more exact time: it would say when an object was created. */
export function startOfHour(time: Date): Date {
  return new Date(Math.floor(time.getTime() / HOUR_MS) * HOUR_MS);
}

/**
 * A report id whose time is the start of the hour plus one millisecond per report of this run, so that the ids of a run are in order.
 *
 * @param sequence the number of the report in this run, from 1
 */
export function createCoarseReportId(now: Date, sequence: number, random: Uint8Array): string {
  return createReportId(new Date(startOfHour(now).getTime() + Math.min(sequence, HOUR_MS - 1)), random);
}

/** A report id: a UUIDv7 (RFC 9562 section 5.7) in lower case, of a time in milliseconds and at least 16 random bytes. */
export function createReportId(now: Date, random: Uint8Array): string {
  return v7({ msecs: now.getTime(), random });
}

/** RFC 9562 sections 4 and 5.7. */
const REPORT_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export function isReportId(text: string): boolean {
  return REPORT_ID.test(text);
}
