import { type Document, MongoBulkWriteError, type WriteError } from 'mongodb';
import type { Outcome } from '../../report/report-sink.ts';
import { SpartakusError } from '../../runtime/errors.ts';

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const DUPLICATE_KEY = 11_000;
/** By a schema validation rule of the collection. */
const DOCUMENT_VALIDATION_FAILURE = 121;

export const RETRY_AFTER_MS = 5_000;

/**
 * The outcome of each document of a failed bulk write. Where the connection broke, the driver's error names no document, but none
 * counts as stored. A duplicate is durable: the server waits for the write concern of the existing document before it answers.
 */
export function outcomesOfBulkError(error: unknown, count: number): Outcome[] {
  const writeErrors = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : [];
  const isAcknowledged =
    error instanceof MongoBulkWriteError &&
    error.result.getWriteConcernError() === undefined &&
    error.insertedCount + writeErrors.length === count;
  const outcomes = Array.from({ length: count }, (): Outcome =>
    isAcknowledged ? { status: 'stored' } : failed(unavailable(error)),
  );
  if (isAcknowledged) for (const writeError of writeErrors) outcomes[writeError.index] = outcomeOf(writeError);
  return outcomes;
}

/** The outcome of each document of an `insert` command: https://www.mongodb.com/docs/manual/reference/command/insert/#output */
export function outcomesOfReply(reply: Document, count: number): Outcome[] {
  const writeErrors = (reply['writeErrors'] ?? []) as readonly WriteError[];
  const isAcknowledged = reply['writeConcernError'] === undefined && reply['n'] + writeErrors.length === count;
  const cause = new Error(`the server acknowledged ${reply['n']} of ${count} documents`);
  const outcomes = Array.from({ length: count }, (): Outcome =>
    isAcknowledged ? { status: 'stored' } : failed(unavailable(cause)),
  );
  if (isAcknowledged) for (const writeError of writeErrors) outcomes[writeError.index] = outcomeOf(writeError);
  return outcomes;
}

function outcomeOf({ code, errmsg }: Pick<WriteError, 'code' | 'errmsg'>): Outcome {
  if (code === DUPLICATE_KEY) return { status: 'duplicate' };
  const cause = new Error(`${errmsg ?? 'no reason given'} (code ${code})`);
  if (code !== DOCUMENT_VALIDATION_FAILURE) return failed(unavailable(cause));
  return failed(new SpartakusError('internal', `the database rejected the report (code ${code})`, { cause }));
}

/** Clients receive the message, so it names no host; the cause is logged. */
export function unavailable(cause: unknown): SpartakusError {
  const message = 'the database is unavailable. Retry later.';
  return new SpartakusError('unavailable', message, { retryAfterMs: RETRY_AFTER_MS, cause });
}

export function failed(error: SpartakusError): Outcome {
  return { status: 'failed', error };
}

/** Whether the write failed for a reason that concerns all reports. */
export function isUnavailable(outcome: Outcome): boolean {
  return outcome.status === 'failed' && outcome.error.kind === 'unavailable';
}
