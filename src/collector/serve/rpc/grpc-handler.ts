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
import { type BodyDeadline, createBodyDeadlines } from '../admission/body-deadline.ts';
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
import type { ReceivedReport, ReceivedReports, ReportReceiver } from './report-receiver.ts';

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
  const server: Server = { receiver, read, memory, onRejection, maxBytes: limits.maxProtobufBytes };
  return {
    serves: (headers: IncomingHttpHeaders): boolean =>
      headers[':method'] === 'POST' && CONTENT_TYPES.has(headers['content-type']) && METHODS.has(headers[':path']),
    /** Only for requests that it serves. */
    handle(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, origin: RequestOrigin): void {
      // A client that disconnects is no error; 'close' follows.
      stream.on('error', ignoreError);
      const encoding = headers['grpc-encoding'];
      const isGzip = encoding === 'gzip';
      try {
        // First, so that rejections are cheap.
        admission.admitReport(origin, headers);
        if (!isGzip && encoding !== undefined && encoding !== 'identity') {
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
      const call: Call = {
        server,
        stream,
        origin,
        compression: isGzip ? GZIP : undefined,
        buffered: memory.open(),
        isReceived: false,
        deadline: startBodyDeadline((error) => call.onLate(error)),
        onLate: ignoreError,
        closed: undefined,
        trailers: OK,
      };
      stream.on('close', () => {
        call.deadline.end();
        if (!call.isReceived) call.buffered.end();
        call.closed?.abort(CLOSED);
      });
      METHODS.get(headers[':path'])?.(call);
    },
  };
}

/** What all calls share. */
interface Server extends Pick<HandlerContext, 'memory' | 'onRejection'> {
  readonly receiver: ReportReceiver;
  readonly read: MessageReader;
  readonly maxBytes: number;
}

interface Call {
  readonly server: Server;
  readonly stream: ServerHttp2Stream;
  readonly origin: RequestOrigin;
  readonly compression: typeof GZIP | undefined;
  /** Of what was received and is no whole message yet. */
  readonly buffered: MemoryReservation;
  /** Whether `buffered` has become the reservation of the only message. */
  isReceived: boolean;
  readonly deadline: BodyDeadline;
  onLate: (error: SpartakusError) => void;
  /** Of a call whose signal was asked for: it costs a twentieth of a call. */
  closed: AbortController | undefined;
  trailers: OutgoingHttpHeaders;
}

/** Reads by events: promises and an async iterator would cost as much as the rest of the call. */
function answerSubmit(call: Call): void {
  const { server, stream, buffered } = call;
  const reader = createGrpcFrameReader(server.maxBytes);
  let only: GrpcFrame | undefined;
  let isOver = false;
  const fail = (error: unknown): void => {
    isOver = true;
    call.deadline.end();
    failCall(call, error);
  };
  call.onLate = fail;
  stream.on('data', (chunk: Buffer) => {
    if (isOver) return;
    try {
      buffered.resize(buffered.bytes + chunk.length);
      for (const frame of reader.push(chunk)) {
        if (only !== undefined) throw new SpartakusError('invalid', 'the call has more than one message');
        only = frame;
      }
    } catch (error) {
      fail(error);
    }
  });
  // Decoded once the body has ended: a client could hold the message otherwise.
  stream.on('end', () => {
    if (isOver) return;
    try {
      reader.end();
      if (only === undefined) throw new SpartakusError('invalid', 'the call has no message');
    } catch (error) {
      fail(error);
      return;
    }
    isOver = true;
    call.deadline.end();
    void submit(call, only);
    // Node.js keeps the stream, and so its listeners, for a while.
    only = undefined;
  });
}

async function submit(call: Call, frame: GrpcFrame): Promise<void> {
  call.isReceived = true;
  const { server, stream, origin, buffered } = call;
  try {
    const message = readMessage(call, frame, SubmitReportRequestSchema, buffered);
    const request = message instanceof Promise ? await message : message;
    const receipt = await server.receiver.submit(request, origin);
    sendHeaders(call);
    stream.end(encodeSubmitted([receipt]));
  } catch (error) {
    failCall(call, error);
  } finally {
    buffered.end();
  }
}

async function answerStream(call: Call): Promise<void> {
  const { server, stream, origin } = call;
  const closed = signalOf(call);
  // Some clients wait for the headers before they send.
  sendHeaders(call);
  try {
    for await (const receipts of server.receiver.stream(readRequests(call), origin, closed)) {
      if (closed.aborted) return;
      if (!stream.write(encodeStreamed(receipts))) await drained(stream);
    }
    stream.end();
  } catch (error) {
    failCall(call, error);
  }
}

const encodeSubmitted = createReceiptEncoder(SubmitReportResponseSchema);
const encodeStreamed = createReceiptEncoder(StreamReportsResponseSchema);

const METHODS: ReadonlyMap<IncomingHttpHeaders[string], (call: Call) => void> = new Map([
  [`${PATH}SubmitReport`, answerSubmit],
  [`${PATH}StreamReports`, (call: Call) => void answerStream(call)],
]);

type RequestDesc = typeof SubmitReportRequestSchema | typeof StreamReportsRequestSchema;

/** Those that arrive together are decoded one by one, as they are taken. The body's deadline is paused meanwhile. */
async function* readRequests(call: Call): ReceivedReports {
  const { server, stream, buffered, deadline } = call;
  const reader = createGrpcFrameReader(server.maxBytes);
  const body = createChunkReader(stream, (bytes) => buffered.resize(buffered.bytes + bytes));
  call.onLate = body.interrupt;
  let isPaused = false;
  function* readMessages(chunks: readonly Buffer[]) {
    for (const chunk of chunks) {
      for (const frame of reader.push(chunk)) {
        if (!isPaused) deadline.pause();
        isPaused = true;
        const bytes = framedBytes(frame);
        const reservation = server.memory.open();
        buffered.resize(buffered.bytes - bytes);
        reservation.resize(bytes);
        yield readMessage(call, frame, StreamReportsRequestSchema, reservation);
      }
    }
  }
  try {
    for (let chunks = await body.next(); chunks !== undefined; chunks = await body.next()) {
      yield readMessages(chunks);
      if (isPaused) deadline.restart();
      isPaused = false;
    }
  } finally {
    deadline.end();
  }
  reader.end();
}

/** The caller ends the reservation, unless it throws. */
function readMessage(
  call: Call,
  frame: GrpcFrame,
  schema: RequestDesc,
  reservation: MemoryReservation,
): ReceivedReport | Promise<ReceivedReport> {
  const { server, compression, origin } = call;
  const { maxBytes } = server;
  const fail = (error: unknown): never => {
    reservation.end();
    throw error;
  };
  try {
    const options = { schema, isJson: false, compression, maxBytes, origin, signal: () => signalOf(call) };
    const message = server.read(frame, reservation, options);
    if (!(message instanceof Promise)) return toRequest(message, schema, reservation);
    return message.then((each) => toRequest(each, schema, reservation)).catch(fail);
  } catch (error) {
    return fail(error);
  }
}

function toRequest(message: ReadMessage, schema: RequestDesc, reservation: MemoryReservation): ReceivedReport {
  if ('decoded' in message) return { decoded: message.decoded, reservation };
  const request = decode(schema, message.bytes);
  const validateOnly = 'validateOnly' in request && request.validateOnly;
  return { report: request.report, validateOnly, reservation };
}

function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new SpartakusError('invalid', `the message cannot be decoded as ${schema.typeName}`, { cause: error });
  }
}

/** Aborted when the stream is closed. */
function signalOf(call: Call): AbortSignal {
  call.closed ??= new AbortController();
  if (call.stream.destroyed) call.closed.abort(CLOSED);
  return call.closed.signal;
}

function failCall(call: Call, error: unknown): void {
  const { server, stream, origin } = call;
  if (stream.destroyed || stream.closed) return;
  server.onRejection(origin.protocol, error);
  if (!stream.headersSent) {
    rejectStream(stream, error);
    return;
  }
  call.trailers = trailersOf(error);
  stream.end();
}

function sendHeaders(call: Call): void {
  const { stream } = call;
  if (stream.headersSent || stream.destroyed) return;
  stream.on('wantTrailers', () => {
    stream.sendTrailers(call.trailers);
    stopSending(stream);
  });
  stream.respond(HEADERS, { waitForTrailers: true });
}

const OK: OutgoingHttpHeaders = { 'grpc-status': '0' };
const HEADERS: OutgoingHttpHeaders = {
  ':status': 200,
  'content-type': 'application/grpc+proto',
  'grpc-accept-encoding': ENCODINGS,
};

const ignoreError = (): void => undefined;

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
