import { errorToJson } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import { ERROR_STATUS, toConnectError } from '../error-status.ts';
import { pathOf, sendResponse, type ServerReply, type ServerRequest } from '../http/router.ts';

/** Answers with `grpc-status: 12` and HTTP status 200 in gRPC and gRPC-Web, with a JSON error in Connect. Returns the error. */
export function answerUnknownMethod(req: ServerRequest, res: ServerReply, { protocol }: RequestOrigin): SpartakusError {
  const error = new SpartakusError('unimplemented', `unknown method ${pathOf(req)}`);
  const connectError = toConnectError(error);
  if (protocol === 'connect') {
    const body = JSON.stringify(errorToJson(connectError, undefined));
    sendResponse(req, res, { status: ERROR_STATUS[error.kind].httpStatus, contentType: 'application/json', body });
  } else {
    const trailers = new Headers();
    setTrailerStatus(trailers, connectError);
    const contentType = req.headers['content-type'];
    sendResponse(req, res, { status: 200, contentType, headers: Object.fromEntries(trailers) });
  }
  return error;
}
