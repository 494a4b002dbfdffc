/**
 * What went wrong, in the words of the domain. collector/serve/error-status.ts turns a kind into a gRPC code and an HTTP status; deliver/ turns
 * an answer of the other side back into a kind.
 *
 * - `invalid`: the input breaks a rule; `field` names it.
 * - `too-large`: the input is over a size limit.
 * - `unsupported-media-type`: the body is of a kind that this road does not take.
 * - `unauthenticated`, `forbidden`: who asks is unknown, or may not.
 * - `not-found`: the thing or the path does not exist.
 * - `unimplemented`: the server has no such method or encoding.
 * - `rate-limited`: the client sends too many requests; later it may work.
 * - `overloaded`: a limit of capacity is reached; later it may work.
 * - `unavailable`: something that is needed is away; later it may work.
 * - `internal`: anything else. Unknown causes count as retryable, so that no data is lost by a wrong guess.
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
  /** The JSON path of the field that was wrong, such as `nodes[3].id`. */
  readonly field?: string;
  /** How long to wait before the same thing is tried again, in milliseconds. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** The one error class of the house. Its message says what happened, with which input, and what to do; it holds no secret. */
export class SpartakusError extends Error {
  override readonly name = 'SpartakusError';
  readonly kind: ErrorKind;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.field = details.field;
    this.retryAfterMs = details.retryAfterMs;
  }

  /** Whether the same input may succeed later. */
  get retryable(): boolean {
    return RETRYABLE.has(this.kind);
  }

  /** Any thrown thing as a SpartakusError: one of ours as it is, anything else as `internal` with its own message. */
  static from(thrown: unknown): SpartakusError {
    if (thrown instanceof SpartakusError) return thrown;
    return new SpartakusError('internal', messageOf(thrown), { cause: thrown });
  }
}

/** The message of anything that was thrown. An AggregateError without a message of its own speaks for its parts. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return thrown.errors.map(messageOf).join('; ');
  return thrown instanceof Error ? thrown.message : String(thrown);
}
