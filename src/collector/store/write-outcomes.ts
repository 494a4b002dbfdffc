import {
  type Document,
  MongoError,
  MongoErrorLabel,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoServerError,
  type WriteError,
} from 'mongodb';
import type { Outcome } from '../../report/report-sink.ts';
import { SpartakusError } from '../../runtime/errors.ts';

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const DUPLICATE_KEY = 11_000;
/** By a schema validation rule of the collection. */
const DOCUMENT_VALIDATION_FAILURE = 121;

/**
 * The primary stepped down or shuts down: https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md
 * Not a network timeout, for then no time is left.
 */
const STATE_CHANGES: ReadonlySet<unknown> = new Set([91, 189, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436]);

export const RETRY_AFTER_MS = 5_000;

/**
 * The outcome of each document of an `insert` command: https://www.mongodb.com/docs/manual/reference/command/insert/#output
 * A duplicate is durable: the server waits for the write concern of the existing document before it answers.
 *
 * @throws MongoServerError where the primary changed meanwhile
 */
export function outcomesOfReply(reply: Document, count: number): Outcome[] {
  const writeErrors = (reply['writeErrors'] ?? []) as readonly WriteError[];
  const writeConcernError = reply['writeConcernError'] as { readonly code?: number } | undefined;
  const change = [writeConcernError, ...writeErrors].find((error) => STATE_CHANGES.has(error?.code));
  if (change !== undefined) throw new MongoServerError(change);
  const isAcknowledged = writeConcernError === undefined && reply['n'] + writeErrors.length === count;
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

/**
 * Whether a write failed because its connection broke or its server is not the primary any more, so that it can be sent again to the next
 * one. The driver does so itself, once, but not where another error had already closed the connection pool or where the socket broke while
 * the write waited for it (7.8.0), and never for a command.
 */
export function isInterrupted(error: unknown): boolean {
  if (!(error instanceof MongoError)) return error instanceof Error && 'syscall' in error;
  if (error instanceof MongoNetworkTimeoutError) return false;
  if (error instanceof MongoNetworkError || error.hasErrorLabel(MongoErrorLabel.RetryableWriteError)) return true;
  return STATE_CHANGES.has(error.code);
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
