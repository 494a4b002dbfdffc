import type { SchemaField } from '../../src/report/schema-fields.ts';

const ISO_DATE = /^\d{4}-\d{2}-\d{2}$/;

/** What is wrong with the dates of fields on a day, such as "2026-11-21": those that have expired, and those that are missing or impossible. */
export function findDateProblems(
  fields: readonly Pick<SchemaField, 'path' | 'review' | 'expires'>[],
  today: string,
): string[] {
  return fields.flatMap(({ path, review, expires }) => {
    if (!isDate(review) || !isDate(expires)) return [`${path} has no review or expires, or one that is no date`];
    if (review > today) return [`${path} was reviewed on ${review}, which is in the future`];
    if (expires <= review) return [`${path} expires on ${expires}, which is not after its review`];
    if (expires <= today)
      return [`${path} expired on ${expires}: ask whether it is still needed, then remove it, or set new dates`];
    return [];
  });
}

function isDate(text: string): boolean {
  return ISO_DATE.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text);
}
