import type { ErrorKind } from '../../runtime/errors.ts';

/*
 * Which errors a client retries.
 *
 * Sent again later, with exponential backoff and not before a retry delay that the collector names (`retry_after` of a receipt,
 * google.rpc.RetryInfo of a call, Retry-After over HTTP):
 *   gRPC: CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, ABORTED, INTERNAL, UNAVAILABLE, DATA_LOSS; RESOURCE_EXHAUSTED with a retry delay
 *   HTTP: 408, 429, 5xx, and every status that is not listed here, 2xx other than 204 and 3xx included
 * Final, never sent again:
 *   gRPC: INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED,
 *         UNAUTHENTICATED; RESOURCE_EXHAUSTED without a retry delay for a single report, which is too large
 *   HTTP: 400, 401, 403, 404, 405, 410, 413, 415, 422
 * RESOURCE_EXHAUSTED of a call with several reports is retried: it does not say which of them is too large. An unknown code is retried.
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

/** The kind of a failed call with several reports. */
export function kindOfGrpcCode(code: number): ErrorKind {
  return KIND_BY_GRPC_CODE[code] ?? 'internal';
}

/** The kind of the rejection of a single report, by a receipt or by the status of its call. OpenTelemetry's protocol has the same rule. */
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

/** The kind of an HTTP status that is no success. */
export function kindOfHttpStatus(status: number): ErrorKind {
  return KIND_BY_HTTP_STATUS.get(status) ?? 'internal';
}
