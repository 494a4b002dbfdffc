import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, RetryInfoSchema } from '../../../gen/google/rpc/error_details_pb.js';
import { type Refusal, RefusalSchema } from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { ErrorKind, SpartakusError } from '../../runtime/errors.ts';

/**
 * What a kind of error is on the wire: the gRPC code (https://grpc.io/docs/guides/status-codes/) and the HTTP status of the plain
 * JSON road, which keeps the original's 400, 413, 415 and 500. The one table.
 */
export const STATUS: Readonly<Record<ErrorKind, { readonly code: Code; readonly httpStatus: number }>> = {
  invalid: { code: Code.InvalidArgument, httpStatus: 400 },
  'too-large': { code: Code.ResourceExhausted, httpStatus: 413 },
  'unsupported-media-type': { code: Code.InvalidArgument, httpStatus: 415 },
  unauthenticated: { code: Code.Unauthenticated, httpStatus: 401 },
  forbidden: { code: Code.PermissionDenied, httpStatus: 403 },
  'not-found': { code: Code.NotFound, httpStatus: 404 },
  overloaded: { code: Code.ResourceExhausted, httpStatus: 429 },
  unavailable: { code: Code.Unavailable, httpStatus: 503 },
  internal: { code: Code.Internal, httpStatus: 500 },
};

/** How a client is told to prove who it is (RFC 9110 section 11.6.1, RFC 6750 section 3). */
export function challengeOf({ kind }: SpartakusError): Readonly<Record<string, string>> {
  return kind === 'unauthenticated' ? { 'www-authenticate': 'Bearer' } : {};
}

/** An error as Connect, gRPC and gRPC-Web send it: with the field in a BadRequest, and the time to wait in a RetryInfo. */
export function toConnectError(error: SpartakusError): ConnectError {
  const details = [];
  if (error.field !== undefined) {
    details.push({
      desc: BadRequestSchema,
      value: create(BadRequestSchema, { fieldViolations: [{ field: error.field, description: error.message }] }),
    });
  }
  if (error.retryAfterMs !== undefined) {
    details.push({
      desc: RetryInfoSchema,
      value: create(RetryInfoSchema, { retryDelay: durationFromMs(error.retryAfterMs) }),
    });
  }
  return new ConnectError(error.message, STATUS[error.kind].code, challengeOf(error), details, error);
}

/** An error as a receipt carries it. */
export function toRefusal(error: SpartakusError): Refusal {
  return create(RefusalSchema, {
    code: STATUS[error.kind].code,
    reason: error.message,
    field: error.field ?? '',
    ...(error.retryAfterMs === undefined ? {} : { retryAfter: durationFromMs(error.retryAfterMs) }),
  });
}
