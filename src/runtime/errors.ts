/**
 * Kinds of errors, independent of the protocol: collector/serve maps them to gRPC codes and HTTP statuses, and delivery/transport maps
 * those of a response to kinds.
 *
 * - `invalid`: the input is invalid; `field` names the field.
 * - `too-large`: the input exceeds a size limit.
 * - `unsupported-media-type`: the handler does not accept the Content-Type.
 * - `unauthenticated`, `forbidden`: credentials are missing or invalid, or do not permit the request.
 * - `not-found`: the object or path does not exist.
 * - `unimplemented`: the server has no such method or encoding.
 * - `rate-limited`: the client sends too many requests; retryable.
 * - `overloaded`: a capacity is exhausted; retryable.
 * - `unavailable`: a dependency is unavailable; retryable.
 * - `internal`: anything else. Retryable, so that no data is lost when the cause is unknown.
 */
export type ErrorKind =
  | 'invalid'
  | 'too-large'
  | 'unsupported-media-type'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'unimplemented'
  | 'rate-limited'
  | 'overloaded'
  | 'unavailable'
  | 'internal';

const RETRYABLE: ReadonlySet<ErrorKind> = new Set(['rate-limited', 'overloaded', 'unavailable', 'internal']);

export interface ErrorDetails {
  /** The JSON path of the invalid field, such as `nodes[3].id`, or the flag. */
  readonly field?: string;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** The only error class. Its message says what happened, with which input, and what to do; it contains no secret. */
export class SpartakusError extends Error {
  override readonly name = 'SpartakusError';
  readonly kind: ErrorKind;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(kind: ErrorKind, message: string, { cause, field, retryAfterMs }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.field = field;
    this.retryAfterMs = retryAfterMs;
  }

  get retryable(): boolean {
    return RETRYABLE.has(this.kind);
  }

  /** Any other thrown value becomes an error of kind `internal` with its message. */
  static from(thrown: unknown): SpartakusError {
    if (thrown instanceof SpartakusError) return thrown;
    return new SpartakusError('internal', messageOf(thrown), { cause: thrown });
  }
}

/** The message of a thrown value; for an AggregateError without one, the messages of its errors. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return thrown.errors.map(messageOf).join('; ');
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** A thrown value, the errors of an AggregateError, and the causes of all of them, each once. */
export function causesOf(thrown: unknown): unknown[] {
  const found = new Set<unknown>([thrown]);
  // The iteration includes what is added meanwhile.
  for (const each of found) {
    if (each instanceof AggregateError) for (const part of each.errors) found.add(part);
    if (each instanceof Error && each.cause !== undefined) found.add(each.cause);
  }
  return [...found];
}
