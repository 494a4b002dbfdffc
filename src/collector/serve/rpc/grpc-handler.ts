import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import {
  CollectorService,
  StreamReportsRequestSchema,
  StreamReportsResponseSchema,
  SubmitReportRequestSchema,
  SubmitReportResponseSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import { createBodyDeadlines } from '../admission/body-deadline.ts';
import type { MemoryReservation } from '../admission/memory-limiter.ts';
import { toConnectError } from '../error-status.ts';
import type { HandlerContext } from '../handler-context.ts';
import { stopSending } from '../stop-sending.ts';
import { createChunkReader } from './chunk-reader.ts';
import { GZIP } from './compression.ts';
import { createGrpcFrameReader, framedBytes, type GrpcFrame } from './grpc-frames.ts';
import { grpcTrailers } from './grpc-status.ts';
import type { MessageReader, ReadMessage } from './message-reader.ts';
import { createReceiptEncoder } from './receipt-encoder.ts';
import type { ReceivedReport, ReportReceiver } from './report-receiver.ts';

const PATH = `/${CollectorService.typeName}/`;
const CONTENT_TYPES: ReadonlySet<string | undefined> = new Set(['application/grpc', 'application/grpc+proto']);
const ENCODINGS = 'gzip,identity';
/** A constant, since the default reason is an error with a stack for each call. */
const CLOSED = 'the stream is closed';

/**
 * Serves SubmitReport and StreamReports in gRPC with protobuf, which volunteers use, in a quarter of Connect's time per call. All other
 * protocols, encodings and methods are left to connect-handler.ts, and deadlines (grpc-timeout) to the client.
 */
export function createGrpcHandler(receiver: ReportReceiver, read: MessageReader, context: HandlerContext) {
  const { admission, memory, limits, onRejection } = context;
  const startBodyDeadline = createBodyDeadlines(limits.bodyTimeoutMs);
  return {
    serves: (headers: IncomingHttpHeaders): boolean =>
      headers[':method'] === 'POST' &&
      CONTENT_TYPES.has(headers['content-type']) &&
      METHODS.has(String(headers[':path'])),
    /** Only for requests that it serves. */
    handle(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, origin: RequestOrigin): void {
      // A client that disconnects is no error; 'close' follows.
      stream.on('error', () => undefined);
      const encoding = headers['grpc-encoding'] ?? 'identity';
      try {
        // First, so that rejections are cheap.
        admission.admitReport(origin, headers);
        if (encoding !== 'identity' && encoding !== 'gzip') {
          throw new SpartakusError(
            'unimplemented',
            `the encoding ${JSON.stringify(encoding)} is not supported: use one of ${ENCODINGS}`,
          );
        }
      } catch (error) {
        onRejection(origin.protocol, error);
        rejectStream(stream, error);
        return;
      }
      const buffered = memory.open();
      const closed = new AbortController();
      stream.once('close', () => {
        buffered.end();
        closed.abort(CLOSED);
      });
      const call: Call = {
        receiver,
        read,
        limits,
        memory,
        startBodyDeadline,
        stream,
        origin,
        buffered,
        closed: closed.signal,
        compression: encoding === 'gzip' ? GZIP : undefined,
        trailers: { 'grpc-status': '0' },
      };
      const answer = METHODS.get(String(headers[':path']));
      void answer?.(call).catch((error: unknown) => {
        if (stream.destroyed || stream.closed) return;
        onRejection(origin.protocol, error);
        if (!stream.headersSent) {
          rejectStream(stream, error);
          return;
        }
        call.trailers = trailersOf(error);
        stream.end();
      });
    },
  };
}

interface Call extends Pick<HandlerContext, 'limits' | 'memory'> {
  readonly receiver: ReportReceiver;
  readonly read: MessageReader;
  readonly startBodyDeadline: ReturnType<typeof createBodyDeadlines>;
  readonly stream: ServerHttp2Stream;
  readonly origin: RequestOrigin;
  /** Of what was received and is no whole message yet. */
  readonly buffered: MemoryReservation;
  readonly closed: AbortSignal;
  readonly compression: typeof GZIP | undefined;
  trailers: OutgoingHttpHeaders;
}

async function answerSubmit(call: Call): Promise<void> {
  let only: GrpcFrame | undefined;
  // Decoded once the body has ended: a client could hold the message otherwise.
  for await (const frame of readFrames(call, (each) => each)) {
    if (only !== undefined) throw new SpartakusError('invalid', 'the call has more than one message');
    only = frame;
  }
  if (only === undefined) throw new SpartakusError('invalid', 'the call has no message');
  const request = await readMessage(call, only, SubmitReportRequestSchema);
  const receipt = await call.receiver.submit(request, call.origin).finally(() => request.reservation.end());
  sendHeaders(call);
  call.stream.end(encodeSubmitted(receipt));
}

async function answerStream(call: Call): Promise<void> {
  const { stream, closed } = call;
  // Some clients wait for the headers before they send.
  sendHeaders(call);
  const requests = readFrames(call, (frame) => readMessage(call, frame, StreamReportsRequestSchema));
  for await (const receipt of call.receiver.stream(requests, call.origin, closed)) {
    if (closed.aborted) return;
    if (!stream.write(encodeStreamed(receipt))) await drained(stream);
  }
  stream.end();
}

const encodeSubmitted = createReceiptEncoder(SubmitReportResponseSchema);
const encodeStreamed = createReceiptEncoder(StreamReportsResponseSchema);

const METHODS: ReadonlyMap<string, (call: Call) => Promise<void>> = new Map([
  [`${PATH}SubmitReport`, answerSubmit],
  [`${PATH}StreamReports`, answerStream],
]);

type ReadRequest = ReceivedReport & { readonly reservation: MemoryReservation };
type RequestDesc = typeof SubmitReportRequestSchema | typeof StreamReportsRequestSchema;

/**
 * The body's deadline is paused while a frame is handled.
 *
 * @param take what to yield of a frame
 */
async function* readFrames<Taken>(
  { stream, buffered, limits, startBodyDeadline }: Call,
  take: (frame: GrpcFrame) => Taken | Promise<Taken>,
): AsyncGenerator<Awaited<Taken>> {
  const reader = createGrpcFrameReader(limits.maxProtobufBytes);
  const chunks = createChunkReader(stream, (bytes) => buffered.resize(buffered.bytes + bytes));
  const deadline = startBodyDeadline((error) => chunks.interrupt(error));
  try {
    for (let chunk = await chunks.next(); chunk !== undefined; chunk = await chunks.next()) {
      for (const frame of reader.push(chunk)) {
        deadline.pause();
        // Awaits it, where it is a promise.
        yield take(frame) as Awaited<Taken>;
        deadline.restart();
      }
    }
  } finally {
    deadline.end();
  }
  reader.end();
}

/** The caller ends the reservation. */
function readMessage(
  { read, memory, buffered, compression, limits, origin, closed }: Call,
  frame: GrpcFrame,
  schema: RequestDesc,
): ReadRequest | Promise<ReadRequest> {
  const reservation = memory.open();
  const bytes = framedBytes(frame);
  buffered.resize(buffered.bytes - bytes);
  const take = (message: ReadMessage): ReadRequest => {
    if ('decoded' in message) return { decoded: message.decoded, reservation };
    const request = decode(schema, message.bytes);
    const validateOnly = 'validateOnly' in request && request.validateOnly;
    return { report: request.report, validateOnly, reservation };
  };
  const fail = (error: unknown): never => {
    reservation.end();
    throw error;
  };
  try {
    reservation.resize(bytes);
    const options = { schema, isJson: false, compression, maxBytes: limits.maxProtobufBytes, origin, signal: closed };
    const message = read(frame, reservation, options);
    return message instanceof Promise ? message.then(take).catch(fail) : take(message);
  } catch (error) {
    return fail(error);
  }
}

function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new SpartakusError('invalid', `the message cannot be decoded as ${schema.typeName}`, { cause: error });
  }
}

function sendHeaders(call: Call): void {
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

function rejectStream(stream: ServerHttp2Stream, thrown: unknown): void {
  // A response would throw.
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ...HEADERS, ...trailersOf(thrown) }, { endStream: true });
  stopSending(stream);
}

function trailersOf(thrown: unknown): OutgoingHttpHeaders {
  const error = SpartakusError.from(thrown);
  const known = knownTrailers.get(error);
  if (known !== undefined) return known;
  const trailers = grpcTrailers(toConnectError(error));
  knownTrailers.set(error, trailers);
  return trailers;
}

/** Many requests may be rejected with the same error. */
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
