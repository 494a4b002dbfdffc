import type { ErrorKind } from '../../runtime/errors.ts';

/*
 * The kinds unavailable, overloaded and internal are retried with backoff, and not before the retry delay of the collector (`retry_after` of
 * a receipt, google.rpc.RetryInfo of a call, Retry-After over HTTP). The kinds unauthenticated, forbidden and not-found are retried slowly
 * (retry.ts), because they say nothing about the report. The other kinds are final. RESOURCE_EXHAUSTED without a retry delay is
 * final for a single report, which is too large; of several reports it does not name the cause. Unknown codes and statuses are retried.
 */

/** By gRPC status code, https://grpc.io/docs/guides/status-codes/. */
const KIND_BY_GRPC_CODE: readonly ErrorKind[] = [
  'internal', // 0 OK, which is no error
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
  'not-found', // 12 UNIMPLEMENTED: the server is no collector
  'internal', // 13 INTERNAL
  'unavailable', // 14 UNAVAILABLE
  'internal', // 15 DATA_LOSS
  'unauthenticated', // 16 UNAUTHENTICATED
];

/** For a call with several reports. */
export function kindOfGrpcCode(code: number): ErrorKind {
  return KIND_BY_GRPC_CODE[code] ?? 'internal';
}

/** For a single report, by its receipt or the status of its call. OpenTelemetry's protocol has the same rule. */
export function kindOfRejection(code: number, retryAfterMs: number | undefined): ErrorKind {
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

export function kindOfHttpStatus(status: number): ErrorKind {
  return KIND_BY_HTTP_STATUS.get(status) ?? 'internal';
}
