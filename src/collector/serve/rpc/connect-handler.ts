import type { DescMethod, JsonValue } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import { CollectorService } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import { createBodyDeadlines } from '../admission/body-deadline.ts';
import { kindOf, toConnectError } from '../error-status.ts';
import type { HandlerContext as ServeContext } from '../handler-context.ts';
import { pathOf, type ServerReply, type ServerRequest } from '../http/router.ts';
import { createCallMessages } from './call-messages.ts';
import { createConnectionSlots } from './call-slots.ts';
import { COMPRESSIONS } from './compression.ts';
import { convertErrors, convertIterable } from './convert-errors.ts';
import { findWrongField } from './field-path.ts';
import { withPlainMessage } from './grpc-status.ts';
import { limitBody } from './limited-body.ts';
import type { MessageReader } from './message-reader.ts';
import { MESSAGES, ORIGIN } from './report-service.ts';
import { answerError } from './unknown-method.ts';

const JSON_CONTENT_TYPE = /^application\/(?:json|(?:connect|grpc|grpc-web)\+json)\b/i;
/** Connect's unary calls: one message without a prefix. */
const UNFRAMED_CONTENT_TYPE = /^application\/(?:json|proto)\b/i;
const CONNECT_STREAM_CONTENT_TYPE = /^application\/connect\+/i;

/** Of health and reflection requests, which hold names, and whose responses repeat them. */
const MAX_NAMES_BYTES = 16 * 1024;
/** Per connection; a client needs one or two. */
const MAX_WATCHES = 10;

/** HTTP statuses that Connect returns before it creates a call. */
const ERROR_BY_STATUS: Readonly<Partial<Record<number, SpartakusError>>> = {
  405: new SpartakusError('not-found', 'the HTTP method must be POST'),
  415: new SpartakusError('unsupported-media-type', 'the content type is none of Connect, gRPC-Web or gRPC'),
};

interface Call {
  readonly origin: RequestOrigin;
  readonly method: DescMethod;
  readonly admit: () => void;
  /** Aborted when the client disconnects. */
  readonly clientSignal: AbortSignal;
  lastJson?: Uint8Array;
  /** Where the body did not arrive in time. */
  late?: SpartakusError;
}

const CALL = createContextKey<Call | undefined>(undefined);

/**
 * Serves all services over Connect, gRPC-Web and gRPC. Limits and decompression are applied before Connect's router: it has one limit for
 * JSON and protobuf, and cannot check bounds before it decodes.
 */
export function createConnectHandler(
  routes: (router: ConnectRouter) => void,
  read: MessageReader,
  context: ServeContext,
) {
  const { limits, memory, admission, onRejection, stopping, logger } = context;
  const { maxProtobufBytes, maxJsonBytes } = limits;
  const startBodyDeadline = createBodyDeadlines(limits.bodyTimeoutMs);
  const watches = createConnectionSlots(
    MAX_WATCHES,
    `the connection has ${MAX_WATCHES} streams of the health and reflection services`,
  );
  const router = createConnectRouter({
    readMaxBytes: Math.max(maxProtobufBytes, maxJsonBytes),
    acceptCompression: COMPRESSIONS,
    shutdownSignal: stopping,
    interceptors: [convertErrors],
    requestGate: (handlerContext) => {
      const call = handlerContext.values.get(CALL);
      if (call === undefined) return;
      observeErrors(handlerContext, call, context);
      try {
        call.admit();
      } catch (error) {
        throw toConnectError(SpartakusError.from(error));
      }
    },
  });
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  const answer = async (
    handler: UniversalHandler,
    req: ServerRequest,
    res: ServerReply,
    origin: RequestOrigin,
  ): Promise<void> => {
    const { method, service } = handler;
    const contentType = req.headers['content-type'] ?? '';
    const isJson = JSON_CONTENT_TYPE.test(contentType);
    const takesReports = service === CollectorService;
    const values = createContextValues().set(ORIGIN, origin);
    const request = universalRequestFromNodeRequest(req, res, undefined, values);
    const call: Call = {
      origin,
      method,
      clientSignal: request.signal,
      admit: () => takesReports && admission.admitReport(origin, req.headers),
    };
    const messages = createCallMessages();
    values.set(CALL, call).set(MESSAGES, messages);
    const buffered = memory.open();
    const closed = new AbortController();
    const deadline = startBodyDeadline((error) => {
      call.late = error;
      onRejection(origin.protocol, error);
      // Ends the pending read with an error, which `late` replaces, and the call's signal without one.
      req.destroy();
    });
    res.once('close', () => {
      buffered.end();
      messages.end();
      deadline.end();
      closed.abort();
    });
    const compression = takeCompression(request.header, contentType);
    const maxReportBytes = isJson ? maxJsonBytes : maxProtobufBytes;
    const maxBytes = takesReports ? maxReportBytes : Math.min(maxReportBytes, MAX_NAMES_BYTES);
    const options = { schema: method.input, isJson, compression, maxBytes, origin, signal: () => closed.signal };
    const body = limitBody(request.body as AsyncIterable<Uint8Array>, {
      maxBytes,
      isFramed: !UNFRAMED_CONTENT_TYPE.test(contentType),
      isCompressed: compression !== undefined,
      isStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
      isJson,
      read: async (frame, reservation) => {
        const message = await read(frame, reservation, options);
        if (isJson && 'bytes' in message) call.lastJson = message.bytes;
        return message;
      },
      // Only the reports of CollectorService are held until they are answered.
      onMessage: (message) => (takesReports ? messages.push(message) : message.reservation.end()),
      memory,
      buffered,
      deadline,
    });
    const response = await handler({ ...request, body: convertIterable(body, () => call.late) });
    const error = ERROR_BY_STATUS[response.status];
    if (error !== undefined) onRejection(origin.protocol, error);
    await universalResponseToNodeResponse(origin.protocol === 'grpc' ? withPlainMessage(response) : response, res);
  };

  /** Health and reflection are for anyone: a rejection must cost little. */
  const admitAnyone = ({ method }: UniversalHandler, req: ServerRequest, res: ServerReply, origin: RequestOrigin) => {
    admission.admitRequest(origin);
    if (method.methodKind !== 'unary') res.once('close', watches.of(req).take());
  };

  return {
    serves: (path: string): boolean => handlers.has(path),
    /** Only for paths that it serves. */
    handle(req: ServerRequest, res: ServerReply, origin: RequestOrigin): void {
      const handler = handlers.get(pathOf(req));
      if (handler === undefined) throw new TypeError(`no method at ${pathOf(req)}`);
      try {
        if (handler.service !== CollectorService) admitAnyone(handler, req, res, origin);
      } catch (error) {
        onRejection(origin.protocol, error);
        answerError(req, res, origin, SpartakusError.from(error));
        return;
      }
      answer(handler, req, res, origin).catch((error: unknown) => {
        const isDisconnected = hasDisconnected(req, res) || ConnectError.from(error).code === Code.Aborted;
        if (!isDisconnected) logger.error({ err: error }, 'a call failed');
        if (res.headersSent) {
          res.destroy();
        } else {
          // A malformed :authority or Host header.
          res.statusCode = 400;
          res.end();
        }
      });
    },
  };
}

