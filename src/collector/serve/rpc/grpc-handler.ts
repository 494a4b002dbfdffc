import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import {
  CollectorService,
  StreamReportsRequestSchema,
  StreamReportsResponseSchema,
  SubmitReportRequestSchema,
  SubmitReportResponseSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { SpartakusError } from '../../../runtime/errors.ts';
import { startBodyDeadline } from '../admission/body-deadline.ts';
import type { BodyBudget, BodyShare } from '../admission/memory-limiter.ts';
import { checkProtobufBounds } from '../admission/protobuf-bounds.ts';
import type { Peer } from '../admission/request-origin.ts';
import type { OnRefusal } from '../console/rejections.ts';
import { toConnectError } from '../error-status.ts';
import { stopSending } from '../stop-sending.ts';
import { createChunkReader } from './chunk-reader.ts';
import { GZIP } from './compression.ts';
import { createGrpcFrameReader, encodeGrpcFrame, type GrpcFrame } from './grpc-frames.ts';
import type { Caller, ReportReceiver } from './report-receiver.ts';

export interface GrpcRoadOptions {
  readonly receiver: ReportReceiver;
  /** The largest message, in bytes, after decompression. */
  readonly maxMessageBytes: number;
  /** How long the one message of a call may take, or the next one of a stream, in milliseconds. */
  readonly bodyTimeoutMs: number;
  readonly budget: BodyBudget;
  /** Says whether a call may go on before anything of it is read: see routes.ts. */
  readonly admit: (headers: IncomingHttpHeaders, peer: Peer) => void;
  readonly onRefusal: OnRefusal;
}

/** Answers a stream of HTTP/2, or says that it is not of this road and leaves it untouched. */
export type GrpcRoad = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, peer: Peer) => boolean;

const PATH = `/${CollectorService.typeName}/`;
/** The content types of protobuf; gRPC with JSON is Connect's. */
const CONTENT_TYPES: ReadonlySet<string | undefined> = new Set(['application/grpc', 'application/grpc+proto']);
const ENCODINGS = 'gzip,identity';
/** Why a call was aborted. Without a reason, each would be an error of its own, with a stack. */
const GONE = 'the stream is closed';

/**
 * The straight road of gRPC: the two calls that carry reports, in protobuf over HTTP/2, without a framework in between. It is
 * what every volunteer uses, and takes a quarter of the time that Connect takes for a call; all other protocols, encodings and
 * services are Connect's, and both roads end in the same ReportReceiver. Deadlines (grpc-timeout) are the client's to keep.
 */
export function createGrpcRoad(options: GrpcRoadOptions): GrpcRoad {
  const { admit, budget, onRefusal } = options;
  const calls: Readonly<Record<string, Answer>> = {
    [`${PATH}SubmitReport`]: answerSubmit,
    [`${PATH}StreamReports`]: answerStream,
  };
  return (stream, headers, peer) => {
    const answer = calls[String(headers[':path'])];
    if (answer === undefined || headers[':method'] !== 'POST' || !CONTENT_TYPES.has(headers['content-type']))
      return false;
    // A client that goes away is no event; that the stream is closed says it.
    stream.on('error', () => undefined);
    const encoding = headers['grpc-encoding'] ?? 'identity';
    try {
      // First of all: under a flood, what is refused must cost next to nothing.
      admit(headers, peer);
      if (encoding !== 'identity' && encoding !== 'gzip') {
        throw new ConnectError(
          `the encoding is ${JSON.stringify(encoding)}: use one of ${ENCODINGS}`,
          Code.Unimplemented,
        );
      }
    } catch (error) {
      onRefusal('grpc', error);
      refuse(stream, error);
      return true;
    }
    const share = budget.open();
    const gone = new AbortController();
    stream.once('close', () => {
      share.end();
      gone.abort(GONE);
    });
    const call: Call = {
      ...options,
      stream,
      caller: { ...peer, protocol: 'grpc' },
      share,
      gone: gone.signal,
      encoding,
      trailers: { 'grpc-status': '0' },
    };
    void answer(call).catch((error: unknown) => fail(call, error));
    return true;
  };
}

interface Call extends GrpcRoadOptions {
  readonly stream: ServerHttp2Stream;
  readonly caller: Caller;
  readonly share: BodyShare;
  /** Aborted when the stream is closed, whoever closed it. */
  readonly gone: AbortSignal;
  readonly encoding: string | readonly string[];
  /** What the answer ends with. */
  trailers: OutgoingHttpHeaders;
}

type Answer = (call: Call) => Promise<void>;

