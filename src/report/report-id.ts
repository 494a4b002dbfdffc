import { v7, validate, version } from 'uuid';

/** A report id: a UUIDv7 (RFC 9562 section 5.7) in lower case, of a time in milliseconds and at least 16 random bytes. */
export function createReportId(now: Date, random: Uint8Array): string {
  return v7({ msecs: now.getTime(), random });
}

export function isReportId(text: string): boolean {
  return validate(text) && version(text) === 7 && text === text.toLowerCase();
}
