import type { IncomingHttpHeaders } from 'node:http';
import type { DescMessage } from '@bufbuild/protobuf';
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
import type { Compression, UniversalHandler } from '@connectrpc/connect/protocol';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import type { Protocol } from '../../ingest/hooks.ts';
import { type BodyDeadline, startBodyDeadline } from '../admission/body-deadline.ts';
import { checkJsonBounds } from '../admission/json-bounds.ts';
import type { BodyBudget, BodyShare } from '../admission/memory-limiter.ts';
import { checkProtobufBounds } from '../admission/protobuf-bounds.ts';
import type { Peer } from '../admission/request-origin.ts';
import type { OnRefusal } from '../console/rejections.ts';
import { toConnectError } from '../error-status.ts';
import type { ServerReply, ServerRequest } from '../http/http.ts';
import { COMPRESSIONS } from './compression.ts';
import { createGrpcFrameReader, tooLarge } from './grpc-frames.ts';
import { PEER } from './report-service.ts';

export interface ConnectRoadOptions {
  /** Registers the services. */
  readonly routes: (router: ConnectRouter) => void;
  /** The largest protobuf message, in bytes, after decompression. */
  readonly maxProtobufBytes: number;
  /** The largest JSON message, in bytes, after decompression. */
  readonly maxJsonBytes: number;
  /** How long the body of a call may take, or the next part of a stream's, in milliseconds. */
  readonly bodyTimeoutMs: number;
  readonly budget: BodyBudget;
  /** Says whether a call may go on before anything of it is read: see routes.ts. */
  readonly admit: (path: string, headers: IncomingHttpHeaders, peer: Peer) => void;
  /** Aborted when the collector stops. */
  readonly stopping: AbortSignal;
  readonly onRefusal: OnRefusal;
  readonly logger: Logger;
}

/** Answers a request, or says that it is for no service and leaves it untouched. */
export type ConnectRoad = (req: ServerRequest, res: ServerReply, peer: Peer) => boolean;

/** JSON in Connect, gRPC and gRPC-Web, unary and streaming: application/json, application/connect+json, application/grpc+json, … */
const JSON_CONTENT_TYPE = /^application\/(?:json|(?:connect|grpc|grpc-web)\+json)\b/i;

/** What Connect answers, by HTTP status, before it knows what is called. */
const UNREAD: Readonly<Partial<Record<number, SpartakusError>>> = {
  405: new SpartakusError('not-found', 'the method is not for this call: use POST'),
  415: new SpartakusError('unsupported-media-type', 'the content type is none of Connect, gRPC-Web or gRPC'),
};

/** Asked with each call whether it may go on. */
const ADMIT = createContextKey<() => void>(() => undefined);

/** Every service over Connect, gRPC-Web and gRPC, by the framework of that name. */
export function createConnectRoad(options: ConnectRoadOptions): ConnectRoad {
  const { maxProtobufBytes, maxJsonBytes, bodyTimeoutMs, budget, admit, onRefusal, logger } = options;
  // Connect knows one limit for all encodings; JSON is about four times as long as protobuf, so each has handlers of its own.
  const onProtobuf = createHandlers(options, maxProtobufBytes, checkProtobufBounds);
  const onJson = createHandlers(options, maxJsonBytes, (_schema, bytes) => checkJsonBounds(bytes));

  const answer = async (
    { handler, check }: Handler,
    req: ServerRequest,
    res: ServerReply,
    peer: Peer,
  ): Promise<void> => {
    const values = createContextValues()
      .set(PEER, peer)
      .set(ADMIT, () => admit(handler.requestPath, req.headers, peer));
    const share = budget.open();
    res.once('close', () => share.end());
    const request = universalRequestFromNodeRequest(req, res, undefined, values);
    const isJson = JSON_CONTENT_TYPE.test(req.headers['content-type'] ?? '');
    const maxBytes = isJson ? maxJsonBytes : maxProtobufBytes;
    const { methodKind } = handler.method;
    const isStream = methodKind === 'client_streaming' || methodKind === 'bidi_streaming';
    let late: SpartakusError | undefined;
    const deadline = startBodyDeadline(bodyTimeoutMs, (error) => {
      late = error;
      // Whoever reads it hears of it, and then of the reason.
      req.destroy();
    });
    res.once('close', () => deadline.end());
    const metered = readMetered(request.body as AsyncIterable<Uint8Array>, { share, isStream, maxBytes, deadline });
    const checked = UNFRAMED.test(req.headers['content-type'] ?? '')
      ? checkWhole(metered, req.headers, maxBytes, check)
      : checkFrames(metered, maxBytes, check);
    const body = translateErrors(checked, () => late);
    const response = await handler({ ...request, body });
    const unread = UNREAD[response.status];
    if (unread !== undefined) onRefusal('connect', unread);
    await universalResponseToNodeResponse(response, res);
  };

  return (req, res, peer) => {
    const path = (req.url ?? '').split('?', 1)[0] ?? '';
    const handler = (JSON_CONTENT_TYPE.test(req.headers['content-type'] ?? '') ? onJson : onProtobuf).get(path);
    if (handler === undefined) return false;
    answer(handler, req, res, peer).catch((error: unknown) => {
      const gone = req.destroyed || res.destroyed || ConnectError.from(error).code === Code.Aborted;
      if (!gone) logger.error({ err: error }, 'a call failed');
      // Nothing that a client may still wait for; where its address cannot be read, nothing was sent yet.
      if (res.headersSent) {
        res.destroy();
      } else {
        res.statusCode = 400;
        res.end();
      }
    });
    return true;
  };
}