async function answerSubmit(call: Call): Promise<void> {
  let request: MessageShape<typeof SubmitReportRequestSchema> | undefined;
  for await (const message of readMessages(call, SubmitReportRequestSchema)) {
    if (request !== undefined) throw new ConnectError('the call has more than one message', Code.InvalidArgument);
    request = message;
  }
  if (request === undefined) throw new ConnectError('the call has no message', Code.InvalidArgument);
  const receipt = await call.receiver.submit(request.report, call.caller);
  begin(call);
  call.stream.end(
    encodeGrpcFrame(toBinary(SubmitReportResponseSchema, create(SubmitReportResponseSchema, { receipt }))),
  );
}

async function answerStream(call: Call): Promise<void> {
  const { stream, gone } = call;
  // At once: clients that wait for headers before they send must not wait for ever.
  begin(call);
  const requests = readMessages(call, StreamReportsRequestSchema);
  for await (const receipt of call.receiver.stream(requests, call.caller, gone)) {
    if (gone.aborted) return;
    const frame = encodeGrpcFrame(
      toBinary(StreamReportsResponseSchema, create(StreamReportsResponseSchema, { receipt })),
    );
    if (!stream.write(frame)) await drained(stream);
  }
  stream.end();
}

/** The messages of a call's body. */
async function* readMessages<Desc extends DescMessage>(call: Call, schema: Desc): AsyncGenerator<MessageShape<Desc>> {
  const { stream, share, maxMessageBytes, bodyTimeoutMs } = call;
  const reader = createGrpcFrameReader(maxMessageBytes);
  const chunks = createChunkReader(stream);
  const deadline = startBodyDeadline(bodyTimeoutMs, (error) => chunks.interrupt(error));
  try {
    for (let chunk = await chunks.next(); chunk !== undefined; chunk = await chunks.next()) {
      share.take(chunk.length);
      for (const frame of reader.push(chunk)) {
        const message = decode(schema, await decompressed(call, frame));
        share.give(frame.bytes.length);
        deadline.pause();
        yield message;
        deadline.restart();
      }
    }
  } finally {
    deadline.end();
  }
  if (reader.isTorn) throw new ConnectError('the body ends in the middle of a message', Code.InvalidArgument);
}

async function decompressed(
  { encoding, maxMessageBytes }: Call,
  { compressed, bytes }: GrpcFrame,
): Promise<Uint8Array> {
  if (!compressed) return bytes;
  if (encoding === 'identity')
    throw new ConnectError('a message is compressed, and no grpc-encoding says how', Code.InvalidArgument);
  return await GZIP.decompress(bytes, maxMessageBytes);
}

function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  checkProtobufBounds(schema, bytes);
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new ConnectError(
      `the message is no protobuf of ${schema.typeName}`,
      Code.InvalidArgument,
      undefined,
      undefined,
      error,
    );
  }
}

/** Sends the headers of an answer. */
function begin(call: Call): void {
  const { stream } = call;
  if (stream.headersSent || stream.destroyed) return;
  stream.once('wantTrailers', () => {
    stream.sendTrailers(call.trailers);
    stopSending(stream);
  });
  stream.respond(HEADERS, { waitForTrailers: true });
}

const HEADERS: OutgoingHttpHeaders = {
  ':status': 200,
  'content-type': 'application/grpc+proto',
  'grpc-accept-encoding': ENCODINGS,
};

function fail(call: Call, thrown: unknown): void {
  const { stream } = call;
  if (stream.destroyed || stream.closed) return;
  call.onRefusal('grpc', thrown);
  if (!stream.headersSent) {
    refuse(stream, thrown);
    return;
  }
  call.trailers = trailersOf(thrown);
  stream.end();
}

/** Answers an error alone. */
function refuse(stream: ServerHttp2Stream, thrown: unknown): void {
  // It may have gone before it was heard of; an answer to what has gone would end the process.
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ...HEADERS, ...trailersOf(thrown) }, { endStream: true });
  stopSending(stream);
}

function trailersOf(thrown: unknown): OutgoingHttpHeaders {
  const error = thrown instanceof ConnectError ? thrown : SpartakusError.from(thrown);
  const known = knownTrailers.get(error);
  if (known !== undefined) return known;
  const status = new Headers();
  setTrailerStatus(status, error instanceof ConnectError ? error : toConnectError(error));
  const trailers = Object.fromEntries(status);
  knownTrailers.set(error, trailers);
  return trailers;
}

/** Under a flood the same error is thrown to everybody. */
const knownTrailers = new WeakMap<Error, OutgoingHttpHeaders>();

function drained(stream: ServerHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}