function hasDisconnected(req: ServerRequest, res: ServerReply): boolean {
  if ('stream' in req) return req.stream.destroyed || req.stream.closed;
  return req.destroyed || res.destroyed;
}

/** Removes the header of a compression that limitBody undoes. Connect rejects unknown ones. */
function takeCompression(headers: Headers, contentType: string): (typeof COMPRESSIONS)[number] | undefined {
  const streamHeader = CONNECT_STREAM_CONTENT_TYPE.test(contentType) ? 'connect-content-encoding' : 'grpc-encoding';
  const header = UNFRAMED_CONTENT_TYPE.test(contentType) ? 'content-encoding' : streamHeader;
  const compression = COMPRESSIONS.find(({ name }) => name === headers.get(header));
  if (compression === undefined) return undefined;
  headers.delete(header);
  // The length before decompression.
  headers.delete('content-length');
  return compression;
}

/** Reports all errors, and completes Connect's own: Connect aborts the call's signal with an error before it encodes it. */
function observeErrors(
  { signal }: HandlerContext,
  call: Call,
  { onRejection, logger }: Pick<ServeContext, 'onRejection' | 'logger'>,
): void {
  signal.addEventListener('abort', () => {
    const error: unknown = signal.reason;
    if (!(error instanceof ConnectError)) return;
    // Connect makes an error of the code with which a client resets its stream.
    if (call.clientSignal.aborted && call.clientSignal.reason === error) {
      logger.debug({ protocol: call.origin.protocol, reason: error.rawMessage }, 'a client disconnected during a call');
      return;
    }
    if (!(error.cause instanceof SpartakusError)) completeError(error, call);
    const isDisconnected = error.code === Code.Canceled || error.code === Code.Aborted;
    if (!isDisconnected && call.late === undefined) onRejection(call.origin.protocol, error);
  });
}

function completeError(error: ConnectError, { method, lastJson }: Call): void {
  // Connect, like gRPC's servers, answers malformed protobuf with INTERNAL, and clients would retry.
  if (error.rawMessage.startsWith('parse binary: ')) Object.assign(error, { code: Code.InvalidArgument });
  const field = error.code === Code.InvalidArgument && lastJson !== undefined ? findField(method, lastJson) : undefined;
  const text = field === undefined ? error.rawMessage : `${field}: ${error.rawMessage}`;
  const { message, rawMessage, details } = toConnectError(new SpartakusError(kindOf(error), text, { field }));
  Object.assign(error, { rawMessage, details, ...(field === undefined ? {} : { message }) });
}

function findField({ input }: DescMethod, json: Uint8Array): string | undefined {
  try {
    return findWrongField(input, JSON.parse(Buffer.from(json).toString()) as JsonValue);
  } catch {
    return undefined;
  }
}
