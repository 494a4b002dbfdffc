/**
 * Kinds of errors, independent of the protocol: collector/serve maps them to gRPC codes and HTTP statuses, and delivery/transport maps
 * those of a response to kinds. The collector is `overloaded` if a capacity is exhausted, and `unavailable` without a dependency.
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

/** `internal` is retryable, so that no data is lost if the cause is unknown. */
const RETRYABLE: ReadonlySet<ErrorKind> = new Set(['rate-limited', 'overloaded', 'unavailable', 'internal']);

interface ErrorDetails {
  /** The JSON path of the invalid field, such as `nodes[3].id`, or the flag. */
  readonly field?: string;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** The only error class. Its message states the problem, the input and the remedy, and contains no secret. */
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

  /** Converts any other thrown value to an error of kind `internal` with its message. */
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
  // The iteration includes values that are added meanwhile.
  for (const each of found) {
    if (each instanceof AggregateError) for (const part of each.errors) found.add(part);
    if (each instanceof Error && each.cause !== undefined) found.add(each.cause);
  }
  return [...found];
}

/** Whether a system error has a code, such as EXDEV. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
