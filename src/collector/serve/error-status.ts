import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  type BadRequest,
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from '../../../gen/google/rpc/error_details_pb.js';
import { type Refusal, RefusalSchema } from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { type ErrorKind, SpartakusError } from '../../runtime/errors.ts';

interface ErrorStatus {
  /** https://grpc.io/docs/guides/status-codes/ */
  readonly code: Code;
  /** For the legacy JSON API, which keeps the original's 400, 413, 415 and 500. */
  readonly httpStatus: number;
  /** google.rpc.ErrorInfo.reason */
  readonly reason: string;
}

/** The response to each kind of error. Where kinds share a code, Connect's own errors with that code are of the first kind. */
export const ERROR_STATUS: Readonly<Record<ErrorKind, ErrorStatus>> = {
  invalid: { code: Code.InvalidArgument, httpStatus: 400, reason: 'INVALID_REQUEST' },
  'too-large': { code: Code.ResourceExhausted, httpStatus: 413, reason: 'MESSAGE_TOO_LARGE' },
  'unsupported-media-type': { code: Code.InvalidArgument, httpStatus: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' },
  unauthenticated: { code: Code.Unauthenticated, httpStatus: 401, reason: 'UNAUTHENTICATED' },
  forbidden: { code: Code.PermissionDenied, httpStatus: 403, reason: 'PERMISSION_DENIED' },
  'not-found': { code: Code.NotFound, httpStatus: 404, reason: 'NOT_FOUND' },
  unimplemented: { code: Code.Unimplemented, httpStatus: 404, reason: 'UNIMPLEMENTED' },
  'rate-limited': { code: Code.ResourceExhausted, httpStatus: 429, reason: 'RATE_LIMITED' },
  overloaded: { code: Code.ResourceExhausted, httpStatus: 429, reason: 'OVERLOADED' },
  unavailable: { code: Code.Unavailable, httpStatus: 503, reason: 'UNAVAILABLE' },
  internal: { code: Code.Internal, httpStatus: 500, reason: 'INTERNAL' },
};

const KIND_BY_CODE = new Map<Code, ErrorKind>([
  ...(Object.entries(ERROR_STATUS) as [ErrorKind, ErrorStatus][])
    .map(([kind, { code }]) => [code, kind] as const)
    .toReversed(),
  // Connect enforces the deadline of a client.
  [Code.DeadlineExceeded, 'unavailable'],
]);

/** The kind of any thrown error, including Connect's own. */
export function kindOf(thrown: unknown): ErrorKind {
  if (!(thrown instanceof ConnectError)) return SpartakusError.from(thrown).kind;
  return thrown.cause instanceof SpartakusError ? thrown.cause.kind : (KIND_BY_CODE.get(thrown.code) ?? 'internal');
}

/** The challenge of a 401 (RFC 9110 section 11.6.1, RFC 6750 section 3). */
export function challengeOf({ kind }: SpartakusError): Readonly<Record<string, string>> {
  return kind === 'unauthenticated' ? { 'www-authenticate': 'Bearer' } : {};
}

/**
 * An error of Connect, gRPC and gRPC-Web with an ErrorInfo, a BadRequest where a field is wrong, and a RetryInfo where the same request
 * may succeed later: for clients, RESOURCE_EXHAUSTED without RetryInfo is permanent.
 */
export function toConnectError(error: SpartakusError): ConnectError {
  const { code, reason } = ERROR_STATUS[error.kind];
  const { field, retryAfterMs } = error;
  // Neither a header nor protobuf can hold half a surrogate pair, which the JSON of a client may contain.
  const message = error.message.toWellFormed();
  const info = create(ErrorInfoSchema, { reason: field === undefined ? reason : 'INVALID_FIELD', domain: 'spartakus' });
  const retryDelay = retryAfterMs === undefined ? undefined : durationFromMs(retryAfterMs);
  const details = [
    { desc: ErrorInfoSchema, value: info },
    ...(field === undefined ? [] : [{ desc: BadRequestSchema, value: badRequestOf(field, message) }]),
    ...(retryDelay === undefined ? [] : [{ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) }]),
  ];
  return new ConnectError(message, code, challengeOf(error), details, error);
}

function badRequestOf(field: string, description: string): BadRequest {
  return create(BadRequestSchema, { fieldViolations: [{ field, description }] });
}

export function toRefusal({ kind, message, field, retryAfterMs }: SpartakusError): Refusal {
  return create(RefusalSchema, {
    code: ERROR_STATUS[kind].code,
    reason: message,
    field: field ?? '',
    ...(retryAfterMs === undefined ? {} : { retryAfter: durationFromMs(retryAfterMs) }),
  });
}
