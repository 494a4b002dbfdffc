import { v7, validate, version } from 'uuid';

const HOUR_MS = 3_600_000;

/** The start of the hour of a time, in UTC. Reports have no more exact time: it would say when an object was created. */
export function startOfHour(time: Date): Date {
  return new Date(Math.floor(time.getTime() / HOUR_MS) * HOUR_MS);
}

/**
 * A new report id that tells no more than the hour: its time is the start of the hour plus one millisecond per report, so that the ids of
 * one run are in order.
 *
 * @param sequence the number of the report in this run, from 1
 * @param random as of {@link createReportId}
 */
export function createCoarseReportId(now: Date, sequence: number, random: Uint8Array): string {
  return createReportId(new Date(startOfHour(now).getTime() + Math.min(sequence, HOUR_MS - 1)), random);
}

/**
 * A new report id: a UUIDv7 (RFC 9562 section 5.7) in lower case.
 *
 * @param now when the report was gathered; the first 48 bits hold it in milliseconds
 * @param random at least 16 random bytes, fresh for each id
 */
export function createReportId(now: Date, random: Uint8Array): string {
  return v7({ msecs: now.getTime(), random });
}

/** Whether a text is a UUIDv7 in lower case. */
export function isReportId(text: string): boolean {
  return validate(text) && version(text) === 7 && text === text.toLowerCase();
}
