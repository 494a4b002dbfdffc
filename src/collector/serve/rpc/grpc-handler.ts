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
      const buffered = memory.open();
      let closed: AbortController | undefined;
      /** Made for a call that needs it: it costs a twentieth of a call. */
      const signal = (): AbortSignal => {
        closed ??= new AbortController();
        if (stream.destroyed) closed.abort(CLOSED);
        return closed.signal;
      };
      stream.on('close', () => {
        buffered.end();
        closed?.abort(CLOSED);
      });
      const compression = isGzip ? GZIP : undefined;
      const call: Call = {
        receiver,
        read,
        limits,
        memory,
        startBodyDeadline,
        stream,
        origin,
        buffered,
        signal,
        compression,
        trailers: OK,
      };
      METHODS.get(headers[':path'])?.(call).catch((error: unknown) => {
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
  /** Aborted when the stream is closed. */
  readonly signal: () => AbortSignal;
  readonly compression: typeof GZIP | undefined;
  trailers: OutgoingHttpHeaders;
}

async function answerSubmit(call: Call): Promise<void> {
  // Decoded once the body has ended: a client could hold the message otherwise.
  const frame = await readOnlyFrame(call);
  const message = readMessage(call, frame, SubmitReportRequestSchema);
  const request = message instanceof Promise ? await message : message;
  try {
    const receipt = await call.receiver.submit(request, call.origin);
    sendHeaders(call);
    call.stream.end(encodeSubmitted([receipt]));
  } finally {
    request.reservation.end();
  }
}

async function answerStream(call: Call): Promise<void> {
  const { stream, receiver, origin } = call;
  const closed = call.signal();
  // Some clients wait for the headers before they send.
  sendHeaders(call);
  for await (const receipts of receiver.stream(readRequests(call), origin, closed)) {
    if (closed.aborted) return;
    if (!stream.write(encodeStreamed(receipts))) await drained(stream);
  }
  stream.end();
}

const encodeSubmitted = createReceiptEncoder(SubmitReportResponseSchema);
const encodeStreamed = createReceiptEncoder(StreamReportsResponseSchema);

const METHODS: ReadonlyMap<IncomingHttpHeaders[string], (call: Call) => Promise<void>> = new Map([
  [`${PATH}SubmitReport`, answerSubmit],
  [`${PATH}StreamReports`, answerStream],
]);

type ReadRequest = ReceivedReport & { readonly reservation: MemoryReservation };
type RequestDesc = typeof SubmitReportRequestSchema | typeof StreamReportsRequestSchema;

/** Resolves at the end of the body with its only message. By events, since an async iterator costs as much as the rest of the call. */
function readOnlyFrame({ stream, buffered, limits, startBodyDeadline }: Call): Promise<GrpcFrame> {
  return new Promise((resolve, reject) => {
    const reader = createGrpcFrameReader(limits.maxProtobufBytes);
    let only: GrpcFrame | undefined;
    let isOver = false;
    const fail = (error: unknown): void => {
      isOver = true;
      deadline.end();
      reject(error);
    };
    const deadline = startBodyDeadline(fail);
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
    stream.on('end', () => {
      if (isOver) return;
      isOver = true;
      deadline.end();
      try {
        reader.end();
        if (only === undefined) throw new SpartakusError('invalid', 'the call has no message');
        resolve(only);
      } catch (error) {
        reject(error);
      }
    });
    stream.on('close', () => {
      if (!isOver) fail(new Error('the stream was closed before the body ended'));
    });
  });
}

/** Those that arrive together are decoded one by one, as they are taken. The body's deadline is paused meanwhile. */
async function* readRequests(call: Call): ReceivedReports {
  const { stream, buffered, limits, startBodyDeadline } = call;
  const reader = createGrpcFrameReader(limits.maxProtobufBytes);
  const body = createChunkReader(stream, (bytes) => buffered.resize(buffered.bytes + bytes));
  const deadline = startBodyDeadline((error) => body.interrupt(error));
  let isPaused = false;
  function* readMessages(chunks: readonly Buffer[]) {
    for (const chunk of chunks) {
      for (const frame of reader.push(chunk)) {
        if (!isPaused) deadline.pause();
        isPaused = true;
        yield readMessage(call, frame, StreamReportsRequestSchema);
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

/** The caller ends the reservation. */
function readMessage(call: Call, frame: GrpcFrame, schema: RequestDesc): ReadRequest | Promise<ReadRequest> {
  const { read, memory, buffered, compression, limits, origin, signal } = call;
  const reservation = memory.open();
  const bytes = framedBytes(frame);
  buffered.resize(buffered.bytes - bytes);
  const fail = (error: unknown): never => {
    reservation.end();
    throw error;
  };
  try {
    reservation.resize(bytes);
    const options = { schema, isJson: false, compression, maxBytes: limits.maxProtobufBytes, origin, signal };
    const message = read(frame, reservation, options);
    if (!(message instanceof Promise)) return toRequest(message, schema, reservation);
    return message.then((each) => toRequest(each, schema, reservation)).catch(fail);
  } catch (error) {
    return fail(error);
  }
}

function toRequest(message: ReadMessage, schema: RequestDesc, reservation: MemoryReservation): ReadRequest {
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