/** What answers one call. */
interface Handler {
  readonly handler: UniversalHandler;
  readonly check: Check;
}

/** Looks at a message before it is decoded, and throws where that would take too much. */
type Check = (bytes: Uint8Array) => void;

function createHandlers(
  options: ConnectRoadOptions,
  readMaxBytes: number,
  checkFor: (schema: DescMessage, bytes: Uint8Array) => void,
): ReadonlyMap<string, Handler> {
  const createAll = (acceptCompression: Compression[]): readonly UniversalHandler[] => {
    const router = createConnectRouter({
      readMaxBytes,
      acceptCompression,
      shutdownSignal: options.stopping,
      requestGate: (context) => {
        followErrors(context, readMaxBytes, options.onRefusal);
        try {
          context.values.get(ADMIT)();
        } catch (error) {
          throw toConnectError(SpartakusError.from(error));
        }
      },
    });
    options.routes(router);
    return router.handlers;
  };
  // What comes out of a decompression is a message of the one call that it is for: so each call has compressions of its own.
  return new Map(
    createAll(COMPRESSIONS).map(({ requestPath, method }) => {
      const check: Check = (bytes) => checkFor(method.input, bytes);
      const handler = createAll(COMPRESSIONS.map((compression) => withCheck(compression, check))).find(
        (each) => each.requestPath === requestPath,
      );
      return [requestPath, { handler: handler as UniversalHandler, check }];
    }),
  );
}

/**
 * Answers INVALID_ARGUMENT to a message that is no protobuf: Connect, like gRPC's own servers, says INTERNAL there, which tells a
 * client to try the same bytes again. And names the limit as the operator knows it. Connect aborts the call with its error before
 * it reads the code for the answer. Whoever counts refusals is told.
 */
function followErrors({ signal, protocolName }: HandlerContext, readMaxBytes: number, onRefusal: OnRefusal): void {
  const onAbort = (): void => {
    const error: unknown = signal.reason;
    if (!(error instanceof ConnectError)) return;
    if (error.code === Code.Internal && error.rawMessage.startsWith('parse binary: '))
      Object.assign(error, { code: Code.InvalidArgument });
    if (error.rawMessage.includes('readMaxBytes')) {
      const { message, rawMessage } = tooLarge(readMaxBytes);
      Object.assign(error, { message, rawMessage });
    }
    // That the client went away is no answer.
    if (error.code !== Code.Canceled && error.code !== Code.Aborted) onRefusal(protocolName as Protocol, error);
  };
  signal.addEventListener('abort', onAbort, { once: true });
}

/**
 * Counts a body against the budget while it is read. Of a stream, no more than one message is counted: that is what is kept of it
 * at a time.
 */
async function* readMetered(
  body: AsyncIterable<Uint8Array>,
  { share, isStream, maxBytes, deadline }: Meters,
): AsyncGenerator<Uint8Array> {
  let countedBytes = 0;
  for await (const chunk of body) {
    const bytes = isStream ? Math.min(chunk.length, maxBytes - countedBytes) : chunk.length;
    countedBytes += bytes;
    share.take(bytes);
    if (isStream) deadline.pause();
    yield chunk;
    if (isStream) deadline.restart();
  }
  deadline.end();
}

interface Meters {
  readonly share: BodyShare;
  readonly isStream: boolean;
  /** The largest message. */
  readonly maxBytes: number;
  readonly deadline: BodyDeadline;
}

/** The bodies that are one message without a frame: those of Connect's calls that are no streams. */
const UNFRAMED = /^application\/(?:json|proto)\b/i;

/** Hands a body on once it is whole, and looked at; one that is compressed is looked at once it is not. */
async function* checkWhole(
  body: AsyncIterable<Uint8Array>,
  headers: IncomingHttpHeaders,
  maxBytes: number,
  check: Check,
): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    // One too many for Connect to see.
    if (bytes > maxBytes) break;
  }
  const whole = Buffer.concat(chunks, bytes);
  if (bytes <= maxBytes && (headers['content-encoding'] ?? 'identity') === 'identity') check(whole);
  yield whole;
}

/** Hands a body on as it comes, the end of each message once that is looked at. */
async function* checkFrames(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  check: Check,
): AsyncGenerator<Uint8Array> {
  const reader = createGrpcFrameReader(maxBytes);
  for await (const chunk of body) {
    for (const { compressed, bytes } of reader.push(chunk)) if (!compressed) check(bytes);
    yield chunk;
  }
}

/** @param whyBroken why the body was broken off on this side, where it was */
async function* translateErrors(
  body: AsyncIterable<Uint8Array>,
  whyBroken: () => SpartakusError | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    const reason = whyBroken() ?? error;
    throw reason instanceof SpartakusError ? toConnectError(reason) : reason;
  }
}

/** A compression that looks at what comes out. */
function withCheck(compression: Compression, check: Check): Compression {
  return {
    ...compression,
    async decompress(bytes, readMaxBytes) {
      const message = await compression.decompress(bytes, readMaxBytes);
      try {
        check(message);
      } catch (error) {
        throw toConnectError(SpartakusError.from(error));
      }
      return message;
    },
  };
}
