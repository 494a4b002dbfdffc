import { v7, validate, version } from 'uuid';

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
