import type { ErrorKind } from '../../runtime/errors.ts';

// What an answer of the other side means in the words of the domain. serve/status.ts holds the way back.

/**
 * By canonical gRPC code, https://grpc.io/docs/guides/status-codes/. RESOURCE_EXHAUSTED of a call with many reports counts as retryable:
 * it is not said which of them was too much. See {@link kindOfRefusal} for a single report.
 */
const KIND_BY_GRPC_CODE: readonly ErrorKind[] = [
  'internal', // 0 OK: no error, so whoever asks for its kind has found something odd
  'unavailable', // 1 CANCELLED
  'internal', // 2 UNKNOWN
  'invalid', // 3 INVALID_ARGUMENT
  'unavailable', // 4 DEADLINE_EXCEEDED
  'not-found', // 5 NOT_FOUND
  'invalid', // 6 ALREADY_EXISTS
  'forbidden', // 7 PERMISSION_DENIED
  'overloaded', // 8 RESOURCE_EXHAUSTED
  'invalid', // 9 FAILED_PRECONDITION
  'unavailable', // 10 ABORTED
  'invalid', // 11 OUT_OF_RANGE
  'not-found', // 12 UNIMPLEMENTED: something else than a collector listens there
  'internal', // 13 INTERNAL
  'unavailable', // 14 UNAVAILABLE
  'internal', // 15 DATA_LOSS
  'unauthenticated', // 16 UNAUTHENTICATED
];

/** The kind of a failed call. An unknown code counts as `internal`, and so as retryable. */
export function kindOfGrpcCode(code: number): ErrorKind {
  return KIND_BY_GRPC_CODE[code] ?? 'internal';
}

/**
 * The kind of one report's refusal. RESOURCE_EXHAUSTED says two things: with a time to come again, that the collector is overloaded;
 * without, that the report is too large. (OpenTelemetry's protocol has the same rule.)
 */
export function kindOfRefusal(code: number, retryAfterMs: number | undefined): ErrorKind {
  return code === 8 && retryAfterMs === undefined ? 'too-large' : kindOfGrpcCode(code);
}

const KIND_BY_HTTP_STATUS: ReadonlyMap<number, ErrorKind> = new Map([
  [400, 'invalid'],
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'not-found'],
  [405, 'not-found'],
  [408, 'unavailable'],
  [410, 'not-found'],
  [413, 'too-large'],
  [415, 'unsupported-media-type'],
  [422, 'invalid'],
  [429, 'overloaded'],
  [502, 'unavailable'],
  [503, 'unavailable'],
  [504, 'unavailable'],
]);

/** The kind of an HTTP status that is not 204. An unknown one counts as `internal`, and so as retryable. */
export function kindOfHttpStatus(status: number): ErrorKind {
  return KIND_BY_HTTP_STATUS.get(status) ?? 'internal';
}
